"""Seconds of processor time that short commands take; printed, never asserted."""

from __future__ import annotations

import resource
import subprocess
import sys
from statistics import median

import pytest
from benchmarks.rounds import ROUNDS

from sparc3_bench.testing.tiny import save_model, save_text


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> list[str]:
    """Return a command that runs two scorers on a tiny model."""
    folder = tmp_path_factory.mktemp("startup")
    texts = [save_text(folder / f"{seed}.txt", words=2000, seed=seed) for seed in (0, 1)]
    options = {"reference_text": texts[0], "evaluation_text": texts[1]}
    options |= {"reference_length": 16, "evaluation_length": 16}
    return [
        *("run", "--scorer", "magnitude", "--scorer", "wanda", "--dtype", "float32"),
        *("--on", "local", "--model", str(save_model("llama", folder / "llama"))),
        *("--cache", str(folder / "cache"), "--results", str(folder / "results")),
        *(part for one in options.items() for part in ("--task-option", f"{one[0]}={one[1]}")),
    ]


def seconds(*arguments: str) -> float:
    """Return how much processor time a command takes, with all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "import sys; from sparc3_bench.cli import main; sys.argv[0] = 'sparc3'; main()"
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [["--help"], ["list"]], ids=["help", "list"])
def test_a_short_command(arguments):
    seconds(*arguments)
    print(f"\nsparc3 {arguments[0]}: {median(seconds(*arguments) for _ in range(ROUNDS)):.2f} s")  # noqa: T201


def test_a_finished_run_again(run):
    print(f"\nsparc3 run, from nothing: {seconds(*run):.2f} s")  # noqa: T201
    print(f"sparc3 run, all there: {median(seconds(*run) for _ in range(ROUNDS)):.2f} s")  # noqa: T201
