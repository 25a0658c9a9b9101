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
ONE_WINDOW = {"perplexity", "perplexity and divergence"}
STRICTER = {("lrp", "float32"): 1.08, ("gradient", "float32"): 1.08}
CASES = [
    (f"{over}{more}", f"{name}{more}", limit)
    for over, steps in (("forward and backward", OVER_BOTH), ("forward", OVER_FORWARD))
    for name, limit in steps.items()
    for more in ("", ", several windows")
    if not (more and name in ONE_WINDOW)
]


@pytest.mark.parametrize(("over", "name", "limit"), CASES, ids=[case[1] for case in CASES])
def test_step_over_its_floor(benchmark, bench, threads, over, name, limit):
    floor, step = STEPS[over](bench), STEPS[name](bench)
    about = {"step": name, "over": over, "dtype": bench.dtype, "threads": threads}
    about["limit"] = STRICTER.get((name.split(",")[0], bench.dtype), limit)
    compare(benchmark, step, lambda: seconds(floor), about)
