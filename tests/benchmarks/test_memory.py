"""The most memory that each step takes, each in a process of its own, with the model in it.

Run with `make benchmarks`. Nothing is asserted about it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from benchmarks.conftest import DTYPES
from benchmarks.rounds import report
from benchmarks.steps import STEPS
from installed import HAS_LXT

OVER = {
    "wanda to a masked model": ("wanda's published loop", 1.5),
    **dict.fromkeys(("lrp", "gradient", "fisher"), ("forward and backward", None)),
    **dict.fromkeys(("wanda", "sparsegpt"), ("forward", None)),
    **dict.fromkeys(("perplexity", "perplexity and divergence"), ("forward", None)),
    **({"lrp, signed-mean": ("lxt", 1.0)} if HAS_LXT else {}),
}
"""By step, beside which one its memory stands, and what it may be of that."""


def environment() -> dict[str, str]:
    """Return what a process is given that imports what is importable here."""
    paths = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


def peak(name: str, dtype: str) -> int:
    command = [sys.executable, "-m", "benchmarks.peak", name, dtype]
    return int(subprocess.check_output(command, env=environment(), text=True))


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, str], int]:
    """Return all peaks; two processes at a time, as neither is timed."""
    names = [*OVER, *dict.fromkeys(over for over, _ in OVER.values())]
    every = [(name, dtype) for name in names for dtype in DTYPES]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(every, pool.map(lambda one: peak(*one), every), strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OVER)
def test_peak_over_its_floor(benchmark, known, name, dtype):
    over, limit = OVER[name]
    benchmark.pedantic(known.get, args=((name, dtype),), rounds=1)
    own, floor = known[name, dtype], known[over, dtype]
    about = {"step": name, "over": over, "dtype": dtype, "limit": limit}
    about |= {"peak": own, "floor_peak": floor}
    assert name in STEPS
    report(benchmark, about, {"memory": own / floor}, own / floor, own / floor)
