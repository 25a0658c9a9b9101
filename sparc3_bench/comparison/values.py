"""Values: the long table of numbers of runs, and several seeds of one of them as one."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sparc3_bench.record.parts import Versus
from sparc3_bench.record.result import Result

Interval = tuple[float, float]
"""The lower and the upper end."""

Place = tuple[float | None, str]
"""An amount, None for a number of the whole curve or of the scores themselves, and a metric."""


class RunNumber(NamedTuple):
    """A line of the long table: one number of one run, with its random circuits' and `versus`."""

    place: Place
    value: float
    interval: Interval | None
    note: str
    controls: tuple[float, ...]
    versus: Versus | None


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a series."""

    centre: float  # the mean over the seeds; for a control, the median
    # low, high: The range over the seeds
    low: float
    high: float
    # The 95 % interval over samples; of several seeds, the mean (of a control, the median) of the
    # ends, as the seeds' sampling errors rise and fall together
    interval: Interval | None = None
    note: str = ""  # a few words that belong beside it
    seeds: tuple[float, ...] = ()  # the number of every seed
    # Those of the random circuits of all seeds; seeds with the same circuits count once
    controls: tuple[float, ...] = ()
    # How every seed differs from its random circuits, where recorded
    versus: tuple[Versus, ...] = ()


def numbers_of(result: Result) -> Iterator[RunNumber]:
    """Yield every number of a run, along its curve and then of the whole."""
    for point in result.points:
        for name in point.metrics:
            own = (*point.read(name), "", point.control.get(name, ()), point.versus.get(name))
            yield RunNumber((point.amount.requested, name), *own)
    for name, one in result.curve.items():
        own = (one.value, one.interval, one.note, one.control, one.versus)
        yield RunNumber((None, name), *own)


def long_table(rising: Iterable[Result], control: bool) -> dict[Place, Value]:
    """Return the numbers of runs that differ in their seed, the newest last, each seed once."""
    found: dict[Place, dict[int, RunNumber]] = {}
    for result in rising:
        for one in numbers_of(result):
            found.setdefault(one.place, {})[result.spec.seed] = one
    return {place: _merged(by_seed.values(), control) for place, by_seed in found.items()}


def _merged(numbers: Collection[RunNumber], control: bool) -> Value:
    notes = {one.note for one in numbers}
    # The same circuits beside several seeds count once.
    drawn = dict.fromkeys(one.controls for one in numbers)
    return merge_seeds(
        [one.value for one in numbers],
        control,
        [one.interval for one in numbers],
        note=notes.pop() if len(notes) == 1 else "",
        controls=tuple(number for control in drawn for number in control),
        versus=tuple(one.versus for one in numbers if one.versus is not None),
    )


def merge_seeds(
    numbers: Sequence[float],
    control: bool,
    intervals: Sequence[Interval | None] = (),
    **beside: Any,
) -> Value:
    """Return the numbers of several seeds as one; an interval if every one has its own."""
    ends = [interval for interval in intervals if interval is not None]
    interval = None
    if ends and len(ends) == len(numbers):
        lows, highs = zip(*ends, strict=True)
        interval = (_centre(lows, control), _centre(highs, control))
    centre = _centre(numbers, control)
    return Value(centre, min(numbers), max(numbers), interval, seeds=tuple(numbers), **beside)


def _centre(numbers: Sequence[float], control: bool) -> float:
    if control:
        return statistics.median(numbers)
    # Divided before adding: the sum of two very large perplexities would overflow.
    mean = sum(number / len(numbers) for number in numbers)
    return min(max(mean, min(numbers)), max(numbers))
