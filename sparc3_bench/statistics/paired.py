"""Paired comparisons: how far two numbers are apart on the same samples, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sparc3_bench.statistics.interval import half_width, logarithm, spread, two_sided
from sparc3_bench.statistics.numbers import Array, finite, gap, paired
from sparc3_bench.types.values import Scale


@dataclass(frozen=True)
class Difference:
    """The metric of one method beside that of another; all its numbers are of the same quantity."""

    # as observed: the first minus the second, or, on a log scale, the first divided by the second
    value: float
    # its 95 % interval over samples; see `interval`
    low: float
    high: float
    # two-sided, of no difference (of a ratio of 1), in [0, 1], by the same error as the interval
    p_value: float
    scale: Scale = "linear"  # `linear` for a difference in units of the metric, `log` for a ratio

    @property
    def sign(self) -> int:
        """1 where the first number is the larger one, -1 where it is the smaller one, else 0."""
        none = 0.0 if self.scale == "linear" else 1.0
        return (self.value > none) - (self.value < none)

    def turned(self) -> Difference:
        """Return the second beside the first."""
        ends = self.value, self.high, self.low
        if self.scale == "log":
            return Difference(1 / ends[0], 1 / ends[1], 1 / ends[2], self.p_value, "log")
        return Difference(-ends[0], -ends[1], -ends[2], self.p_value)


def t_difference(value: float, error: float, freedom: float, scale: Scale = "linear") -> Difference:
    """Return a difference with its interval and p-value, by Student's t.

    The difference and its standard error are of logarithms where the scale of what is returned is
    one.
    """
    half = half_width(error, freedom)
    ends = value, value - half, value + half
    if scale == "log":
        ends = math.exp(ends[0]), math.exp(ends[1]), math.exp(ends[2])
    return Difference(*ends, two_sided(value, error, freedom), scale)


def of_replicates(differences: Array, value: float, clusters: int) -> Difference:
    """Return an observed difference with the interval and the p-value of its ``[replicates]``.

    For `clusters` see `spread`. Raises Sparc3Error when there is only one, or a number is not
    finite.
    """
    observed = float(finite([value], "differences", 1)[0])
    return t_difference(observed, spread(differences, clusters), clusters - 1)


def of_pair(
    left: ArrayLike,
    right: ArrayLike,
    value: float,
    other: float,
    clusters: int,
    scale: Scale = "linear",
) -> Difference:
    """Return how far apart two numbers are [efron1993].

    Raises Sparc3Error when replicates are not paired or not finite, there is one independent
    sample, or numbers on a log scale are not above 0.

    Parameters
    ----------
    left, right
        Bootstrap replicates of one metric of two methods, ``[replicates]``, in which every
        replicate is of the same draw of the same samples (see `resampled_means`). They are paired:
        what all methods find hard in a draw cancels.
    value, other
        The metric of both, as observed.
    clusters
        How many independent samples they are drawn from; see `spread`.
    scale
        That of the metric. With `log` it is the ratio that is told: the spread of the larger
        number, which may come from a few samples, hides the difference otherwise.
    """
    ours, theirs = paired(left, right)
    observed = apart(finite([value], "values", 1), finite([other], "values", 1), scale)
    error = spread(apart(ours, theirs, scale), clusters)
    return t_difference(float(observed[0]), error, clusters - 1, scale)


def apart(left: Array, right: Array, scale: Scale) -> Array:
    """Return `left - right` or the logarithm of their ratio, 0 where equal but for rounding."""
    difference = gap(left, right)
    if scale == "linear":
        return difference
    return np.where(difference == 0, 0.0, logarithm(left) - logarithm(right))
