"""Replication: which results of a suite are there, run the others, and say why some cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.files import read_result, read_results
from sparc3_bench.replication.result_index import ResultIndex
from sparc3_bench.replication.rows import RunOutcome, labels

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.request import Request
    from sparc3_bench.run.runner import Runner
    from sparc3_bench.run.suite import SuiteFile


@dataclass(frozen=True)
class _Cell:
    """One scorer and seed of a run of the suite, by the run's place."""

    place: int
    scorer: str
    seed: int


class Replication:
    """The cells of a suite, and the result files in a folder that answer some of them."""

    def __init__(self, suite: SuiteFile, results: Path, host: PluginHost) -> None:
        self._suite, self._results, self._host = suite, results, host
        self._found: dict[_Cell, Result] = {}
        self._missing: dict[_Cell, str] = {}
        self.failed = False
        """Whether something that was run did not come to its end."""
        self.left_out: list[str] = []
        """Why files in the folder are no results, a sentence each."""
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

    def run(self, runner: Runner) -> None:
        """Run what is missing, as far as models and data can be had."""
        wanted = [*self._wanted()]
        standings = runner.plan(request for _, request in wanted)
        cells_of = dict(zip(map(id, standings), [cells for cells, _ in wanted], strict=True))
        for standing in standings:
            for why in standing.refusals.values():
                self._missing.update(dict.fromkeys(cells_of[id(standing)], why))
        for standing in runner.run(standings):
            for cell, order in zip(cells_of[id(standing)], standing.orders, strict=False):
                if standing.statuses[order.path] == "ok":
                    self._found[cell] = read_result(self._results / order.path)
                    del self._missing[cell]
                else:
                    self.failed = True
                    why = standing.missing.get(order.path, "it failed before.")
                    self._missing[cell] = f"It failed: {why.splitlines()[0]}"

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

    def _wanted(self) -> Iterator[tuple[list[_Cell], Request]]:
        """Yield the cells that are missing, with the request that they are of."""
        for place, run in enumerate(self._suite.runs):
            cells = [cell for cell in self._missing if cell.place == place]
            seeds = {
                name: [cell.seed for cell in cells if cell.scorer == name]
                for name, _ in run.request.scorers
            }
            if cells:
                some = [(name, few) for name, few in seeds.items() if few]
                yield cells, run.request.model_copy(update={"scorers": some})
