"""Replay: one result, and what came of running its own spec again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sparc3_bench.errors import RecordError, Sparc3Error
from sparc3_bench.leaderboard.submission import contradictions
from sparc3_bench.record.files import read_result
from sparc3_bench.record.result import Result
from sparc3_bench.replication.step_agreement import (
    Agreement,
    StepAgreement,
    spec_agreement,
    step_agreements,
)
from sparc3_bench.run.again import request_of
from sparc3_bench.run.runner import RequestState

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.run.process import WorkerProcess
    from sparc3_bench.run.worker import Worker
    from sparc3_bench.types.orders import Order

_OF_MACHINES = ("processor", "instructions", "threads", "python")


class Replay:
    """A result that is run again; what comes of it goes to the folder `results`."""

    def __init__(self, path: Path, results: Path) -> None:
        self.path, self._results = path, results
        self.standing: RequestState | None = None  # of its run; None where there is nothing to run
        # how far record and replay agree, to the first step that differs
        self.steps: list[StepAgreement] = []
        self.noted: list[str] = []  # what else is not the same, and moves no number by itself
        self.reason = ""  # why it cannot be replayed; empty if it can
        self._contradictions: list[str] = []
        self._written = False  # whether answers of the model are what is measured

    @property
    def outcome(self) -> Agreement | Literal["not replayed"]:
        """What it came to."""
        if self.reason or not self.steps:
            return "not replayed"
        found = {step.agreement for step in self.steps}
        return next(one for one in ("differs", "within tolerance", "equal") if one in found)

    @property
    def target(self) -> Path | None:
        """Where the new result is; None where nothing was run."""
        return self._results / self.standing.orders[0].path if self.standing else None

    def plan(self, worker: Worker | WorkerProcess, host: PluginHost, files: Sequence[Path]) -> None:
        """Read the result and find out what its spec comes to now, before anything is run.

        What is wrong with it becomes its `reason`; what differs, its first step.
        """
        try:
            self._plan(worker, host, files)
        except Sparc3Error as error:
            self.reason = str(error)

    def finish(self) -> None:
        """Compare with what was run."""
        assert self.standing is not None
        assert self.target is not None
        for why in self.standing.missing.values():
            self.reason = why
            return
        replayed = read_result(self.target)
        if replayed.status != "ok":
            self.reason = f"Its run is {replayed.status}: {replayed.error}"
            return
        self.steps += step_agreements(
            self._recorded, replayed, self._contradictions, written=self._written
        )
        self.noted += _of_machines(self._recorded, replayed)

    def _plan(
        self, worker: Worker | WorkerProcess, host: PluginHost, files: Sequence[Path]
    ) -> None:
        path = self.path
        recorded = self._recorded = read_result(path)
        recorded.check_finished(path, trusted=False)
        if recorded.chosen_by is not None:
            raise RecordError(
                f"{path} was judged again, and no run gives that; replay the run it was made from."
            )
        spec = recorded.spec
        request = request_of(
            spec, spec.judge, host, files, with_controls=True, replay_of=recorded.key
        )
        try:
            (order,) = worker.plan(request)
        except Sparc3Error as error:
            raise Sparc3Error(
                f"{path} cannot be replayed: {str(error).rstrip('.')} (a result has only the names "
                "of local models and texts; `--files FOLDER` says where they are)."
            ) from None
        step, self.noted = spec_agreement(spec, _planned(worker, order).spec)
        self.steps.append(step)
        if step.agreement == "differs":
            return
        target = self._results / order.path
        if target.is_file() and read_result(target).replay_of is None:
            raise Sparc3Error(
                f"{target} is of a run of its own; choose another folder for `--results`."
            )
        task = host.get("task", spec.task.name).cls
        self._written = task.prompts_option is not None
        if all(point.samples for point in recorded.points):
            self._contradictions = list(contradictions(recorded, host))
        self.standing = RequestState(request, [order])


def _planned(worker: Worker | WorkerProcess, order: Order) -> Result:
    """Return a record without numbers of what is to be run, as the worker would write it."""
    (content,) = worker.ended(order, "interrupted").files.values()
    return Result.model_validate_json(content)


def _of_machines(recorded: Result, replayed: Result) -> Iterator[str]:
    """Yield what differs in where both ran."""
    before, now = recorded.environment, replayed.environment
    for name in _OF_MACHINES:
        one, other = getattr(before, name), getattr(now, name)
        if one not in (other, ""):
            yield f"{name}: {one} → {other}"
    for name, version in before.packages.items():
        if (other := now.packages.get(name)) not in (None, version):
            yield f"{name}: {version} → {other}"
