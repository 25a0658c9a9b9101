"""Adjusted: the p-values of the choices of one table, which are tested together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sparc3_bench.leaderboard.choices import Chosen

_MANY = 10**6
"""So many independent samples are as good as any number of them."""


def adjusted(
    rows: Sequence[Chosen], p_value: Callable[[Chosen], float | None]
) -> list[float | None]:
    """Return p-values of a table adjusted by Holm; None of rows that have none."""
    from sparc3_bench.statistics.holm import holm

    found = [None if row.series.is_control else p_value(row) for row in rows]
    known = [one for one in found if one is not None]
    adjusted = iter(holm(known).tolist() if known else ())
    return [None if one is None else next(adjusted) for one in found]


def p_random(row: Chosen) -> float | None:
    """Return the larger of both p-values: it is no luck of samples, nor one of draws."""
    if row.versus is None or row.p_draw is None:
        return None
    return max(row.versus.p_value, row.p_draw)


def p_dense(row: Chosen) -> float | None:
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
