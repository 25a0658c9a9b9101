"""Running cells in order, each result written as soon as it is there."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.errors import ModelError, RecordError, Sparc3Error
from sparc3_bench.record.files import read_result, write_result
from sparc3_bench.run.place import Place
from sparc3_bench.run.recipes import run
from sparc3_bench.run.responses import Written, write_responses
from sparc3_bench.run.steps.record import recorded

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.cell import Cell
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
        Keeps what steps make.
    report
        Told what is going on.
    batch_size
        Reference samples run at once.
    """

    def __init__(
        self, total: int, results: Path, cache: Path, report: Reporter, batch_size: int
    ) -> None:
        self._total, self._results, self._report = total, results, report
        self._place = Place(cache, report, batch_size)
        self._started = 0

    def of(self, cells: Sequence[Cell]) -> list[tuple[str, Result]]:
        """Return the results of cells with their names, running what is not finished."""
        outcomes = []
        for cell in cells:
            self._started += 1
            name = _name(cell, cells)
            label = f"[{self._started}/{self._total}] {name}"
            path = self._results / cell.spec.path
            result = finished(path)
            if result is None:
                try:
                    result, written = run_cell(cell, self._place, label)
                except KeyboardInterrupt:
                    if not path.exists():
                        write_result(path, _interrupted(cell))
                    raise
                if result.responses is not None:
                    write_responses(path, written.to_json())
                write_result(path, result)
                failed = f"  failed: {result.error}" if result.error else ""
                self._report.say(f"{label} → {path}{failed}")
                for warning in result.warnings:
                    self._report.say(f"{label}: warning: {warning}")
            else:
                self._report.say(f"{label}: already there, {path}")
            outcomes.append((name, result))
        return outcomes


def run_cell(cell: Cell, place: Place, label: str) -> tuple[Result, Written]:
    """Run one cell; an unexpected error becomes a failed result, never a traceback.

    Returns
    -------
    tuple
        The result, and what models wrote.

    Raises
    ------
    ModelError
        For a model that cannot be loaded, which is no fault of the run.
    """
    place.turn_to(cell, label)
    try:
        return place.run(run(cell))
    except ModelError:
        raise
    except Exception as error:  # a stranger's scorer may raise anything
        reason = f"{type(error).__name__}: {error}"
        if not isinstance(error, Sparc3Error):
            place.report.say(traceback.format_exc().rstrip())
        failed = recorded(cell, points=(), cost={}, status="failed", error=reason)
        return failed, Written(points=())


def finished(path: Path) -> Result | None:
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


def _interrupted(cell: Cell) -> Result:
    reason = "Interrupted; the same command goes on from there."
    return recorded(cell, points=(), cost={}, status="interrupted", error=reason)


def _name(cell: Cell, cells: Sequence[Cell]) -> str:
    name = cell.scorer.name
    seeds = sum(other.scorer.name == name for other in cells)
    return f"{name} seed {cell.spec.seed}" if cell.scorer.is_control or seeds > 1 else name
