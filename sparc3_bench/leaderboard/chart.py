"""The chart of a section: where every line, band, tick and label goes.

The template `parts.html` draws it and says what a drawing and a line have.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.axes import (
    Position,
    Scale,
    Tick,
    axis_title,
    fitting,
    shortened,
    y_axis,
)
from sparc3_bench.leaderboard.controls import band, controls_of, drawn_label
from sparc3_bench.leaderboard.phrasing import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section
    from sparc3_bench.leaderboard.values import Interval, Value

COLOURS = 6
"""How many colours the style sheet has for scorers; controls are drawn in its grey."""

MOST = 12
"""Lines of scorers in a chart; more cannot be told apart."""

LABEL = 22
"""From one label of a list beside a drawing to the next."""

_APART = 60
"""Between the start of an axis of sizes and its smallest size; size 0 stands there."""

_DASHES = ("", "8 3", "2 3", "10 3 2 3", "14 5")

_MARKERS = (
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z",  # disc
    "M-3.6-3.6H3.6V3.6H-3.6Z",  # square
    "M0-4.8L4.6 3.4H-4.6Z",  # triangle
    "M0-5L5 0L0 5L-5 0Z",  # diamond
    "M0 4.8L4.6-3.4H-4.6Z",  # triangle upside down
    "M-4.6-1.6H-1.6V-4.6H1.6V-1.6H4.6V1.6H1.6V4.6H-1.6V1.6H-4.6Z",  # cross
)


@dataclass(frozen=True)
class Style:
    """How a series is drawn; it can be told apart without colour."""

    colour: str
    dash: str
    marker: str
    hollow: bool


@dataclass(frozen=True)
class Canvas:
    """The size of a drawing and its margins, in the units of its view box."""

    name: str
    width: int
    height: int
    right: int
    left: int = 62
    top: int = 36
    bottom: int = 52


WIDE = Canvas("wide", width=920, height=440, right=240)
"""With labels beside the lines."""

NARROW = Canvas("narrow", width=380, height=340, right=26, left=54)
"""For a telephone; the legend stands below the drawing."""


def style(series: Series, names: Sequence[str]) -> Style:
    """Return the look of a series, given the scorers of the page: one keeps its colour in all."""
    if series.is_control:
        return Style("control", _DASHES[2 - series.variant % 3], "", hollow=False)
    place = names.index(series.scorer.name)
    return Style(
        colour=f"c{place % COLOURS}",
        dash=_DASHES[(place + series.variant) % len(_DASHES)],
        marker=_MARKERS[place % len(_MARKERS)],
        hollow=series.variant % 2 == 1,
    )


def draw(section: Section, names: Sequence[str], layout: Canvas) -> SimpleNamespace:
    """Return the section's first metric over its amounts, a line a series."""
    first, sizes = section.metrics[0], section.sizes
    curves = [_curve(one, first.name) for one in section.series]
    controls = controls_of(section)
    values = [value for curve in curves for _, value in curve]
    ends = [end for value in values for end in (value.low, value.high, *(value.interval or ()))]
    ends += [number for control in controls for _, numbers in control for number in numbers]
    y, y_ticks = y_axis(min(ends), max(ends), layout.height - layout.bottom, layout.top)
    x = amount_axis(section, layout)
    lines = []
    for one, curve in zip(section.series, curves, strict=True):
        label = shortened(one.label, 23 if sizes.is_log else 27)
        detail = shortened(one.difference, 28 if sizes.is_log else 33)
        look = style(one, names)
        lines.append(chart_line(section, one, curve, x, y, look, label, detail))
    dense = section.dense
    label_at = _set_labels_apart(lines, layout, listed=sizes.is_log, others=bool(controls))
    return SimpleNamespace(
        layout=layout,
        lines=lines,
        drawn=tuple(band(control, x, y, sizes) for control in controls),
        drawn_label=Tick(label_at, drawn_label(section)),
        x_ticks=amount_ticks(section, x),
        y_ticks=y_ticks,
        x_title=shortened(sizes.axis, layout.width // 6),
        y_title=axis_title(first, y.is_log, layout.width),
        break_at=layout.left + 37.0 if sizes.is_broken else None,
        listed=sizes.is_log,
        over=sizes.over,
        dense=None if dense is None else Tick(y(dense), f"dense model: {number(dense)}"),
        # Where most lines end above it, they would run through the label.
        label_below=dense is not None
        and not sizes.is_log
        and statistics.median([curve[-1][1].centre for curve in curves]) > dense,
        description=_description(section, curves),
    )


def chart_line(
    section: Section,
    one: Series,
    curve: Sequence[tuple[float, Value]],
    x: Position,
    y: Position,
    style: Style,
    name: str,
    detail: str,
) -> SimpleNamespace:
    """Return the line of a series; what stands apart at the edge of the axis is not joined."""
    inner = [pair for pair in curve if not section.sizes.is_apart(pair[0])]
    upper = [(x(amount), y(value.high)) for amount, value in inner]
    lower = [(x(amount), y(value.low)) for amount, value in reversed(inner)]
    return SimpleNamespace(
        name=name,
        detail=detail,
        style=style,
        points=tuple((x(amount), y(value.centre)) for amount, value in curve),
        path=tuple((x(amount), y(value.centre)) for amount, value in inner),
        band=(*upper, *lower) if len(one.runs) > 1 else (),
        whiskers=whiskers(((x(amount), value.interval) for amount, value in curve), y),
    )


def _curve(series: Series, metric: str) -> list[tuple[float, Value]]:
    return [(amount, series.metrics[amount][metric]) for amount in sorted(series.metrics)]


def whiskers(
    ends: Iterable[tuple[float, Interval | None]], y: Position
) -> tuple[tuple[float, float, float], ...]:
    """Return where 95 % intervals are drawn: position, upper and lower end.

    Those that no line could show are left out.
    """
    found = [(at, y(interval[1]), y(interval[0])) for at, interval in ends if interval]
    return tuple((at, upper, lower) for at, upper, lower in found if lower - upper > 0.5)


def amount_axis(section: Section, layout: Canvas) -> Position:
    """Return where an amount of a section is drawn."""
    sizes, start, end = section.sizes, layout.left, layout.width - layout.right
    if not sizes.is_broken:
        return Scale(0.0, max(section.amounts) or 1.0, start, end)
    places = [place for place in map(sizes.place, section.amounts) if place > 0]
    smallest, largest = min(places), 1.0 if sizes.is_log else max(places)
    scale = Scale(math.log10(smallest), math.log10(largest), start + _APART, end, is_log=True)

    def position(amount: float) -> float:
        if sizes.is_apart(amount):
            return start + 14
        return scale(sizes.place(amount)) if smallest < largest else end

    return position


def amount_ticks(section: Section, x: Position) -> tuple[Tick, ...]:
    """Return the amounts that were measured, leaving out what would run into its neighbour."""
    sizes = section.sizes
    ticks = [Tick(x(amount), sizes.text(amount)) for amount in section.amounts]
    # On a logarithmic axis powers of ten come first.
    rounds = [
        tick
        for tick, amount in zip(ticks, section.amounts, strict=True)
        if sizes.is_broken and f"{sizes.place(amount):e}".startswith(("0.000000e", "1.000000e"))
    ]
    return fitting(ticks, rounds)


def _set_labels_apart(
    lines: Sequence[SimpleNamespace], layout: Canvas, *, listed: bool, others: bool
) -> float:
    """Set the labels of lines so that none covers another, and return the place of one more.

    Labels stand beside the ends of their lines, or, where the ends coincide, in a list.
    """
    heights = [32.0 if line.detail else 18.0 for line in lines]
    wanted = [line.path[-1][1] if line.path else float(layout.top) for line in lines]
    if others:
        heights.append(18.0)
        wanted.append(float(layout.height))
    order = sorted(range(len(heights)), key=lambda index: (wanted[index], index))
    if listed:
        order, wanted = list(range(len(heights))), [float(layout.top)] * len(heights)
    tops: dict[int, float] = {}
    free = 0.0
    for index in order:
        tops[index] = max(free, wanted[index] - (0.0 if listed else heights[index] / 2))
        free = tops[index] + heights[index] + (4.0 if listed else 0.0)
    limit = float(layout.height)
    for index in reversed(order):
        tops[index] = max(0.0, min(tops[index], limit - heights[index]))
        limit = tops[index]
    places = [round(tops[index] + 13, 2) for index in range(len(heights))]
    for line, place in zip(lines, places, strict=False):
        line.label_y = place
    return places[-1] if others else 0.0


def _description(section: Section, curves: Sequence[Sequence[tuple[float, Value]]]) -> str:
    """Return the chart in words, for those who cannot see it."""
    sizes = section.sizes
    parts = []
    for one, curve in zip(section.series, curves, strict=True):
        found = dict(curve)
        ends = (curve[0][0], curve[-1][0])
        named = [a for a in sizes.compared() if a in found] if sizes.is_log else list(ends)
        numbers = (f"{number(found[a].centre)} at {sizes.text(a)}" for a in named or ends)
        difference = f" ({one.difference})" if one.difference else ""
        parts.append(f"{one.label}{difference}: {', '.join(numbers)}")
    return "; ".join(parts) + ". The table below has every number."
