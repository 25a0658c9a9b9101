"""Work: which results of a suite are there, run the others, and say why some cannot be."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.errors import ModelError, Sparc3Error, describe
from sparc3_bench.record.files import read_results
from sparc3_bench.replication.result_index import ResultIndex
from sparc3_bench.replication.rows import RunOutcome, labels
from sparc3_bench.run.plan import Shared, check_writable, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.running import Runs

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.suite import SuiteFile


@dataclass(frozen=True)
class _Cell:
    """One scorer and seed of a run of the suite, by the run's place."""

    place: int
    scorer: str
    seed: int


class Work:
    """The cells of a suite.

    Parameters
    ----------
    suite
        What is wanted.
    results
        Folder of result files; those that answer a cell are used.
    host
        The plugins.

    Attributes
    ----------
    failed
        Whether something that was run did not come to its end.
    left_out
        Why files in the folder are no results, a sentence each.
    """

    def __init__(self, suite: SuiteFile, results: Path, host: PluginHost) -> None:
        self._suite, self._results, self._host = suite, results, host
        self._found: dict[_Cell, Result] = {}
        self._missing: dict[_Cell, str] = {}
        self.failed = False
        self.left_out: list[str] = []
        tasks = dict.fromkeys(run.request.task for run in suite.runs)
        there = (
            result
            for task in tasks
            for _, result in read_results(results / task, self.left_out.append)
        )
        existing = ResultIndex(there, host)
        for cell in self._cells():
            request = suite.runs[cell.place].request
            try:
                result = existing.of(request, cell.scorer, cell.seed)
            except Sparc3Error as error:
                self._missing[cell] = str(error)
                continue
            if result is None:
                self._missing[cell] = f"There is no result of it in {results}."
            else:
                self._found[cell] = result

    def run(self, cache: Path, batch_size: int) -> None:
        """Run what is missing, as far as models and data can be had.

        Raises
        ------
        Sparc3Error
            When nothing could be written.
        """
        check_writable(self._results)
        check_writable(cache)
        report = Reporter()
        plans = list(self._plans(cache))
        total = sum(len(made) for _, made in plans)
        runs = Runs(total, self._results, cache, report, batch_size)
        for cells, made in plans:
            try:
                outcomes = runs.of(made)
            except Exception as error:  # e.g. a model too large for the memory
                if not isinstance(error, Sparc3Error):
                    report.say(traceback.format_exc().rstrip())
                self._fail(cells, f"{describe(error)}.")
                continue
            for cell, (_, result) in zip(cells, outcomes, strict=True):
                if result.status == "ok":
                    self._found[cell] = result
                    del self._missing[cell]
                else:
                    self._fail([cell], f"{result.error}")

    def outcomes(self) -> list[RunOutcome]:
        """Return what is there and what is not, by run and scorer."""
        named = labels(self._suite)
        return [
            RunOutcome(
                run,
                named[place],
                scorer,
                {seed: self._found[cell] for seed, cell in cells if cell in self._found},
                {seed: self._missing[cell] for seed, cell in cells if cell in self._missing},
            )
            for place, run in enumerate(self._suite.runs)
            for scorer, seeds in run.request.scorers
            for cells in [[(seed, _Cell(place, scorer, seed)) for seed in seeds]]
        ]

    def _cells(self) -> Iterator[_Cell]:
        for place, run in enumerate(self._suite.runs):
            for scorer, seeds in run.request.scorers:
                yield from (_Cell(place, scorer, seed) for seed in seeds)

    def _plans(self, cache: Path) -> Iterator[tuple[list[_Cell], Sequence[Cell]]]:
        shared = Shared()
        gone: dict[str, str] = {}
        for place, run in enumerate(self._suite.runs):
            cells = [cell for cell in self._missing if cell.place == place]
            if not cells:
                continue
            if why := gone.get(run.request.model):  # asking the hub again takes long
                self._missing.update(dict.fromkeys(cells, why))
                continue
            seeds = {
                name: [cell.seed for cell in cells if cell.scorer == name]
                for name, _ in run.request.scorers
            }
            scorers = [(name, some) for name, some in seeds.items() if some]
            request = run.request.model_copy(update={"scorers": scorers})
            try:
                made = plan(request, self._host, cache, shared)
            except Sparc3Error as error:
                self._missing.update(dict.fromkeys(cells, str(error)))
                if isinstance(error, ModelError):
                    gone[run.request.model] = str(error)
                continue
            yield cells, made

    def _fail(self, cells: Iterable[_Cell], why: str) -> None:
        self.failed = True
        first = why.partition("\n")[0]
        self._missing.update(dict.fromkeys(cells, f"It failed: {first}"))
