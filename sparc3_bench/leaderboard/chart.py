"""The chart of a section: where every line, band, tick and label goes; the template draws them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.words import number, percent, power, titled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparc3_bench.leaderboard.series import Series, Value
    from sparc3_bench.leaderboard.tables import Section

COLOURS = 6
"""How many colours the style sheet has for scorers; controls are drawn in its grey."""

_DASHES = ("", "8 3", "2 3", "10 3 2 3", "14 5")

_MARKERS = (
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z",  # disc
    "M-3.6-3.6H3.6V3.6H-3.6Z",  # square
    "M0-4.8L4.6 3.4H-4.6Z",  # triangle
    "M0-5L5 0L0 5L-5 0Z",  # diamond
    "M0 4.8L4.6-3.4H-4.6Z",  # triangle upside down
    "M-4.6-1.6H-1.6V-4.6H1.6V-1.6H4.6V1.6H1.6V4.6H-1.6V1.6H-4.6Z",  # cross
)

_LARGEST = 1e300
"""Differences and ratios of numbers up to this one stay finite."""

_SMALLEST = 1e-290
"""A smaller range of numbers is drawn as none."""


@dataclass(frozen=True)
class Style:
    """How a series is drawn; it can be told apart without colour."""

    colour: str
    dash: str
    marker: str
    hollow: bool


@dataclass(frozen=True)
class Layout:
    """The size of a drawing and its margins, in the units of its view box."""

    name: str
    width: int
    height: int
    right: int
    left: int = 62
    top: int = 36
    bottom: int = 52


WIDE = Layout("wide", width=920, height=440, right=240)
"""With labels beside the lines."""

NARROW = Layout("narrow", width=380, height=340, right=26, left=54)
"""For a telephone; the legend stands below the drawing."""


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what is written there."""

    position: float
    text: str


@dataclass(frozen=True)
class Line:
    """A drawn series: its label is `name`, with `detail` in a line of its own at `label_y`."""

    name: str
    detail: str
    style: Style
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...]
    label_y: float = 0.0


@dataclass(frozen=True)
class Chart:
    """A drawing, ready for the template."""

    layout: Layout
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    y_title: str
    dense: Tick | None
    dense_is_best_low: bool
    description: str


@dataclass(frozen=True)
class _Scale:
    """A map from numbers to positions, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of a number."""
        return self.at(math.log10(_clipped(value)) if self.is_log else _clipped(value))

    def at(self, place: float) -> float:
        """Return the position of a number, or of its logarithm on a logarithmic scale."""
        share = place / (self.high - self.low) - self.low / (self.high - self.low)
        return round(self.start + (self.end - self.start) * share, 2)


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


def draw(section: Section, names: Sequence[str], layout: Layout) -> Chart:
    """Return the section's first metric over sparsity, a line a series."""
    first = section.metrics[0]
    curves = [_curve(one, first.name) for one in section.series]
    y, y_ticks = _y_axis(curves, layout)
    x = _Scale(0.0, max(section.amounts) or 1.0, layout.left, layout.width - layout.right)
    lines = []
    for one, curve in zip(section.series, curves, strict=True):
        upper = [(x(amount), y(value.high)) for amount, value in curve]
        lower = [(x(amount), y(value.low)) for amount, value in reversed(curve)]
        lines.append(
            Line(
                name=_shortened(one.label, 27),
                detail=_shortened(one.difference, 33),
                style=style(one, names),
                points=tuple((x(amount), y(value.centre)) for amount, value in curve),
                band=(*upper, *lower) if len(one.runs) > 1 else (),
            )
        )
    reading = f", {'log scale, ' if y.is_log else ''}{first.direction} is better"
    dense = section.dense
    return Chart(
        layout=layout,
        lines=_with_labels_apart(lines, layout),
        x_ticks=_x_ticks(section.amounts, x),
        y_ticks=y_ticks,
        y_title=_shortened(titled(first), layout.width // 7 - len(reading)) + reading,
        dense=None if dense is None else Tick(y(dense), f"dense model: {number(dense)}"),
        dense_is_best_low=first.direction == "lower",
        description=_description(section, curves),
    )


def _curve(series: Series, metric: str) -> list[tuple[float, Value]]:
    return [(amount, series.metrics[amount][metric]) for amount in sorted(series.metrics)]


def _clipped(value: float) -> float:
    return max(-_LARGEST, min(_LARGEST, value))


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _y_axis(
    curves: Sequence[Sequence[tuple[float, Value]]], layout: Layout
) -> tuple[_Scale, tuple[Tick, ...]]:
    """Return the vertical scale, logarithmic when the numbers span more than a factor of ten."""
    values = [value for curve in curves for _, value in curve]
    low = _clipped(min(value.low for value in values))
    high = _clipped(max(value.high for value in values))
    start, end = layout.height - layout.bottom, layout.top
    # Room below and above the curves for the label of the dense model.
    room = 22 / (start - end - 44)
    if low > 0 and high / 10 > low:
        margin = room * (math.log10(high) - math.log10(low))
        scale = _Scale(math.log10(low) - margin, math.log10(high) + margin, start, end, is_log=True)
        large = scale.high > 5 or scale.low < -4
        return scale, tuple(
            Tick(scale.at(math.log10(digit) + exponent), _log_tick(digit, exponent, large))
            for digit, exponent in _decades(scale.low, scale.high)
        )
    margin = max(room * (high - low), 0.001 * abs(high))
    if margin < _SMALLEST:
        margin = 1.0
    scale = _Scale(_clipped(low - margin), _clipped(high + margin), start, end)
    step = _nice(scale.high / 6 - scale.low / 6)
    steps = range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1)
    return scale, tuple(Tick(scale.at(count * step), _tick(count * step)) for count in steps)


