"""LRP beside the package lxt in its own formula, Wanda beside a loop as its authors published it.

Run with `make benchmarks`. The package runs in a process of its own, in turns with ours. Nothing is
asserted about time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from benchmarks.rounds import compare, seconds
from benchmarks.steps import STEPS
from benchmarks.test_memory import environment
from installed import needs_lxt


@pytest.fixture(params=["one", "several"])
def windows(request) -> str:
    return request.param


@pytest.fixture
def lxt_round(bench, threads, windows) -> Iterator:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.lxt_rounds", bench.dtype, str(threads), windows],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )

    def one() -> float:
        process.stdin.write("\n")
        process.stdin.flush()
        taken, peaks[0] = json.loads(process.stdout.readline())
        return taken

    peaks = [0]
    yield one, peaks
    process.communicate()


@needs_lxt
def test_lrp_beside_lxt(benchmark, bench, threads, windows, lxt_round):
    one, peaks = lxt_round
    more = ", several windows" if windows == "several" else ""
    about = {"step": f"lrp, signed-mean{more}", "over": f"lxt{more}", "limit": 1.0}
    about |= {"dtype": bench.dtype, "threads": threads}
    compare(benchmark, STEPS[f"lrp, signed-mean{more}"](bench), one, about)
    benchmark.extra_info["floor_peak"] = peaks[0]


def test_wanda_beside_its_published_loop(benchmark, bench, threads):
    dense = bench.restored()

    def floor() -> float:
        taken = seconds(bench.published_wanda)
        bench.view.model.load_state_dict(dense)
        return taken

    about = {"step": "wanda to a masked model", "over": "wanda's published loop", "limit": 1.0}
    about |= {"dtype": bench.dtype, "threads": threads}
    compare(benchmark, bench.masked_by_wanda, floor, about)
