"""Choices: what runs chose on the selection part, as measured on the test part, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace

from sparc3_bench.comparison.circuit_sizes import ranked_units
from sparc3_bench.comparison.series import ResultFile, Series, seeds
from sparc3_bench.comparison.values import Value, merge_seeds
from sparc3_bench.record.parts import Found, MetricRecord, Point, Tried
from sparc3_bench.record.result import Result

LEVEL = 0.05
"""A p-value of at most this, adjusted over the table, tells a choice from what it is beside."""

_MANY = 10**6
"""So many independent samples are as good as any number of them."""


@dataclass(frozen=True)
class Limited:
    """A metric with the most it may be, and what it is on the test part."""

    metric: MetricRecord
    most: float
    value: Value

    @property
    def is_broken(self) -> bool:
        """Whether the choice, which kept the limit on the selection part, is beyond it here."""
        return self.value.centre > self.most


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """What one run chose."""

    run: ResultFile
    series: Series
    found: Found
    # Whether its interval overlaps with that of the first one of the question
    is_tied: bool = False
    # p_random, p_dense: The p-values of being no more than one more random circuit, and of being no
    # different from the dense model, each adjusted by Holm over the choices of the question; None
    # where nothing is compared
    p_random: float | None = None
    p_dense: float | None = None

    @property
    def result(self) -> Result:
        """The record."""
        return self.run.result

    @cached_property
    def metric(self) -> MetricRecord:
        """The main metric: what it does best in."""
        return next(one for one in self.result.metrics if one.name == self.found.metric)

    @cached_property
    def value(self) -> Value:
        """The main metric of what was chosen."""
        return _value(self.found.point, self.found.metric)

    @property
    def dense(self) -> float:
        """The main metric of the dense model."""
        return self.result.points[0].metrics[self.found.metric]

    @cached_property
    def change(self) -> SimpleNamespace | None:
        """Where the main metric is a change, the `metric` that changes, `before` and `after`."""
        metric = None if self.is_dense else _changed(self.result, self.found.metric)
        if metric is None:
            return None
        before, after = (p.metrics[metric.name] for p in (self.result.points[0], self.found.point))
        return SimpleNamespace(metric=metric, before=before, after=after)

    @cached_property
    def limited(self) -> tuple[Limited, ...]:
        """What is limited, in the order in which the task lists its metrics."""
        limits, point = self.found.limits, self.found.point
        names = [metric for metric in self.result.metrics if metric.name in limits]
        return tuple(Limited(one, limits[one.name], _value(point, one.name)) for one in names)

    @property
    def is_dense(self) -> bool:
        """Whether nothing is removed."""
        return self.found.point.amount.requested == 0

    @property
    def name(self) -> str:
        """The scorer, with what sets the run apart from its others."""
        named = ", ".join(filter(None, (self.series.scorer.title, self.series.difference)))
        several = len(seeds(self.series.runs)) > 1
        return f"{named}, seed {self.result.spec.seed}" if several else named

    @property
    def controls(self) -> tuple[float, ...]:
        """The main metric of the random circuits beside the choice, on the same samples."""
        return self.found.point.control.get(self.metric.name, ())

    @property
    def p_draw(self) -> float | None:
        """The p-value of being one more random circuit; None with fewer than two of them.

        The mean of random circuits is known better than where a single one of them lies, so a
        choice that is off the mean need not be more than another of them.
        """
        from sparc3_bench.statistics.band import LEAST, one_more  # loads numpy and scipy

        if len(self.controls) < LEAST:
            return None
        return one_more(self.value.centre, self.controls, self.metric.scale)

    @property
    def units(self) -> tuple[int | None, int | None]:
        """How many units are removed, and of how many."""
        return self.found.point.amount.units_removed, ranked_units(self.result)

    @property
    def has_passed(self) -> bool:
        """Whether anything that removes something keeps the limits."""
        return any(one.passes and one.requested > 0 for one in self.result.tried)

    @property
    def against_dense(self) -> str:
        """How the choice compares with the dense model, empty where it is simply better."""
        if self.is_dense:
            return ""
        difference = self.value.centre - self.dense
        unsure = self.p_dense is not None and self.p_dense > LEVEL
        if difference == 0:
            return "no different from the dense model"
        if self._is_better(difference):
            return "not separable from the dense model" if unsure else ""
        return f"worse than the dense model{', but not separable from it' if unsure else ''}"

    @property
    def against_random(self) -> str:
        """How the choice compares with random circuits, empty where it was not compared.

        By p-values that are adjusted over the table; with one random circuit there is no verdict.
        """
        if self.found.versus is None:
            return ""
        if self.p_random is None:
            return "" if self.series.is_control else "no verdict: one random circuit only"
        difference = self.found.versus.difference - (0.0 if self.metric.scale == "linear" else 1.0)
        if self.p_random > LEVEL:
            is_worse = difference and not self._is_better(difference)
            return "not separable from random" + (", on its worse side" if is_worse else "")
        if self._is_better(difference):
            return "separable from random"
        return "worse than random, and separable from it"

    def _is_better(self, difference: float) -> bool:
        return difference < 0 if self.metric.direction == "lower" else difference > 0


@dataclass(frozen=True)
class Question:
    """The runs that chose by the same metric under the same limits, best first, controls last."""

    id: str  # sets it apart from the other questions of its section
    title: str
    metric: MetricRecord
    limits: tuple[tuple[MetricRecord, float], ...]
    rows: tuple[OperatingPoint, ...]
    amounts: tuple[float, ...]  # every amount that some run tried, rising

    def effect(self, series: Series) -> float | None:
        """Return the main metric of what a series chose, on average over its runs."""
        found = [row.value.centre for row in self.rows if row.series is series]
        return math.fsum(found) / len(found) if found else None

    @property
    def tried(self) -> list[tuple[OperatingPoint, str, Mapping[float, Tried]]]:
        """For every run and candidate ranking, by amount what was measured to choose."""
        found: dict[tuple[OperatingPoint, str], dict[float, Tried]] = {}
        for row in self.rows:
            for one in row.result.tried:
                found.setdefault((row, one.candidate), {})[one.requested] = one
        return [(row, name, here) for (row, name), here in found.items()]

    @property
    def has_controls(self) -> bool:
        """Whether some run was measured beside random circuits."""
        return any(any(point.control for point in row.result.points) for row in self.rows)

    @property
    def change(self) -> MetricRecord | None:
        """What changes, if the main metric is the same change in all runs that removed anything."""
        found = {row.change.metric.name: row.change.metric for row in self.rows if row.change}
        return next(iter(found.values())) if len(found) == 1 else None


def questions(series: Sequence[Series]) -> tuple[Question, ...]:
    """Return what the runs of a section chose, a question for each metric with its limits."""
    asked: dict[tuple[str, str, tuple[tuple[str, float], ...]], list[OperatingPoint]] = {}
    for one in series:
        for run in one.runs:
            found = run.result.found
            if found is not None and found.at_least is None:
                key = (found.title, found.metric, tuple(sorted(found.limits.items())))
                asked.setdefault(key, []).append(OperatingPoint(run, one, found))
    return tuple(_question(f"choice-{i + 1}", asked[key]) for i, key in enumerate(sorted(asked)))


def _value(point: Point, name: str) -> Value:
    value, ends = point.read(name)
    return merge_seeds([value], False, [ends])


def _changed(result: Result, name: str) -> MetricRecord | None:
    """Return the metric whose difference to the dense model `name` is, as the numbers tell."""
    own = [point.metrics[name] for point in result.points]
    (direction,) = [metric.direction for metric in result.metrics if metric.name == name]
    for metric in result.metrics:
        there = [point.metrics[metric.name] for point in result.points]
        is_it = all(
            math.isclose(change, value - there[0], rel_tol=1e-6, abs_tol=1e-9)
            for change, value in zip(own, there, strict=True)
        )
        if is_it and any(own) and metric.name != name and metric.direction == direction:
            return metric
    return None


def _question(name: str, rows: list[OperatingPoint]) -> Question:
    sign = 1 if rows[0].metric.direction == "lower" else -1
    ranked = sorted(
        rows,
        key=lambda row: (
            *(row.series.is_control, sign * row.value.centre, row.series.scorer.name),
            *(row.series.variant, row.result.spec.seed, row.run.path.as_posix()),
        ),
    )
    first = ranked[0]

    def is_tied(row: OperatingPoint) -> bool:
        mine, its = row.value.interval, first.value.interval
        return bool(row is not first and mine and its and mine[0] <= its[1] and its[0] <= mine[1])

    p_random, p_dense = (_adjusted(ranked, one) for one in (_p_random, _p_dense))
    return Question(
        id=name,
        title=first.found.title,
        metric=first.metric,
        limits=tuple((one.metric, one.most) for one in first.limited),
        rows=tuple(
            replace(row, is_tied=is_tied(row), p_random=p_random.get(row), p_dense=p_dense.get(row))
            for row in ranked
        ),
        amounts=tuple(sorted({t.requested for row in rows for t in row.result.tried})),
    )


def _adjusted(
    rows: Sequence[OperatingPoint], p_value: Callable[[OperatingPoint], float | None]
) -> dict[OperatingPoint, float]:
    """Return p-values of a table adjusted by Holm, of the rows that have one."""
    from sparc3_bench.statistics.holm import holm  # loads numpy

    own = ((row, p_value(row)) for row in rows if not row.series.is_control)
    found = {row: one for row, one in own if one is not None}
    return dict(zip(found, holm([*found.values()]).tolist(), strict=True)) if found else {}


def _p_random(row: OperatingPoint) -> float | None:
    """Return the larger of both p-values: it is no luck of samples, nor one of draws."""
    if row.found.versus is None or row.p_draw is None:
        return None
    return max(row.found.versus.p_value, row.p_draw)


def _p_dense(row: OperatingPoint) -> float | None:
    """Return the p-value of a change of 0, by the error that its interval is of."""
    from sparc3_bench.statistics.interval import error_of, two_sided

    ends, clusters = row.value.interval, row.metric.clusters
    same = row.result.points[0].intervals.get(row.metric.name)
    # A difference of the dense model to itself is known exactly.
    is_paired = same is not None and same[0] == same[1]
    if row.is_dense or not is_paired or ends is None or (clusters is not None and clusters < 2):
        return None
    # Records of before do not say how many; their intervals are percentiles.
    many = _MANY if clusters is None else clusters
    return two_sided(row.value.centre - row.dense, error_of(*ends, many), many - 1)
