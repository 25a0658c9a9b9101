"""Rows: every published number that a suite names, with what its runs measured of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.leaderboard.literature import ReportedNumber, literature
from sparc3_bench.replication.verdict import ReplicationVerdict, SeedMean, mean_of, verdict_of

if TYPE_CHECKING:
    from sparc3_bench.record.parts import MetricRecord, Point
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.request import Request
    from sparc3_bench.run.suite import Published, SuiteFile, SuiteRun

_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class RunOutcome:
    """A run of one scorer."""

    run: SuiteRun
    label: str
    scorer: str
    found: dict[int, Result | str]
    """By seed its result, or why it is not there."""

    @property
    def results(self) -> dict[int, Result]:
        """The results that are there."""
        return {seed: one for seed, one in self.found.items() if not isinstance(one, str)}

    @property
    def missing(self) -> dict[int, str]:
        """Of the other seeds why they are not there."""
        return {seed: one for seed, one in self.found.items() if isinstance(one, str)}


@dataclass(frozen=True)
class Row:
    """A published number beside a measured one."""

    published: ReportedNumber
    model: str
    label: str
    """What ran, as the suite calls it; empty where nothing stands for a dense model."""
    own: SeedMean | None
    """In the unit of the published one; None when it was not run."""
    verdict: ReplicationVerdict | None
    """None when it was not run."""
    reason: str
    """Why it, or a seed of it, was not run."""

    @property
    def word(self) -> str:
        """`match`, `differs` or `not run`."""
        return self.verdict.word if self.verdict else "not run"


def labels(suite: SuiteFile) -> list[str]:
    """Return for every run its name and what tells it from others of the same name and model."""
    said = [_said(run.request) for run in suite.runs]
    found = []
    for run, own in zip(suite.runs, said, strict=True):
        alike = [
            one
            for other, one in zip(suite.runs, said, strict=True)
            if (other.name, other.model) == (run.name, run.model)
        ]
        parts = [text for name, text in own.items() if any(o.get(name) != text for o in alike)]
        found.append(", ".join([run.name or run.request.task, *filter(None, parts)]))
    return found


def rows(suite: SuiteFile, outcomes: Sequence[RunOutcome], *, same_items: bool) -> list[Row]:
    """Return the published numbers of a suite with what was measured, on its items or others."""
    return [
        row
        for number, block in enumerate(suite.published, 1)
        for row in _Block(number, block, suite, outcomes, same_items).rows()
    ]


@dataclass(frozen=True)
class _Block:
    """The rows of one table [[published]]."""

    number: int
    said: Published
    suite: SuiteFile
    outcomes: Sequence[RunOutcome]
    same_items: bool

    def rows(self) -> Iterator[Row]:
        said = self.said
        numbers = [
            number
            for table in literature()
            for number in table.numbers
            if (number.source.key, number.where, number.metric)
            == (said.source, said.where, said.metric)
        ]
        if not numbers:
            raise self._wrong(
                f"the literature has no {said.metric} from '{said.source}', '{said.where}'"
            )
        self._check_names(numbers)
        for number in numbers:
            yield from self._of(number)

    def _check_names(self, numbers: Sequence[ReportedNumber]) -> None:
        said = self.said
        known = {number.method for number in numbers}
        runs = {run.name for run in self.suite.runs if run.name}
        note = f" ([[published]] {self.number})"
        for method, names in said.methods.items():
            if method not in known:
                raise UnknownNameError("method of the literature", method, known, note)
            for name in names:
                if name not in runs:
                    raise UnknownNameError("run of the suite", name, runs, note)
        if said.seeds < 2 and any(number.error is not None for number in numbers):
            raise self._wrong("numbers with an error need `seeds`, how many are behind it")

    def _of(self, number: ReportedNumber) -> Iterator[Row]:
        said = self.said
        columns = said.measured if isinstance(said.measured, dict) else {}
        metric = columns.get(number.data) if columns else said.measured
        amount = self._amount(number)
        names = said.methods.get(number.method, [])
        if amount == 0:
            names = [name for some in said.methods.values() for name in some]
        meant = [
            one for one in self.outcomes if one.run.name in names and one.run.model == number.model
        ]
        if not meant or not isinstance(metric, str):
            return
        if amount > 0:
            for one in meant:
                yield self._row(number, one, one.label, metric, amount)
        else:  # the dense model is the same in all of them
            there = next((one for one in meant if one.results), meant[0])
            yield self._row(number, there, "", metric, amount)

    def _row(
        self, number: ReportedNumber, one: RunOutcome, label: str, metric: str, amount: float
    ) -> Row:
        reason = next(iter(one.missing.values()), "")
        if not one.results:
            return Row(number, one.run.model, label, None, None, reason)
        points = [p for r in one.results.values() for p in r.points if p.amount.requested == amount]
        if len(points) < len(one.results):
            raise self._wrong(f"the run '{one.run.name}' does not measure at {amount:g}")
        if metric not in points[0].metrics:
            raise UnknownNameError(
                "metric", metric, points[0].metrics, f" ([[published]] {self.number})"
            )
        if amount == 0:  # of the dense model there is nothing to draw
            points, reason = points[:1], ""
        scale = self.said.scale
        read = next(m for m in next(iter(one.results.values())).metrics if m.name == metric)
        error, many = (0.0, None) if self.same_items else _error_over_items(points, read)
        own = mean_of([scale * point.metrics[metric] for point in points], scale * error, many)
        published = SeedMean(number.value, number.error, self.said.seeds)
        verdict = verdict_of(own, published, digit(number), self.said.tolerance)
        return Row(number, one.run.model, label, own, verdict, reason)

    def _amount(self, number: ReportedNumber) -> float:
        percent, _, sign = number.removed.partition(_SPACE)
        if sign != "%":
            raise self._wrong(f"'{number.removed}' of the literature is no sparsity")
        return float(percent) / 100

    def _wrong(self, what: str) -> Sparc3Error:
        return Sparc3Error(f"The suite's [[published]] {self.number}: {what}; correct it.")


def digit(number: ReportedNumber) -> float:
    """Return one unit of the last digit of a number as it was printed."""
    mantissa = number.text.split()[0].replace(",", "")
    decimals = len(mantissa.partition(".")[2])
    power = round(math.log10(number.value / float(mantissa))) if number.value else 0
    return float(10.0 ** (power - decimals))


def _error_over_items(points: Sequence[Point], metric: MetricRecord) -> tuple[float, int | None]:
    """Return the standard error behind the 95 % intervals, and of how many independent items it is.

    Those of seeds rise and fall together. Without an interval, as where there is one item, nothing
    is known and 0 is returned.
    """
    from sparc3_bench.statistics.interval import error_of

    name = metric.name
    ends = [point.intervals[name] for point in points if name in point.intervals]
    if not ends:
        return 0.0, None
    # Intervals of before are percentiles, and do not say of how many.
    many = metric.clusters if metric.clusters is not None and metric.clusters > 1 else 10**6
    errors = [error_of(*pair, many) for pair in ends]
    return statistics.fmean(errors), metric.clusters


def _said(request: Request) -> dict[str, str]:
    """Return in words what a request says besides its scorers, option by option."""
    found: dict[str, str] = {}
    for name, value in vars(request).items():
        if isinstance(value, Mapping):
            found |= {option: f"{option}={one}" for option, one in value.items()}
        elif name != "scorers":
            found[name] = "" if value is None else str(value)
    return found
