"""Operating points: what runs chose on the selection part, as measured on the test part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.circuit_sizes import ranked_units
from sparc3_bench.leaderboard.series import seeds
from sparc3_bench.leaderboard.values import Value, merge_seeds

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.series import ResultFile, Series
    from sparc3_bench.record.parts import Found, MetricRecord, Point, Versus
    from sparc3_bench.record.result import Result


LEVEL = 0.05
"""A p-value of at most this, adjusted over the table, tells a choice from what it is beside."""


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


@dataclass(frozen=True)
class OperatingPoint:
    """What one run chose.

    Attributes
    ----------
    value, dense
        The main metric of what was chosen, and of the dense model.
    is_paired
        Whether the interval of `value` is that of a difference to the dense model.
    change
        What changed, where the main metric is a change: the `metric` whose difference to the dense
        model it is, `before` and `after`.
    place
        Among the choices of the question, from 0.
    is_tied
        Whether its interval overlaps with that of the first one.
    p_random, p_dense
        The p-values of being no more than one more random circuit, and of being no different from
        the dense model, each adjusted by Holm over the choices of the question; None where nothing
        is compared.
    """

    run: ResultFile
    series: Series
    metric: MetricRecord
    value: Value
    dense: float
    is_paired: bool
    change: SimpleNamespace | None
    limited: tuple[Limited, ...]
    place: int = 0
    is_tied: bool = False
    p_random: float | None = None
    p_dense: float | None = None

    @property
    def result(self) -> Result:
        """The record."""
        return self.run.result

    @property
    def found(self) -> Found:
        """What was chosen."""
        assert self.result.found is not None
        return self.result.found

    @property
    def versus(self) -> Versus | None:
        """The choice beside its random circuits."""
        return self.found.versus

    @property
    def is_dense(self) -> bool:
        """Whether nothing is removed."""
        return self.found.point.amount.requested == 0

    @property
    def name(self) -> str:
        """The scorer, with what sets the run apart from its others."""
        title, difference = self.series.scorer.title, self.series.difference
        named = f"{title}, {difference}" if difference else title
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
        if self.is_better(difference):
            return "not separable from the dense model" if unsure else ""
        return f"worse than the dense model{', but not separable from it' if unsure else ''}"

    @property
    def against_random(self) -> str:
        """How the choice compares with random circuits, empty where it was not compared.

        By p-values that are adjusted over the table; with one random circuit there is no verdict.
        """
        if self.versus is None:
            return ""
        if self.p_random is None:
            return "" if self.series.is_control else "no verdict: one random circuit only"
        difference = self.versus.difference - (0.0 if self.metric.scale == "linear" else 1.0)
        if self.p_random > LEVEL:
            is_worse = difference and not self.is_better(difference)
            return "not separable from random" + (", on its worse side" if is_worse else "")
        if self.is_better(difference):
            return "separable from random"
        return "worse than random, and separable from it"

    def is_better(self, difference: float) -> bool:
        """Return whether a difference of the main metric is one for the better."""
        return difference < 0 if self.metric.direction == "lower" else difference > 0


def operating_point(run: ResultFile, series: Series, found: Found) -> OperatingPoint:
    """Return what a run of a series chose."""
    result = run.result
    metrics = {metric.name: metric for metric in result.metrics}
    dense = result.points[0]
    ends = dense.intervals.get(found.metric)
    changed = None
    if found.point.amount.requested > 0 and (metric := _changed(result, found.metric)):
        before, after = dense.metrics[metric.name], found.point.metrics[metric.name]
        changed = SimpleNamespace(metric=metric, before=before, after=after)
    return OperatingPoint(
        run=run,
        series=series,
        metric=metrics[found.metric],
        value=_value(found.point, found.metric),
        dense=dense.metrics[found.metric],
        # A difference of the dense model to itself is known exactly.
        is_paired=ends is not None and ends[0] == ends[1],
        change=changed,
        limited=tuple(
            # In the order in which the task lists its metrics.
            Limited(metric, found.limits[metric.name], _value(found.point, metric.name))
            for metric in result.metrics
            if metric.name in found.limits
        ),
    )


def _value(point: Point, name: str) -> Value:
    value, ends = point.read(name)
    return merge_seeds([value], False, [ends])


def _changed(result: Result, name: str) -> MetricRecord | None:
    """Return the metric whose difference to the dense model `name` is, as the numbers tell."""
    dense = result.points[0].metrics
    own = [point.metrics[name] for point in result.points]
    direction = next(metric.direction for metric in result.metrics if metric.name == name)
    if not any(own):
        return None
    for metric in result.metrics:
        if metric.name == name or metric.direction != direction:
            continue
        moved = [point.metrics[metric.name] - dense[metric.name] for point in result.points]
        pairs = zip(own, moved, strict=True)
        if all(math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9) for one, other in pairs):
            return metric
    return None
