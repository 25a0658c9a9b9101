"""Choices: what every run chose on the selection part, as it was measured on the test part."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.series import seeds
from sparc3_bench.leaderboard.values import Value, merged
from sparc3_bench.leaderboard.whole import ranked_units

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sparc3_bench.leaderboard.series import Run, Series
    from sparc3_bench.record.parts import Found, MetricRecord, Point, Tried, Versus
    from sparc3_bench.record.result import Result

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


@dataclass(frozen=True)
class Change:
    """The metric whose difference to the dense model another one is, before and after."""

    metric: MetricRecord
    before: float
    after: float


@dataclass(frozen=True)
class Chosen:
    """What one run chose.

    Attributes
    ----------
    value, dense
        The main metric of what was chosen, and of the dense model.
    is_paired
        Whether the interval of `value` is that of a difference to the dense model.
    change
        What changed, where the main metric is a change.
    place
        Among the choices of the question, from 0.
    is_tied
        Whether its interval overlaps with that of the first one.
    p_random, p_dense
        The p-values of being no more than one more random circuit, and of being no different from
        the dense model, each adjusted by Holm over the choices of the question; None where nothing
        is compared.
    """

    run: Run
    series: Series
    metric: MetricRecord
    value: Value
    dense: float
    is_paired: bool
    change: Change | None
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

    def is_better(self, difference: float) -> bool:
        """Return whether a difference of the main metric is one for the better."""
        return difference < 0 if self.metric.direction == "lower" else difference > 0


@dataclass(frozen=True)
class Question:
    """The runs that chose by the same metric under the same limits, best first, controls last.

    Attributes
    ----------
    id
        Sets it apart from the other questions of its section.
    amounts
        Every amount that some run tried, rising.
    """

    id: str
    title: str
    metric: MetricRecord
    limits: tuple[tuple[MetricRecord, float], ...]
    rows: tuple[Chosen, ...]
    amounts: tuple[float, ...]

    @property
    def sign(self) -> int:
        """What turns the main metric into a number that is better the lower it is."""
        return 1 if self.metric.direction == "lower" else -1

    def effect(self, series: Series) -> float | None:
        """Return the main metric of what a series chose, on average over its runs."""
        found = [row.value.centre for row in self.rows if row.series is series]
        return math.fsum(found) / len(found) if found else None

    @property
    def tried(self) -> tuple[tuple[Chosen, str, Mapping[float, Tried]], ...]:
        """For every run and candidate ranking, by amount what was measured to choose."""
        found = []
        for row in self.rows:
            names = dict.fromkeys(one.candidate for one in row.result.tried)
            for name in names:
                here = {t.requested: t for t in row.result.tried if t.candidate == name}
                found.append((row, name, here))
        return tuple(found)

    @property
    def series(self) -> tuple[Series, ...]:
        """The series that the runs belong to, each once."""
        return tuple({id(row.series): row.series for row in self.rows}.values())

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
    asked: dict[tuple[str, str, tuple[tuple[str, float], ...]], list[Chosen]] = {}
    for one in series:
        for run in one.runs:
            found = run.result.found
            if found is not None and found.at_least is None:
                limits = tuple(sorted(found.limits.items()))
                key = (found.title, found.metric, limits)
                asked.setdefault(key, []).append(_chosen(run, one, found))
    return tuple(_question(f"choice-{i + 1}", asked[key]) for i, key in enumerate(sorted(asked)))


def _question(name: str, rows: list[Chosen]) -> Question:
    sign = 1 if rows[0].metric.direction == "lower" else -1

    def position(row: Chosen) -> tuple[bool, float, str, int, int, str]:
        effect = sign * row.value.centre
        spec = row.result.spec
        variant = row.series.variant
        key = row.run.path.as_posix()
        return row.series.is_control, effect, spec.scorer.name, variant, spec.seed, key

    ranked = sorted(rows, key=position)
    first = ranked[0]
    random, dense = _adjusted(ranked, _p_random), _adjusted(ranked, _p_dense)
    marked = [
        replace(
            row,
            place=place,
            is_tied=place > 0 and _overlap(row.value, first.value),
            p_random=random[place],
            p_dense=dense[place],
        )
        for place, row in enumerate(ranked)
    ]
    return Question(
        id=name,
        title=first.found.title,
        metric=first.metric,
        limits=tuple((one.metric, one.most) for one in first.limited),
        rows=tuple(marked),
        amounts=tuple(sorted({t.requested for row in rows for t in row.result.tried})),
    )


def _adjusted(
    rows: Sequence[Chosen], p_value: Callable[[Chosen], float | None]
) -> list[float | None]:
    """Return p-values of a table adjusted by Holm; None of rows that have none."""
    from sparc3_bench.statistics.holm import holm

    found = [None if row.series.is_control else p_value(row) for row in rows]
    known = [one for one in found if one is not None]
    adjusted = iter(holm(known).tolist() if known else ())
    return [None if one is None else next(adjusted) for one in found]


def _p_random(row: Chosen) -> float | None:
    """Return the larger of both p-values: it is no luck of samples, nor one of draws."""
    if row.versus is None or row.p_draw is None:
        return None
    return max(row.versus.p_value, row.p_draw)


def _p_dense(row: Chosen) -> float | None:
    """Return the p-value of a change of 0, by the error that its interval is of."""
    from sparc3_bench.statistics.interval import error_of, two_sided

    ends, clusters = row.value.interval, row.metric.clusters
    if row.is_dense or not row.is_paired or ends is None:
        return None
    if clusters is not None and clusters < 2:
        return None
    # Records of before do not say how many; their intervals are percentiles.
    many = _MANY if clusters is None else clusters
    return two_sided(row.value.centre - row.dense, error_of(*ends, many), many - 1)


def _chosen(run: Run, series: Series, found: Found) -> Chosen:
    result = run.result
    metrics = {metric.name: metric for metric in result.metrics}
    dense = result.points[0]
    ends = dense.intervals.get(found.metric)
    changed = None
    if found.point.amount.requested > 0 and (metric := _changed(result, found.metric)):
        before, after = dense.metrics[metric.name], found.point.metrics[metric.name]
        changed = Change(metric, before, after)
    return Chosen(
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
    return merged([point.metrics[name]], False, [point.intervals.get(name)])


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


def _overlap(one: Value, other: Value) -> bool:
    """Return whether two intervals share a number; one that was not recorded is none."""
    mine, its = one.interval, other.interval
    return bool(mine and its and mine[0] <= its[1] and its[0] <= mine[1])
