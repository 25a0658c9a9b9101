"""Axes of a chart: scales, and the ticks that fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.phrasing import metric_title, plain, power

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparc3_bench.record.parts import MetricRecord

XY = tuple[float, float]
"""A place in a drawing."""

Position = Callable[[float], float]
"""From a number to its place on an axis."""

_LARGEST = 1e300
"""Differences and ratios of numbers up to this one stay finite."""

_SMALLEST = 1e-290
"""A smaller range of numbers is drawn as none."""


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what is written there."""

    position: float
    text: str


@dataclass(frozen=True)
class Scale:
    """A map from numbers to positions, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of a number."""
        return self.at(math.log10(finite_number(value)) if self.is_log else finite_number(value))

    def at(self, place: float) -> float:
        """Return the position of a number, or of its logarithm on a logarithmic scale."""
        share = place / (self.high - self.low) - self.low / (self.high - self.low)
        return round(self.start + (self.end - self.start) * share, 2)


@dataclass(frozen=True)
class SymLogScale:
    """A map that is linear within about a `unit` of its centre and logarithmic far from it."""

    centre: float
    unit: float
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a number."""
        ends = self._bent(self.low), self._bent(self.high)
        return Scale(*ends, self.start, self.end).at(self._bent(value))

    def ticks(self, first: Sequence[float] = ()) -> tuple[Tick, ...]:
        """Return the ticks that fit: `first` before powers of ten before their multiples."""
        largest = max(abs(self.low), abs(self.high), self.unit)
        exponents = range(
            max(-300, math.floor(math.log10(self.unit))), math.floor(math.log10(largest)) + 1
        )
        tens = [sign * 10.0**exponent for exponent in exponents for sign in (1, -1)]
        fives, twos = [5 * ten for ten in tens], [2 * ten for ten in tens]
        wanted = [*first, self.centre, *tens, *fives, *twos]
        inside = [value for value in dict.fromkeys(wanted) if self.low <= value <= self.high]
        return fitting([Tick(self(value), plain(value)) for value in inside])

    def _bent(self, value: float) -> float:
        return math.asinh(finite_number(finite_number(value - self.centre) / self.unit))


def finite_number(value: float) -> float:
    """Return the nearest number that can be calculated with."""
    return max(-_LARGEST, min(_LARGEST, value))


def y_axis(low: float, high: float, start: float, end: float) -> tuple[Scale, tuple[Tick, ...]]:
    """Return the vertical scale, logarithmic when the numbers span more than a factor of ten."""
    low, high = finite_number(low), finite_number(high)
    # Room below and above the curves for the label of the dense model.
    room = 22 / (abs(start - end) - 44)
    if low > 0 and high / 10 > low:
        margin = room * (math.log10(high) - math.log10(low))
        scale = Scale(math.log10(low) - margin, math.log10(high) + margin, start, end, is_log=True)
        large = scale.high > 5 or scale.low < -4
        return scale, tuple(
            Tick(scale.at(math.log10(digit) + exponent), _log_tick(digit, exponent, large))
            for digit, exponent in _decades(scale.low, scale.high)
        )
    margin = max(room * (high - low), 0.001 * abs(high))
    if margin < _SMALLEST:
        margin = 1.0
    scale = Scale(finite_number(low - margin), finite_number(high + margin), start, end)
    step = nice(scale.high / 6 - scale.low / 6)
    steps = range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1)
    return scale, tuple(Tick(scale.at(count * step), plain(count * step)) for count in steps)


def fitting(ticks: Sequence[Tick], rounds: Sequence[Tick] = ()) -> tuple[Tick, ...]:
    """Return the ticks that do not run into one another; those of `rounds` come first."""
    kept: list[Tick] = []
    for tick in (*rounds, *ticks):
        if all(abs(tick.position - other.position) >= 40 for other in kept):
            kept.append(tick)
    return tuple(sorted(kept, key=lambda tick: tick.position))


def axis_title(metric: MetricRecord, is_log: bool, width: int) -> str:
    """Return what stands on the axis of a metric in a drawing of this width, as far as it fits."""
    reading = f", {'log scale, ' if is_log else ''}{metric.direction} is better"
    return shortened(metric_title(metric), width // 7 - len(reading)) + reading


def shortened(text: str, length: int) -> str:
    """Return a text, with an ellipsis for what is beyond a length."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _decades(low: float, high: float) -> list[tuple[int, int]]:
    """Return the ticks of a logarithmic axis as (digit, power of ten) inside two exponents."""
    whole = range(math.ceil(low), math.floor(high) + 1)
    if len(whole) > 2:
        stride = math.ceil(len(whole) / 8)
        return [(1, exponent) for exponent in whole if exponent % stride == 0]
    every = [(d, e) for e in range(math.floor(low), math.ceil(high) + 1) for d in (1, 2, 5)]
    return [(d, e) for d, e in every if low <= math.log10(d) + e <= high]


def nice(step: float, factors: Sequence[int] = (1, 2, 5)) -> float:
    """Return the smallest of some factors times a power of ten that is no less than `step`."""
    unit = 10.0 ** math.floor(math.log10(step))
    return next(factor * unit for factor in (*factors, 10) if factor * unit >= step * 0.999)


def _log_tick(digit: int, exponent: int, large: bool) -> str:
    if not large:
        return plain(digit * 10.0**exponent)
    return power(exponent) if digit == 1 else f"{digit} × {power(exponent)}"
