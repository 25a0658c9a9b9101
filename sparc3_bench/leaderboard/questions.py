"""Questions: the choices by one metric under the same limits, side by side and tested together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.operating_points import OperatingPoint, operating_point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.values import Value
    from sparc3_bench.record.parts import MetricRecord, Tried

_MANY = 10**6
"""So many independent samples are as good as any number of them."""


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
    rows: tuple[OperatingPoint, ...]
    amounts: tuple[float, ...]

    def effect(self, series: Series) -> float | None:
        """Return the main metric of what a series chose, on average over its runs."""
        found = [row.value.centre for row in self.rows if row.series is series]
        return math.fsum(found) / len(found) if found else None

    @property
    def tried(self) -> tuple[tuple[OperatingPoint, str, Mapping[float, Tried]], ...]:
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
    asked: dict[tuple[str, str, tuple[tuple[str, float], ...]], list[OperatingPoint]] = {}
    for one in series:
        for run in one.runs:
            found = run.result.found
            if found is not None and found.at_least is None:
                limits = tuple(sorted(found.limits.items()))
                key = (found.title, found.metric, limits)
                asked.setdefault(key, []).append(operating_point(run, one, found))
    return tuple(_question(f"choice-{i + 1}", asked[key]) for i, key in enumerate(sorted(asked)))


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


def _overlap(one: Value, other: Value) -> bool:
    """Return whether two intervals share a number; one that was not recorded is none."""
    mine, its = one.interval, other.interval
    return bool(mine and its and mine[0] <= its[1] and its[0] <= mine[1])


def _adjusted(
    rows: Sequence[OperatingPoint], p_value: Callable[[OperatingPoint], float | None]
) -> list[float | None]:
    """Return p-values of a table adjusted by Holm; None of rows that have none."""
    from sparc3_bench.statistics.holm import holm  # loads numpy

    found = [None if row.series.is_control else p_value(row) for row in rows]
    known = [one for one in found if one is not None]
    numbers = iter(holm(known).tolist() if known else ())
    return [None if one is None else next(numbers) for one in found]


def _p_random(row: OperatingPoint) -> float | None:
    """Return the larger of both p-values: it is no luck of samples, nor one of draws."""
    if row.versus is None or row.p_draw is None:
        return None
    return max(row.versus.p_value, row.p_draw)


def _p_dense(row: OperatingPoint) -> float | None:
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
