"""Holm's correction: p-values of many comparisons, so that one false claim in all is rare."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.numbers import Array, finite


def holm(p_values: ArrayLike) -> Array:
    """Return p-values adjusted for all comparisons made together [holm1979].

    Whoever claims those that are at most 0.05 makes a false claim or more in at most 5 % of tables,
    however the comparisons hang together. The smallest of m is multiplied by m, the next by m - 1,
    and so on; none becomes smaller than one before it, or larger than 1.

    Both are ``[comparisons]`` in one order, in [0, 1]. Raises Sparc3Error when there are none, or
    one is outside [0, 1].
    """
    values = finite(p_values, "p-values", 1)
    if values.min() < 0 or values.max() > 1:
        raise Sparc3Error("The p-values must lie in [0, 1]; adjust none that is adjusted already.")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
