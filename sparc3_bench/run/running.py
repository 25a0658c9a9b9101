"""Running the cells of plans in order, each result written as soon as it is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.errors import RecordError
from sparc3_bench.record.files import read_result, write_result
from sparc3_bench.run.responses import write_responses
from sparc3_bench.run.runner import Session

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.plan import Cell, Plan
    from sparc3_bench.run.progress import Reporter


class Runs:
    """The cells of several plans, what is finished left out.

    Parameters
    ----------
    total
        How many cells there are in all, for what is said.
    results
        Folder for result files.
    cache
        Keeps scores and evaluations.
    report
        Told what is going on.
    batch_size
        Reference samples run at once.
    """

    def __init__(
        self, total: int, results: Path, cache: Path, report: Reporter, batch_size: int
    ) -> None:
        self._total, self._results, self._cache = total, results, cache
        self._report, self._batch_size = report, batch_size
        self._started = 0
        self._session: Session | None = None

    def of(self, plan: Plan) -> list[tuple[str, Result]]:
        """Return the results of a plan with their names, running what is not finished.

        Raises
        ------
        Sparc3Error
            When the model cannot do what is asked of it.
        """
        session = Session(plan, self._cache, self._report, self._batch_size, self._session)
        self._session = session
        outcomes = []
        for cell in plan.cells:
            self._started += 1
            name = _name(cell, plan)
            label = f"[{self._started}/{self._total}] {name}"
            path = self._results / cell.spec.path
            result = _finished(path)
            if result is None:
                session.check()
                try:
                    result = session.run(cell, label)
                except KeyboardInterrupt:
                    if not path.exists():
                        write_result(path, session.interrupted(cell))
                    raise
                if content := session.responses.pop(result.key, None):
                    write_responses(path, content)
                write_result(path, result)
                failed = f"  failed: {result.error}" if result.error else ""
                self._report.say(f"{label} → {path}{failed}")
                for warning in result.warnings:
                    self._report.say(f"{label}: warning: {warning}")
            else:
                self._report.say(f"{label}: already there, {path}")
            outcomes.append((name, result))
        return outcomes


def _name(cell: Cell, plan: Plan) -> str:
    name = cell.scorer.name
    seeds = sum(other.scorer.name == name for other in plan.cells)
    return f"{name} seed {cell.spec.seed}" if cell.scorer.is_control or seeds > 1 else name


def _finished(path: Path) -> Result | None:
    """Return the result at `path` if it did not fail; what made it is in its name.

    One that was judged again is not this run: another judge chose its ranking and amount.
    """
    if not path.is_file():
        return None
    try:
        result = read_result(path)
    except RecordError:
        return None
    whole = result.status == "ok" and result.chosen_by is None
    return result if whole else None
