"""A method beside random controls: whether it is more than one more draw at random."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.numbers import Array, finite, gap
from sparc3_bench.statistics.paired import Difference, of_replicates
from sparc3_bench.statistics.ranking import Direction

Verdict = Literal["better", "worse", "not separable"]
"""Of a method beside random controls."""


@dataclass(frozen=True)
class Band:
    """A method beside random controls.

    Attributes
    ----------
    difference
        The metric of the method minus the mean of that of the controls; its interval and p-value
        are over samples and over the choice of controls. They are about the **mean** control: one
        more random draw lies off that mean, too, and is often significantly so.
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
    level: float = 0.05,
) -> Band:
    """Compare a method with random controls.

    Parameters
    ----------
    value, replicates
        The metric of the method, and its bootstrap replicates, ``[replicates]``.
    controls, control_replicates
        The same of the controls, at least two: ``[controls]`` and ``[replicates, controls]``,
        paired with those of the method: see `difference`.
    direction
        Which way is better.
    level
        See `Band.verdict`, in (0, 1).

    Raises
    ------
    Sparc3Error
        When numbers are not finite or not paired, or there are fewer than two controls.

    Notes
    -----
    `p_draw` is that of the prediction interval of one more normal draw: (value - mean) /
    (s √(1 + 1/k)) is t-distributed with k - 1 degrees of freedom, s the standard deviation of the k
    controls [hahn1991, ch. 4]. As all were measured on the same samples, s holds what the samples
    add, too.
    """
    own, others = finite(replicates, "replicates", 1), finite(controls, "values of controls", 1)
    drawn = finite(control_replicates, "replicates of controls", 2)
    if len(others) < 2 or drawn.shape != (len(own), len(others)):
        raise Sparc3Error(
            f"A method with {len(own)} replicates needs two controls or more with as many, got "
            f"{len(others)} with replicates of shape {list(drawn.shape)}; stack them as "
            "[replicates, controls]."
        )
    mean = others.mean()
    observed = float(gap(finite([value], "values", 1), mean)[0])
    found = of_replicates(gap(own, redrawn(drawn)), observed)
    p_draw = one_more(observed, others)
    if max(found.p_value, p_draw) > level:
        return Band(found, p_draw, "not separable")
    return Band(found, p_draw, "better" if (observed > 0) == (direction == "higher") else "worse")


def redrawn(replicates: Array) -> Array:
    """Return the mean of the controls in every replicate, controls drawn again with replacement.

    Parameters
    ----------
    replicates
        Those of every control, ``[replicates, controls]``.
    """
    # The controls are a sample, too: in every replicate some of them are drawn.
    generator = np.random.default_rng(zlib.crc32(b"controls"))
    picked = generator.integers(replicates.shape[1], size=replicates.shape)
    means: Array = np.take_along_axis(replicates, picked, axis=1).mean(axis=1)
    return means


def one_more(difference: float, controls: ArrayLike) -> float:
    """Return the p-value that a method is one more random draw; see `against_controls`.

    Parameters
    ----------
    difference
        The metric of the method minus the mean of the controls.
    controls
        The metric of the controls, at least two.
    """
    others = finite(controls, "values of controls", 1)
    spread = float(others.std(ddof=1)) * (1 + 1 / len(others)) ** 0.5
    if difference == 0 or spread == 0:
        return float(difference == 0)
    return float(2 * stdtr(len(others) - 1, -abs(difference) / spread))
