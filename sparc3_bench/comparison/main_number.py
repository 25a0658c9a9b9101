"""Main number: the one number by which a result is told in a list."""

from __future__ import annotations

from dataclasses import dataclass

from sparc3_bench.comparison.phrasing import interval_text, metric_title
from sparc3_bench.comparison.sizes import Sizes
from sparc3_bench.record.parts import MetricRecord
from sparc3_bench.record.result import Result


@dataclass(frozen=True)
class MainNumber:
    """The number."""

    metric: MetricRecord
    amount: float | None  # how much was removed; None for a number of the whole curve
    value: float
    interval: tuple[float, float] | None

    @property
    def text(self) -> str:
        """Return it with what it is."""
        at = "" if self.amount is None else f" at {self.amount:g}"
        return f"{metric_title(self.metric)}{at}: {interval_text(self.value, self.interval)}"


def main_number(result: Result, amount: float | None = None) -> MainNumber | None:
    """Return the number that stands for a result; None where nothing was measured.

    At the amount, if it is given; else that of what was chosen, or of the whole curve, or the main
    metric at the amount that the page shows most of.
    """
    if not result.points or not result.metrics:
        return None
    metric, points = result.metrics[0], {at.amount.requested: at for at in result.points}
    if amount is None:
        if result.found is not None and result.found.at_least is None:
            chosen = result.found
            (metric,) = [m for m in result.metrics if m.name == chosen.metric] or [metric]
            point = chosen.point
            return MainNumber(metric, point.amount.requested, *point.read(metric.name))
        for whole in result.curve_metrics:
            if whole.direction != "neither" and (one := result.curve.get(whole.name)):
                return MainNumber(whole, None, one.value, one.interval)
        removed = {requested: at.amount.in_scope for requested, at in points.items()}
        amount = Sizes(result.spec, removed).focus(list(points))
    return (
        MainNumber(metric, amount, *points[amount].read(metric.name)) if amount in points else None
    )
