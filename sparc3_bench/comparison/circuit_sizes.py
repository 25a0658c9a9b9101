"""Circuits of a series: how large the smallest is, and what those of other samples share."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from sparc3_bench.comparison.phrasing import metric_title
from sparc3_bench.comparison.sizes import compares_removed
from sparc3_bench.comparison.values import Value, merge_seeds
from sparc3_bench.record.parts import Found
from sparc3_bench.record.result import Result


def circuit_jaccard(kept: float, removed: float) -> float:
    """Return the Jaccard index of two removed sets from that of the kept ones, equally large.

    `removed` is the share of all units that each removes.
    """
    if not 0 < removed < 1:
        return 1.0
    # Outside both kept sets: all, less the two, plus what they share.
    shared = 1 - 2 * (1 - removed) + 2 * (1 - removed) * kept / (1 + kept)
    return max(0.0, min(1.0, shared / (2 * removed - shared)))


def smallest_circuit(results: Sequence[Result], control: bool) -> SimpleNamespace | None:
    """Return the smallest circuit that reaches the task's bar; None where none was looked for.

    It has its `title`, `metric_title` and `metric`, its `size` as a share of the scope and its
    `units`, None where they were not counted.
    """
    founds = [(one, one.found) for one in results if one.found and one.found.at_least is not None]
    if not founds:
        return None
    # Another bar is another question: only the first one's is answered.
    first = founds[0][1]
    bar = (first.metric, first.at_least)
    same = [(one, found) for one, found in founds if (found.metric, found.at_least) == bar]
    titles = {metric.name: metric_title(metric) for metric in founds[0][0].metrics}
    units = [left for result, found in same if (left := _units_left(result, found)) is not None]
    values, ends = zip(*(found.point.read(first.metric) for _, found in same), strict=True)
    return SimpleNamespace(
        title=first.title,
        metric_title=titles.get(first.metric, first.metric),
        size=merge_seeds([_share_left(result, found) for result, found in same], control),
        units=merge_seeds(units, control) if len(units) == len(same) else None,
        metric=merge_seeds(values, control, ends),
    )


def shared_by_seeds(results: Sequence[Result], control: bool) -> dict[float, Value]:
    """Return by amount what the circuit shares with those of other reference seeds, on average."""
    by_amount: dict[float, list[float]] = {}
    for result in results:
        every = ranked_units(result)
        removed = compares_removed(result.spec, (p.amount.in_scope for p in result.points))
        for index, point in enumerate(result.points):
            amount = point.amount
            rows = [one.jaccard[index] for one in result.stability if index < len(one.jaccard)]
            if removed:
                gone = amount.in_scope
                if every and amount.units_removed is not None:
                    gone = amount.units_removed / every
                rows = [circuit_jaccard(row, gone) for row in rows]
            if rows:
                by_amount.setdefault(amount.requested, []).append(sum(rows) / len(rows))
    return {amount: merge_seeds(rows, control) for amount, rows in by_amount.items()}


def ranked_units(result: Result) -> int | None:
    """Return how many units are ranked, from whichever record says so."""
    if result.sketch:
        return result.sketch.units
    emptied = [p.amount.units_removed for p in result.points if p.amount.in_scope == 1]
    return emptied[0] if emptied else None


def _share_left(result: Result, found: Found) -> float:
    """Return the kept share of what is ranked; heads are a small part of the scope's weights."""
    left, every = _units_left(result, found), ranked_units(result)
    return 1 - found.point.amount.in_scope if left is None or not every else left / every


def _units_left(result: Result, found: Found) -> float | None:
    removed, every = found.point.amount.units_removed, ranked_units(result)
    return None if removed is None or every is None else float(every - removed)
