"""Dominance: levels of a design that have most of the variance to themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sparc3_bench.statistics.interval import logarithm
from sparc3_bench.statistics.numbers import finite
from sparc3_bench.types.values import Scale


def dominating(
    values: ArrayLike, factors: Mapping[str, Sequence[str]], scale: Scale = "linear"
) -> list[tuple[str, str]]:
    """Return the levels, with their factors, without which less than half of the variance is left.

    One by one: first that without which the least is left, then of what is left the next; of a
    factor one at most, if it has three. Arguments are as for `Effects`.
    """
    numbers = logarithm(values) if scale == "log" else finite(values, "values", 1)
    runs = {n: np.asarray(levels) for n, levels in factors.items() if len(set(levels)) > 2}
    kept, found = np.ones(len(numbers), dtype=bool), list[tuple[str, str]]()
    while True:
        left = {
            (name, level): float(numbers[kept & (levels != level)].var())
            for name, levels in runs.items()
            for level in dict.fromkeys(levels)
        }
        worst = min(left, key=lambda one: left[one], default=None)
        if worst is None or left[worst] * 2 >= numbers[kept].var():
            return found
        found.append(worst)
        kept &= runs.pop(worst[0]) != worst[1]
