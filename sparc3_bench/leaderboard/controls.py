"""Controls: the random circuits with the same counts as those of the scorers, as bands."""

from __future__ import annotations

import statistics
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.axes import Position
    from sparc3_bench.leaderboard.sizes import Sizes
    from sparc3_bench.leaderboard.tables import Section

Control = tuple[tuple[float, tuple[float, ...]], ...]
"""For each amount, the rising numbers of the random circuits."""


def drawn_label(section: Section) -> str:
    """Return what the bands of random circuits are, or an empty string where there are none."""
    name = section.metrics[0].name
    counts = [
        len(numbers)
        for one in section.series
        if one.is_comparable(name) and (numbers := one.drawn(max(one.controls), name))
    ]
    return f"Matched random ({max(counts)})" if counts else ""


def controls_of(section: Section) -> list[Control]:
    """Return the random circuits of every series, each once, by amount."""
    name = section.metrics[0].name
    found: dict[Control, None] = {}
    for one in section.series:
        if one.is_control or not one.is_comparable(name):
            continue
        control = tuple(
            (amount, tuple(sorted(numbers)))
            for amount in sorted(one.controls)
            if (numbers := one.drawn(amount, name))
        )
        if control:
            found.setdefault(control)
    return list(found)


def band(control: Control, x: Position, y: Position, sizes: Sizes) -> SimpleNamespace:
    """Return where the band of one control is drawn, and its median."""
    shown = [(x(amount), numbers) for amount, numbers in control if not sizes.is_apart(amount)]
    upper = [(place, y(numbers[-1])) for place, numbers in shown]
    lower = [(place, y(numbers[0])) for place, numbers in reversed(shown)]
    median = [(place, y(statistics.median(numbers))) for place, numbers in shown]
    return SimpleNamespace(band=(*upper, *lower), median=median)
