"""Whole: the numbers of a series that belong to no single point of its curve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.phrasing import metric_title
from sparc3_bench.leaderboard.sizes import compares_removed
from sparc3_bench.leaderboard.values import Value, merge_seeds, merged, pool_controls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparc3_bench.record.parts import EstimateRecord, Found, MetricRecord, Sketch, Versus
    from sparc3_bench.record.result import Result


@dataclass(frozen=True)
class CurveSummary:
    """What the runs of a series say beyond their points.

    Attributes
    ----------
    metrics
        How to read the numbers of `curve`.
    curve
        Numbers of the whole curve.
    controls
        The same numbers of the random controls of all seeds.
    versus
        For each number, how every seed differs from its controls, where recorded.
    found
        The smallest circuit that reaches the task's bar: its `title`, `metric_title` and `metric`,
        its `size` as a share of the scope and its `units`, None where they were not counted.
    spearman
        Mean rank correlation with the rankings of other reference seeds.
    jaccard
        By amount, what the circuit shares with those of other reference seeds, on average.
    sketch
        That of the first seed.
    kept
        By amount and role, the weights kept in every block; of the first seed.
    """

    metrics: tuple[MetricRecord, ...]
    curve: Mapping[str, Value]
    controls: Mapping[str, tuple[float, ...]]
    versus: Mapping[str, tuple[Versus, ...]]
    found: SimpleNamespace | None
    spearman: Value | None
    jaccard: Mapping[float, Value]
    sketch: Sketch | None
    kept: Mapping[float, Mapping[str, tuple[int, ...]]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing for the table of whole curves."""
        return not self.curve and self.found is None and self.spearman is None


def curve_summary(results: Sequence[Result], control: bool) -> CurveSummary:
    """Return what the newest runs of every seed, in order of seed, say together."""
    curves: dict[str, list[EstimateRecord]] = {}
    for result in results:
        for name, estimate in result.curve.items():
            curves.setdefault(name, []).append(estimate)
    compared = [result for result in results if result.stability]
    first = next((result for result in results if any(p.kept for p in result.points)), None)
    return CurveSummary(
        metrics=results[0].curve_metrics,
        curve={name: _value(found, control) for name, found in curves.items()},
        controls={
            name: pool_controls(estimate.control for estimate in found)
            for name, found in curves.items()
        },
        versus={
            name: tuple(one.versus for one in found if one.versus is not None)
            for name, found in curves.items()
        },
        found=_smallest(
            [r for r in results if r.found is not None and r.found.at_least is not None], control
        ),
        spearman=merge_seeds([_mean([s.spearman for s in r.stability]) for r in compared], control)
        if compared
        else None,
        jaccard=_jaccard(compared, control),
        sketch=next((result.sketch for result in results if result.sketch), None),
        kept={p.amount.requested: p.kept for p in first.points if p.kept} if first else {},
    )


def circuit_jaccard(kept: float, removed: float) -> float:
    """Return the Jaccard index of two removed sets from that of the kept ones, equally large.

    Parameters
    ----------
    kept
        Jaccard index of what the two keep.
    removed
        The share of all units that each removes.
    """
    if not 0 < removed < 1:
        return 1.0
    # Outside both kept sets: all, less the two, plus what they share.
    shared = 1 - 2 * (1 - removed) + 2 * (1 - removed) * kept / (1 + kept)
    return max(0.0, min(1.0, shared / (2 * removed - shared)))


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _value(estimates: Sequence[EstimateRecord], control: bool) -> Value:
    value = merge_seeds([e.value for e in estimates], control, [e.interval for e in estimates])
    notes = {estimate.note for estimate in estimates}
    return replace(value, note=notes.pop() if len(notes) == 1 else "")


def _smallest(results: Sequence[Result], control: bool) -> SimpleNamespace | None:
    founds = [result.found for result in results if result.found]
    if not founds:
        return None
    # Another bar is another question: only the first one's is answered.
    same = [
        (result, found)
        for result, found in zip(results, founds, strict=True)
        if (found.metric, found.at_least) == (founds[0].metric, founds[0].at_least)
    ]
    titles = {metric.name: metric_title(metric) for metric in results[0].metrics}
    units = [left for result, found in same if (left := _units_left(result, found)) is not None]
    return SimpleNamespace(
        title=founds[0].title,
        metric_title=titles.get(founds[0].metric, founds[0].metric),
        size=merge_seeds([_share_left(result, found) for result, found in same], control),
        units=merge_seeds(units, control) if len(units) == len(same) else None,
        metric=merged([found.point for _, found in same], founds[0].metric, control),
    )


def _share_left(result: Result, found: Found) -> float:
    """Return the kept share of what is ranked; heads are a small part of the scope's weights."""
    left, every = _units_left(result, found), ranked_units(result)
    return 1 - found.point.amount.in_scope if left is None or not every else left / every


def _units_left(result: Result, found: Found) -> float | None:
    removed, every = found.point.amount.units_removed, ranked_units(result)
    return None if removed is None or every is None else float(every - removed)


def ranked_units(result: Result) -> int | None:
    """Return how many units are ranked, from whichever record says so."""
    if result.sketch:
        return result.sketch.units
    emptied = [p.amount.units_removed for p in result.points if p.amount.in_scope == 1]
    return emptied[0] if emptied else None


def _jaccard(results: Sequence[Result], control: bool) -> dict[float, Value]:
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
                by_amount.setdefault(amount.requested, []).append(_mean(rows))
    return {amount: merge_seeds(rows, control) for amount, rows in by_amount.items()}
