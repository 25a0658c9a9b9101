"""Many runs: a hundred thousand are planned within a minute, and resumed in half of that."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sparc3_bench.contracts import Executor
from sparc3_bench.run.journal import Journal
from sparc3_bench.run.process import WorkerProcess
from sparc3_bench.run.request import Request
from sparc3_bench.run.results import ResultsFolder
from sparc3_bench.run.runner import RequestState, Runner
from sparc3_bench.run.view import RunsView
from sparc3_bench.testing.tiny import save_model, save_text
from sparc3_bench.types.orders import AnyWorker, Delivery, Order, Tell, Work

MANY, FEW = 100_000, 2_000
PLAN_SECONDS, RESUME_SECONDS, BYTES = 60, 30, 1_000_000_000
SCORERS = ("magnitude", "wanda", "gradient", "lrp", "random")


class Silent(RunsView):
    """Says nothing of single runs."""

    def say(self, text: str) -> None:
        """Print what is of no run."""
        if not text.startswith("["):
            super().say(text)


class Nobody(Executor):
    """Carries out nothing."""

    name = "nobody"
    title = "Nobody"
    asked: Sequence[Order] = ()

    def carry_out(
        self, orders: Sequence[Order], worker: AnyWorker, tell: Tell
    ) -> Iterator[Delivery]:
        """Note what was asked."""
        type(self).asked = orders
        yield from ()


def requests(folder: Path, count: int) -> list[Request]:
    """Return requests for so many runs of a tiny model."""
    texts = [save_text(folder / f"{seed}.txt", words=2000, seed=seed) for seed in (0, 1)]
    lengths = {"reference_length": 16, "evaluation_length": 16}
    windows = {"reference_windows": 2, "evaluation_windows": 2}
    options = {"reference_text": texts[0], "evaluation_text": texts[1], **lengths, **windows}
    model = save_model("llama", folder / "llama")
    return [
        Request(
            scorers=[(name, list(range(count // 2 // len(SCORERS)))) for name in SCORERS],
            task="compression",
            model=str(model),
            amounts=amounts,
            dtype="float32",
            task_options=options,
        )
        for amounts in ((0, 0.3, 0.6), (0, 0.5))
    ]


def planned(folder: Path, worker: WorkerProcess, some: Sequence[Request]) -> list[RequestState]:
    """Plan, and look at what is there."""
    results = ResultsFolder(folder / "results", lambda text: None)
    runner = Runner(Nobody(), worker, results, Silent(Journal(folder / "results")))
    states = runner.plan(some)
    assert not any(state.refusals for state in states), states[0].refusals
    list(runner.run(states))
    return states


@pytest.mark.parametrize(
    "count", [FEW, pytest.param(MANY, marks=pytest.mark.scale)], ids=["few", "many"]
)
def test_runs_are_planned_and_resumed(tmp_path, count):
    some = requests(tmp_path, count)
    work = Work(cache=str(tmp_path / "cache"), results=str(tmp_path / "results"))
    worker = WorkerProcess(work, lambda told: None)
    worker.plan(some[0].model_copy(update={"scorers": [("magnitude", [0])]}))  # starts it
    try:
        begin = time.monotonic()
        states = planned(tmp_path, worker, some)
        first = time.monotonic() - begin
        assert len(Nobody.asked) == count == sum(len(state.orders) for state in states)
        write_index(tmp_path / "results", [order for state in states for order in state.orders])
        begin = time.monotonic()
        again = planned(tmp_path, worker, some)
        resumed = time.monotonic() - begin
    finally:
        worker.close()
    assert all(state.is_whole for state in again)
    if count == MANY:
        assert first < PLAN_SECONDS
        assert resumed < RESUME_SECONDS
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        assert peak < BYTES


def write_index(results: Path, orders: Sequence[Order]) -> None:
    """Leave what a runner leaves of runs that it finished, with results of one byte."""
    lines: list[Any] = []
    for order in orders:
        path = results / order.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b" ")
        seen = path.stat()
        lines.append([order.path, [[seen.st_size, seen.st_mtime_ns], [0, 0], [0, 0]], "ok"])
    index = results / ".sparc3/known.jsonl"
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_text("".join(json.dumps(line) + "\n" for line in lines))
