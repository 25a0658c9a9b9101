"""Against: whether a row of a table is better than random controls, or cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sparc3_bench.leaderboard.draws import Draws
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section
    from sparc3_bench.record.parts import MetricRecord, Point
    from sparc3_bench.record.result import Result

_MOST = 60
"""Rows of a section beyond which they are the variants of a few, as in `headtohead`."""

ELSEWHERE = "no verdict: random controls are of other samples"
ALONE = "no verdict: one random control only"
NONE = "no verdict: no random controls"


@dataclass(frozen=True)
class Against:
    """What random controls say of a number.

    Attributes
    ----------
    beaten_by
        The name of a control that the number is not better than; empty where it is better.
    untested
        Why nothing can be said; empty where something is.
    """

    beaten_by: str = ""
    untested: str = ""


Rows = dict[tuple[int, float], Against]
"""By position of a row and amount."""


def against(
    section: Section,
    one: Series,
    amount: float,
    metric: MetricRecord | None = None,
    rows: Mapping[tuple[int, float], Against] | None = None,
) -> Against:
    """Return what random controls say of a metric of a row at one amount.

    The row's own random circuits where it has some, else, for the first metric, the section's rows
    of controls. Dense and empty models have nothing to be better in.

    Parameters
    ----------
    section, one, amount
        Which number.
    metric
        The first one where not given.
    rows
        What `beside_rows` returned.
    """
    first = section.metrics[0]
    metric = metric or first
    own = one.value(amount, metric.name)
    if one.is_control or own is None or amount <= 0 or section.sizes.removed(amount) >= 1:
        return Against()
    if metric.direction == "neither":
        return Against()
    if drawn := one.drawn(amount, metric.name):
        if not one.is_paired:
            return Against(untested=ELSEWHERE)
        return _tested(own.centre, drawn, one.p_values[amount].get(metric.name, ()), metric)
    if metric.name != first.name:
        return Against()
    place = next(at for at, other in enumerate(section.series) if other is one)
    known = (rows or {}).get((place, amount))
    if known is not None:
        return known

    def said(control: Series, drawn: Sequence[float]) -> Against:
        return _tested(own.centre, drawn, (), metric, control.scorer.name)

    return _by_rows(section, said, amount)


def whole_against(section: Section, one: Series, metric: MetricRecord) -> Against:
    """Return what random circuits say of a number of the whole curve of a row."""
    own = one.whole.curve.get(metric.name)
    if one.is_control or own is None or metric.direction == "neither" or not section.prunes:
        return Against()
    if drawn := one.whole.controls.get(metric.name, ()):
        if not one.is_paired:
            return Against(untested=ELSEWHERE)
        return _tested(own.centre, drawn, one.whole.p_values.get(metric.name, ()), metric)
    found = Against(untested=NONE)
    for control in (other for other in section.series if other.is_control):
        if values := control.whole_values(metric.name):
            found = _tested(own.centre, values, (), metric, control.scorer.name)
            if found.beaten_by:
                return found
    return found


def in_record(result: Result, point: Point, metric: MetricRecord) -> str:
    """Return what a result's own random circuits say of one of its points, in words.

    Parameters
    ----------
    result
        Whose they are.
    point
        Of its curve, or what it chose.
    metric
        One of its metrics.
    """
    drawn = point.control.get(metric.name, ())
    if not drawn or metric.direction == "neither" or not 0 < point.amount.in_scope < 1:
        return ""
    chosen = result.found is not None and point is result.found.point
    dense = result.points[0]
    names = dense.control
    if not chosen and not all(_alike(dense.metrics[n], names[n]) for n in names):
        return ELSEWHERE
    beside = result.found.versus if chosen and result.found else point.versus.get(metric.name)
    p_values = [beside.p_value] if beside is not None else []
    said = _tested(point.metrics[metric.name], drawn, p_values, metric)
    return said.untested or (
        "better than random" if not said.beaten_by else "not better than random"
    )


def _alike(value: float, drawn: Sequence[float]) -> bool:
    """Return whether a dense model has the same number in all of these runs, but for rounding."""
    return all(abs(value - number) <= 1e-9 * max(1.0, abs(value)) for number in drawn)


def beside_rows(section: Section, draws: Draws | None) -> Rows:
    """Return what the rows of controls say of the first metric of every other row.

    Every seed of a control is one draw; they were measured on the same samples as the row. Rows
    without samples, or of one independent sample, are left out.
    """
    if draws is None or len(section.series) > _MOST:
        return {}
    metric = section.metrics[0]
    found: Rows = {}
    for amount in section.amounts:
        if amount <= 0 or metric.direction == "neither":
            continue
        for place, one in enumerate(section.series):
            if one.is_control:
                continue
            try:
                found[place, amount] = _beside(section, draws, one, amount)
            except (Sparc3Error, KeyError):
                continue
    return found


def _beside(section: Section, draws: Draws, one: Series, amount: float) -> Against:
    import numpy as np

    from sparc3_bench.statistics.band import LEAST, against_controls

    metric = section.metrics[0]
    own = draws.at(one, amount, metric.name)

    def said(control: Series, values: Sequence[float]) -> Against:
        if len(values) < LEAST:
            return Against(untested=ALONE)
        drawn = draws.seeds(control, amount, metric.name)
        band = against_controls(
            own.value,
            own.replicates,
            [number.value for number in drawn],
            np.stack([number.replicates for number in drawn], axis=1),
            metric.direction,
            min(number.clusters for number in (own, *drawn)),
            scale=draws.scale(metric.name),
        )
        return Against("" if band.verdict == "better" else control.scorer.name)

    return _by_rows(section, said, amount)


def _by_rows(
    section: Section, said: Callable[[Series, Sequence[float]], Against], amount: float
) -> Against:
    """Return the first control row that is not left behind; else what the last one says."""
    found = Against(untested=NONE)
    for control in (one for one in section.series if one.is_control):
        values = control.seed_values(amount, section.metrics[0].name)
        if values:
            found = said(control, values)
            if found.beaten_by:
                return found
    return found


def _tested(
    value: float,
    drawn: Sequence[float],
    p_values: Sequence[float],
    metric: MetricRecord,
    name: str = "random",
) -> Against:
    """Return what random circuits on the same samples say of a number.

    Records of before have no p-values over samples; being one more draw is tested all the same.
    """
    from sparc3_bench.statistics.band import LEAST, ahead, one_more, verdict

    if len(drawn) < LEAST:
        return Against(untested=ALONE)
    try:
        p_value = max(one_more(value, drawn, metric.scale), *p_values, 0.0)
        sign = ahead(value, drawn, metric.scale)
    except Sparc3Error:
        return Against(untested="no verdict: numbers are not of the metric's scale")
    return Against("" if verdict(sign, p_value, metric.direction) == "better" else name)
