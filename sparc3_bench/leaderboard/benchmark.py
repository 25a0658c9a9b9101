"""Kept: what is left of a benchmark in every row of a section, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparc3_bench.record.parts import MetricRecord

Key = tuple[float, int]
"""An amount, and the position of a row of the section."""


@dataclass(frozen=True)
class Benchmark:
    """One metric of all rows as a share of that of the dense model.

    Attributes
    ----------
    samples
        The name of the samples it follows from; empty for the task's main metric.
    dense
        The metric of the dense model.
    chance
        What guessing gives; None where that is not known.
    is_guessing
        Whether the dense model itself is not told apart from guessing.
    kept
        The share that is left, in units of 1; with an interval where every draw allows one.
    ranks
        `1` or `2–3`, of rows that are no controls.
    guessing
        Where the metric is not told apart from guessing, on its better side.
    """

    metric: MetricRecord
    samples: str
    dense: float
    chance: float | None
    is_guessing: bool
    kept: Mapping[Key, Value]
    ranks: Mapping[Key, str]
    guessing: frozenset[Key]


def shown_by_chart(found: Sequence[Benchmark]) -> tuple[Benchmark, ...]:
    """Return the main metric and the first metric of every set of samples."""
    first: dict[str, Benchmark] = {}
    for one in found:
        first.setdefault(one.samples, one)
    return tuple(first.values())


def of_series(one: Benchmark, place: int) -> list[tuple[float, Value]]:
    """Return what is left in a row by amount, from the dense model on; empty where unknown."""
    found = {amount: value for (amount, at), value in one.kept.items() if at == place}
    rest = [(amount, found[amount]) for amount in sorted(found)]
    return [(0.0, Value(1.0, 1.0, 1.0)), *rest] if rest else []
