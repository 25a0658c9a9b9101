"""LRP beside the package lxt in its own formula, Wanda beside a loop as its authors published it.

Run with `make benchmarks`. The package runs in a process of its own, in turns with ours. Nothing is
asserted about time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from benchmarks.rounds import compare, seconds
from benchmarks.steps import STEPS
from benchmarks.test_memory import environment
from installed import needs_lxt


@pytest.fixture(params=["", ", several windows"], ids=["one", "several"])
def windows(request) -> str:
    return request.param


@pytest.fixture
def lxt(bench, threads, windows) -> Iterator[Callable[[], float]]:
    command = [sys.executable, "-m", "benchmarks.lxt_rounds"]
    process = subprocess.Popen(
        [*command, f"lxt{windows}", bench.dtype, str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )

    def one() -> float:
        process.stdin.write("\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    yield one
    process.communicate()


@needs_lxt
def test_lrp_beside_lxt(benchmark, bench, threads, windows, lxt):
    about = {"step": f"lrp, signed-mean{windows}", "over": f"lxt{windows}", "limit": 1.0}
    about |= {"dtype": bench.dtype, "threads": threads}
    compare(benchmark, STEPS[f"lrp, signed-mean{windows}"](bench), lxt, about)


def test_wanda_beside_its_published_loop(benchmark, bench, threads):
    dense = bench.restored()

    def floor() -> float:
        taken = seconds(bench.published_wanda)
        bench.view.model.load_state_dict(dense)
        return taken

    about = {"step": "wanda to a masked model", "over": "wanda's published loop", "limit": 1.0}
    about |= {"dtype": bench.dtype, "threads": threads}
    compare(benchmark, bench.masked_by_wanda, floor, about)
