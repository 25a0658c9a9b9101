"""A method beside random controls: whether it is more than one more draw at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.interval import LEVEL, logarithm, spread, two_sided
from sparc3_bench.statistics.numbers import Array, finite
from sparc3_bench.statistics.paired import Difference, apart, t_difference
from sparc3_bench.types.values import Direction, Scale

Verdict = Literal["better", "worse", "not separable"]
"""Of a method beside random controls."""

LEAST = 2
"""Of fewer controls nothing is known of how far a random draw lies from another: no verdict."""


@dataclass(frozen=True)
class Band:
    """A method beside random controls.

    Attributes
    ----------
    difference
        The metric of the method beside the mean of that of the controls (on a log scale, beside
        their geometric mean); its interval and p-value are over samples and over the choice of
        controls. They are about the **mean** control: one more random draw lies off that mean, too,
        and is often significantly so.
    p_draw
        Two-sided p-value that the method is one more random draw, in [0, 1].
    verdict
        `better` or `worse` where both p-values are at most the level: the difference is neither one
        of samples nor one of draws. A method that is no better than a random draw gets either
        verdict at most that often.
    """

    difference: Difference
    p_draw: float
    verdict: Verdict


def against_controls(
    value: float,
    replicates: ArrayLike,
    controls: ArrayLike,
    control_replicates: ArrayLike,
    direction: Direction,
    clusters: int,
    *,
    scale: Scale = "linear",
) -> Band:
    """Compare a method with random controls.

    Raises Sparc3Error when numbers are not finite or not paired, or there are fewer than two
    controls.

    Parameters
    ----------
    value, replicates
        The metric of the method, and its bootstrap replicates, ``[replicates]``.
    controls, control_replicates
        The same of the controls, at least two: ``[controls]`` and ``[replicates, controls]``,
        paired with those of the method: see `of_pair`.
    direction
        Which way is better.
    clusters
        How many independent samples the replicates are drawn from; see `spread`.
    scale
        That of the metric.

    Notes
    -----
    `p_draw` is that of the prediction interval of one more normal draw: (value - mean) /
    (s √(1 + 1/k)) is t-distributed with k - 1 degrees of freedom, s the standard deviation of the k
    controls [hahn1991, ch. 4]. As all were measured on the same samples, s holds what the samples
    add, too. The range of k draws, in its place, is left on the better side by one more draw in
    1 / (k + 1) of cases: in 25 % with three.
    """
    others = finite(controls, "values of controls", 1)
    if len(others) < LEAST:
        raise Sparc3Error(f"A verdict needs {LEAST} controls or more, got {len(others)}; run more.")
    found = from_mean(value, replicates, others, control_replicates, clusters, scale)
    p_draw = one_more(value, others, scale)
    return Band(found, p_draw, verdict(found.sign, max(found.p_value, p_draw), direction))


def verdict(sign: int, p_value: float, direction: Direction) -> Verdict:
    """Return what a p-value says of a number above (1) or below (-1) that of the controls."""
    if p_value > LEVEL or sign == 0 or direction == "neither":
        return "not separable"
    return "better" if (sign > 0) == (direction == "higher") else "worse"


def from_mean(
    value: float,
    replicates: ArrayLike,
    controls: ArrayLike,
    control_replicates: ArrayLike,
    clusters: int,
    scale: Scale = "linear",
) -> Difference:
    """Return how far a method is from the mean control; see `Band.difference`.

    Arguments, and what is refused, are as for `against_controls`; one control is enough, whose own
    luck is then not in the error.

    Two errors add up: over samples, of clusters - 1 degrees of freedom, and over the choice of k
    controls, s² / k of k - 1; their sum has Welch's degrees of freedom [welch1947].
    """
    own, others = finite(replicates, "replicates", 1), finite(controls, "values of controls", 1)
    drawn = finite(control_replicates, "replicates of controls", 2)
    if drawn.shape != (len(own), len(others)):
        raise Sparc3Error(
            f"A method with {len(own)} replicates needs controls with as many, got "
            f"{len(others)} with replicates of shape {list(drawn.shape)}; stack them as "
            "[replicates, controls]."
        )
    error = spread(apart(own, middle(drawn, scale), scale), clusters)
    observed = apart(finite([value], "values", 1), middle(others[None], scale), scale)
    return with_control_error(float(observed[0]), error, clusters, others, scale)


def with_control_error(
    value: float, error: float, clusters: int, controls: Array, scale: Scale
) -> Difference:
    """Return a difference from the mean control by its error over samples and that over controls.

    The difference and its standard error over samples are of logarithms on a log scale; `controls`
    are the metric of the controls, ``[controls]``.
    """
    parts = [(error**2, clusters - 1)]
    if (count := len(controls)) > 1:
        parts.append((_deviation(controls, scale) ** 2 / count, count - 1))
    total = sum(variance for variance, _ in parts)
    least = sum(variance**2 / freedom for variance, freedom in parts)
    freedom = total**2 / least if least else 1.0
    return t_difference(value, total**0.5, freedom, scale)


def middle(controls: Array, scale: Scale) -> Array:
    """Return the mean of every row, geometric on a log scale."""
    if scale == "linear":
        return np.asarray(controls.mean(axis=1))
    return np.asarray(np.exp(logarithm(controls).mean(axis=1)))


def one_more(value: float, controls: ArrayLike, scale: Scale = "linear") -> float:
    """Return the p-value that a method is one more random draw, beside two controls or more.

    See `against_controls`.
    """
    others = finite(controls, "values of controls", 1)
    observed = apart(finite([value], "values", 1), middle(others[None], scale), scale)
    error = _deviation(others, scale) * (1 + 1 / len(others)) ** 0.5
    return two_sided(float(observed[0]), error, len(others) - 1)


def ahead(value: float, controls: ArrayLike, scale: Scale = "linear") -> int:
    """Return 1 for a number above the mean control, -1 for one below, 0 for one that equals it."""
    others = finite(controls, "values of controls", 1)
    observed = apart(finite([value], "values", 1), middle(others[None], scale), scale)
    return int(np.sign(observed[0]))


def beyond(controls: ArrayLike, differences: ArrayLike, scale: Scale = "linear") -> float:
    """Return the number that lies this far from the mean control, on average of the differences."""
    others = middle(finite(controls, "values of controls", 1)[None], scale)
    apart_by = middle(finite(differences, "differences", 1)[None], scale)
    return float((others + apart_by if scale == "linear" else others * apart_by)[0])


def _deviation(controls: Array, scale: Scale) -> float:
    numbers = controls if scale == "linear" else logarithm(controls)
    found = float(numbers.std(ddof=1))
    # The mean of three equal numbers is often off in the last digit.
    return 0.0 if found <= 1e-12 * float(np.abs(numbers).max()) else found
