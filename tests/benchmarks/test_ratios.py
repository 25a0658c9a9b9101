"""What each step costs, as a ratio to the model's own forward or forward and backward.

Run with `make benchmarks`. Nothing is asserted about time.
"""

from __future__ import annotations

import pytest
from benchmarks.rounds import compare, seconds
from benchmarks.steps import STEPS

OVER_BOTH = {"lrp": 1.15, "gradient": 1.15, "fisher": 1.02}
OVER_FORWARD = {
    "wanda": 1.08,
    "sparsegpt": 4.0,
    "perplexity": 1.05,
    "perplexity and divergence": 1.25,
}
OVER_SEVERAL = {"wanda, several windows": 1.08, "sparsegpt, several windows": 4.0}
STRICTER = {("lrp", "float32"): 1.08, ("gradient", "float32"): 1.08}
CASES = [
    *(("forward and backward", name, limit) for name, limit in OVER_BOTH.items()),
    *(("forward", name, limit) for name, limit in OVER_FORWARD.items()),
    *(("forward, several windows", name, limit) for name, limit in OVER_SEVERAL.items()),
]


@pytest.mark.parametrize(("over", "name", "limit"), CASES, ids=[case[1] for case in CASES])
def test_step_over_its_floor(benchmark, bench, threads, over, name, limit):
    floor, step = STEPS[over](bench), STEPS[name](bench)
    about = {"step": name, "over": over, "dtype": bench.dtype, "threads": threads}
    about["limit"] = STRICTER.get((name, bench.dtype), limit)
    compare(benchmark, step, lambda: seconds(floor), about)
