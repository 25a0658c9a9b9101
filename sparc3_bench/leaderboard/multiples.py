"""Small multiples: what is left of every benchmark, a drawing each, all on one scale."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.axes import Scale, Tick
from sparc3_bench.leaderboard.benchmark import of_series, shown_by_chart
from sparc3_bench.leaderboard.chart import Canvas, amount_axis, amount_ticks, chart_line
from sparc3_bench.leaderboard.phrasing import percent
from sparc3_bench.leaderboard.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sparc3_bench.leaderboard.benchmark import Benchmark
    from sparc3_bench.leaderboard.chart import Style
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section

PANEL = Canvas("panel", width=320, height=230, right=18, left=52, top=12, bottom=46)
"""Of one drawing; as many as fit stand side by side."""


def multiples(
    section: Section, found: Sequence[Benchmark], style: Callable[[Series], Style]
) -> tuple[SimpleNamespace, ...]:
    """Return a drawing for the main metric and for every benchmark, of its first metric.

    Parameters
    ----------
    section
        The rows.
    found
        What is left in them.
    style
        How a series is drawn.
    """
    shown = shown_by_chart(found)
    curves = [[of_series(one, place) for place in range(len(section.series))] for one in shown]
    values = [value for curve in curves for line in curve for _, value in line]
    if not values:
        return ()
    ends = [end for value in values for end in (value.low, value.high, *(value.interval or ()))]
    guesses = [one.chance / one.dense for one in shown if one.chance]
    low, high = min([0.0, *ends]), max([1.0, *ends, *guesses])
    scale = Scale(low, high, PANEL.height - PANEL.bottom, PANEL.top)
    step = 0.25 if high - low <= 2 else 10.0 ** math.ceil(math.log10((high - low) / 8))
    steps = range(math.ceil(low / step), math.floor(high / step) + 1)
    ticks = tuple(Tick(scale(step * count), percent(step * count)) for count in steps)
    x = amount_axis(section, PANEL)
    panels = []
    for benchmark, lines in zip(shown, curves, strict=True):
        drawn = [
            chart_line(section, one, curve, x, scale, style(one), one.label, one.difference)
            for one, curve in zip(section.series, lines, strict=True)
        ]
        guess = benchmark.chance
        panels.append(
            SimpleNamespace(
                benchmark=benchmark,
                layout=PANEL,
                lines=[line for line in drawn if line.points],
                whole=scale(1.0),
                chance=scale(guess / benchmark.dense) if guess else None,
                x_ticks=amount_ticks(section, x),
                y_ticks=ticks,
                y_title="",
                x_title=section.sizes.axis.partition(":")[0],
                description=_description(section, lines),
            )
        )
    return tuple(panels)


def _description(section: Section, curves: Sequence[Sequence[tuple[float, Value]]]) -> str:
    """Return the drawing in words, for those who cannot see it."""
    parts = []
    for one, curve in zip(section.series, curves, strict=True):
        if curve:
            amount, value = curve[-1]
            left = f"{percent(value.centre, 0)} left at {section.sizes.words(amount)}"
            parts.append(f"{one.label}{f' ({one.difference})' if one.difference else ''}: {left}")
    return "; ".join(parts) + ". The tables below have every number."
