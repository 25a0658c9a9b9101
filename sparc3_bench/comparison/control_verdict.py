"""Against: whether a row of a table is better than random controls, or cannot be told."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from sparc3_bench.comparison.series import ResultFile, Series
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sparc3_bench.comparison.comparable_rows import ComparableRows
    from sparc3_bench.comparison.replicates import Replicates
    from sparc3_bench.record.parts import MetricRecord, Point, Versus
    from sparc3_bench.record.result import Result

_MOST = 60
"""Rows of a section beyond which they are the variants of a few, as in `headtohead`."""

BETTER = "better than random"
WORSE = "not better than"
ELSEWHERE = "no verdict: random controls are of other samples"
ALONE = "no verdict: one random control only"
NONE = "no verdict: no random controls"


Rows = dict[tuple[int, float], str]
"""What is said by position of a row and amount."""


def control_verdict(
    section: ComparableRows,
    one: Series,
    amount: float | None,
    metric: MetricRecord | None = None,
    rows: Mapping[tuple[int, float], str] | None = None,
) -> str:
    """Return what random controls say of a metric of a row at one amount, None: of the whole curve.

    That it is not better than one of them, or that nothing can be said; empty where it is better,
    and for dense and empty models, which have nothing to be better in. The row's own random
    circuits say it where it has some, else, for the first metric and numbers of the whole curve,
    the section's rows of controls: `rows`, as from `row_verdicts`.
    """
    first = section.metrics[0]
    metric = metric or first
    own = one.value(amount, metric.name)
    if one.is_control or own is None or metric.direction == "neither":
        return ""
    if not section.prunes or (amount is not None and not 0 < section.sizes.removed(amount) < 1):
        return ""
    if own.controls:
        if not own.versus and not one.is_paired:
            return ELSEWHERE
        return _tested(own.centre, own.controls, own.versus, metric)
    if amount is not None:
        if metric.name != first.name:
            return ""
        known = (rows or {}).get((section.place(one), amount))
        if known is not None:
            return known

    def said(control: Series, drawn: Sequence[float]) -> str:
        return _tested(own.centre, drawn, (), metric, control.scorer.name)

    return _by_rows(section, amount, metric, said)


def record_verdict(result: Result, point: Point, metric: MetricRecord) -> str:
    """Return what a result's own random circuits say of a point of its curve, or what it chose."""
    drawn = point.control.get(metric.name, ())
    if not 0 < point.amount.in_scope < 1:
        return ""
    chosen = result.found is not None and point is result.found.point
    known = result.found.versus if chosen and result.found else point.versus.get(metric.name)
    return _said(result, point.metrics[metric.name], drawn, known, metric, chosen)


def record_curve_verdict(result: Result, metric: MetricRecord) -> str:
    """Return what a result's own random circuits say of a number of its curve, in words."""
    one = result.curve[metric.name]
    return _said(result, one.value, one.control, one.versus, metric)


def _said(
    result: Result,
    value: float,
    drawn: Sequence[float],
    known: Versus | None,
    metric: MetricRecord,
    is_paired: bool = False,
) -> str:
    """Return in words what the random circuits of a result say of one of its numbers."""
    if not drawn or metric.direction == "neither":
        return ""
    alone = Series((ResultFile(Path(), result),), result.is_control, "", (), 0)
    if known is None and not is_paired and not alone.is_paired:
        return ELSEWHERE
    beside = (known,) if known is not None else ()
    return _tested(value, drawn, beside, metric) or BETTER


def row_verdicts(section: ComparableRows, draws: Replicates | None) -> Rows:
    """Return what the rows of controls say of the first metric of every other row.

    Every seed of a control is one draw; they were measured on the same samples as the row. Rows
    without samples, or of one independent sample, are left out.
    """
    is_told = section.metrics[0].direction != "neither"
    if draws is None or len(section.series) > _MOST or not is_told:
        return {}
    found: Rows = {}
    amounts = [amount for amount in section.amounts if amount > 0]
    for amount, (place, one) in itertools.product(amounts, enumerate(section.series)):
        if not one.is_control:
            with contextlib.suppress(Sparc3Error, KeyError):
                found[place, amount] = _beside(section, draws, one, amount)
    return found


def _beside(section: ComparableRows, draws: Replicates, one: Series, amount: float) -> str:
    from sparc3_bench.comparison.replicates import side_by_side
    from sparc3_bench.statistics.band import LEAST, against_controls

    metric = section.metrics[0]
    own = draws.at(one, amount, metric.name)

    def said(control: Series, values: Sequence[float]) -> str:
        if len(values) < LEAST:
            return ALONE
        drawn = [run.at(amount, metric.name) for run in draws.seeds(control, amount)]
        values, replicates, clusters = side_by_side(drawn)
        band = against_controls(
            own.value,
            own.replicates,
            values,
            replicates,
            metric.direction,
            min(own.clusters, clusters),
            scale=draws.scale(metric.name),
        )
        return "" if band.verdict == "better" else f"{WORSE} {control.scorer.name}"

    return _by_rows(section, amount, metric, said)


def _by_rows(
    section: ComparableRows,
    amount: float | None,
    metric: MetricRecord,
    said: Callable[[Series, Sequence[float]], str],
) -> str:
    """Return the first control row that is not left behind; else what the last one says."""
    found = NONE
    for control in (one for one in section.series if one.is_control):
        if value := control.value(amount, metric.name):
            found = said(control, value.seeds)
            if found.startswith(WORSE):
                return found
    return found


def _tested(
    value: float,
    drawn: Sequence[float],
    beside: Sequence[Versus],
    metric: MetricRecord,
    name: str = "random",
) -> str:
    """Return what random circuits of that name say of a number.

    `beside` is how every seed differs from them on the samples of both. Records of before have
    none; being one more draw is tested all the same.
    """
    from sparc3_bench.statistics.band import LEAST, ahead, beyond, one_more, verdict

    if len(drawn) < LEAST:
        return ALONE
    try:
        if beside:
            value = beyond(drawn, [one.difference for one in beside], metric.scale)
        sure = [one_more(value, drawn, metric.scale), *(one.p_value for one in beside)]
        sign = ahead(value, drawn, metric.scale)
    except Sparc3Error:
        return "no verdict: numbers are not of the metric's scale"
    return "" if verdict(sign, max(sure), metric.direction) == "better" else f"{WORSE} {name}"
