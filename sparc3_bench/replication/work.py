"""Replication: which results of a suite are there, run the others, and say why some cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.files import read_result, read_results
from sparc3_bench.replication.result_index import ResultIndex
from sparc3_bench.replication.rows import RunOutcome, labels

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.run.request import Request
    from sparc3_bench.run.runner import Runner
    from sparc3_bench.run.suite import SuiteFile

Wanted = list[tuple[RunOutcome, int]]
"""Seeds whose results are missing, with the outcome that each belongs to."""


class Replication:
    """The runs of a suite, and the result files in a folder that answer some of them."""

    def __init__(self, suite: SuiteFile, results: Path, host: PluginHost) -> None:
        self._suite, self._results = suite, results
        self.outcomes = [
            RunOutcome(run, label, scorer, dict.fromkeys(seeds, ""))
            for run, label in zip(suite.runs, labels(suite), strict=True)
            for scorer, seeds in run.request.scorers
        ]
        """What is there and what is not, by run and scorer."""
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
        for one in self.outcomes:
            for seed in one.found:
                try:
                    result = existing.of(one.run.request, one.scorer, seed)
                    one.found[seed] = result or f"There is no result of it in {results}."
                except Sparc3Error as error:
                    one.found[seed] = str(error)

    def run(self, runner: Runner) -> None:
        """Run what is missing, as far as models and data can be had."""
        wanted = [*self._wanted()]
        standings = runner.plan(request for _, request in wanted)
        missing_of = dict(zip(map(id, standings), [some for some, _ in wanted], strict=True))
        for standing in standings:
            for why in standing.refusals.values():
                for one, seed in missing_of[id(standing)]:
                    one.found[seed] = why
        for standing in runner.run(standings):
            pairs = zip(missing_of[id(standing)], standing.orders, strict=False)
            for (one, seed), order in pairs:
                if standing.statuses[order.path] == "ok":
                    one.found[seed] = read_result(self._results / order.path)
                else:
                    self.failed = True
                    why = standing.missing.get(order.path, "it failed before.")
                    one.found[seed] = f"It failed: {why.splitlines()[0]}"

    def _wanted(self) -> Iterator[tuple[Wanted, Request]]:
        """Yield what is missing of each run of the suite, with the request for it."""
        for run in self._suite.runs:
            own = [one for one in self.outcomes if one.run is run and one.missing]
            if own:
                some = [(one.scorer, [*one.missing]) for one in own]
                wanted = [(one, seed) for one in own for seed in one.missing]
                yield wanted, run.request.model_copy(update={"scorers": some})