def _decades(low: float, high: float) -> list[tuple[int, int]]:
    """Return the ticks of a logarithmic axis as (digit, power of ten) inside two exponents."""
    whole = range(math.ceil(low), math.floor(high) + 1)
    if len(whole) > 2:
        stride = math.ceil(len(whole) / 8)
        return [(1, exponent) for exponent in whole if exponent % stride == 0]
    every = [(d, e) for e in range(math.floor(low), math.ceil(high) + 1) for d in (1, 2, 5)]
    return [(d, e) for d, e in every if low <= math.log10(d) + e <= high]


def _nice(step: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is no less than `step`."""
    unit = 10.0 ** math.floor(math.log10(step))
    return next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= step * 0.999)


def _log_tick(digit: int, exponent: int, large: bool) -> str:
    if not large:
        return _tick(digit * 10.0**exponent)
    return power(exponent) if digit == 1 else f"{digit} × {power(exponent)}"


def _tick(value: float) -> str:
    return number(value, 3) if abs(value) >= 1e7 else f"{value:,.6g}".replace("-", "−")


def _x_ticks(amounts: Sequence[float], x: _Scale) -> tuple[Tick, ...]:
    """Return the sparsities that were measured, leaving out what would run into its neighbour."""
    ticks: list[Tick] = []
    for amount in amounts:
        position = x(amount)
        if not ticks or position - ticks[-1].position >= 40:
            ticks.append(Tick(position, percent(amount)))
    return tuple(ticks)


def _with_labels_apart(lines: Sequence[Line], layout: Layout) -> tuple[Line, ...]:
    """Return the lines with labels beside their ends, moved until none covers another."""
    order = sorted(range(len(lines)), key=lambda index: (lines[index].points[-1][1], index))
    heights = {index: 32.0 if lines[index].detail else 18.0 for index in order}
    tops: dict[int, float] = {}
    free = 0.0
    for index in order:
        tops[index] = max(free, lines[index].points[-1][1] - heights[index] / 2)
        free = tops[index] + heights[index]
    limit = float(layout.height)
    for index in reversed(order):
        tops[index] = max(0.0, min(tops[index], limit - heights[index]))
        limit = tops[index]
    return tuple(replace(line, label_y=round(tops[i] + 13, 2)) for i, line in enumerate(lines))


def _description(section: Section, curves: Sequence[Sequence[tuple[float, Value]]]) -> str:
    """Return the chart in words, for those who cannot see it."""
    parts = []
    for one, curve in zip(section.series, curves, strict=True):
        (start, first), (end, last) = curve[0], curve[-1]
        parts.append(
            f"{one.label}{f' ({one.difference})' if one.difference else ''}: "
            f"{number(first.centre)} at {percent(start)}, {number(last.centre)} at {percent(end)}"
        )
    return "; ".join(parts) + ". The table below has every number."
