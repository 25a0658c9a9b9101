"""Values: numbers of several seeds as one, with what is known of their uncertainty."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sparc3_bench.record.parts import Point

Interval = tuple[float, float]
"""The lower and the upper end."""


@dataclass(frozen=True)
class Value:
    """One number of a series.

    Attributes
    ----------
    centre
        The mean over the seeds; for a control, the median.
    low, high
        The range over the seeds.
    interval
        The 95 % interval over samples; of several seeds, the mean (of a control, the median) of
        the ends, as the seeds' sampling errors rise and fall together.
    note
        A few words that belong beside it.
    """

    centre: float
    low: float
    high: float
    interval: Interval | None = None
    note: str = ""


def merge_seeds(
    numbers: Sequence[float], control: bool, intervals: Sequence[Interval | None] = ()
) -> Value:
    """Return the numbers of several seeds as one; an interval if every one has its own."""
    ends = [interval for interval in intervals if interval is not None]
    interval = None
    if ends and len(ends) == len(numbers):
        lows, highs = zip(*ends, strict=True)
        interval = (_centre(lows, control), _centre(highs, control))
    return Value(_centre(numbers, control), min(numbers), max(numbers), interval=interval)


def merged(points: Sequence[Point], name: str, control: bool) -> Value:
    """Return a metric of the points of several seeds at one amount."""
    return merge_seeds(
        [point.metrics[name] for point in points],
        control,
        [point.intervals.get(name) for point in points],
    )


def pool_controls(controls: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """Return the numbers of the random circuits of several seeds; the same circuits count once."""
    return tuple(number for control in dict.fromkeys(map(tuple, controls)) for number in control)


def _centre(numbers: Sequence[float], control: bool) -> float:
    if control:
        return statistics.median(numbers)
    # Divided before adding: the sum of two very large perplexities would overflow.
    mean = sum(number / len(numbers) for number in numbers)
    return min(max(mean, min(numbers)), max(numbers))
