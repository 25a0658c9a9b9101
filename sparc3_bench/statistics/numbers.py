"""Numbers as comparisons take them: finite, and equal where only rounding parts them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparc3_bench.errors import Sparc3Error

Array = NDArray[np.float64]

ROUNDING = 1e-12
"""Numbers whose difference is at most this share of the larger one count as equal."""


def finite(values: ArrayLike, what: str, dimensions: int) -> Array:
    """Return numbers as an array; `what` is their name for the message.

    Raises Sparc3Error when the number of dimensions is another, nothing is in it, or a number is
    not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions or not array.size:
        raise Sparc3Error(
            f"The {what} have shape {list(array.shape)}, but must have {dimensions} dimension(s) "
            "and not be empty; check what was stacked."
        )
    # A finite sum of squares has finite numbers only; an infinite one may come of large ones.
    if not math.isfinite(np.vdot(array, array)) and not np.isfinite(array).all():
        raise Sparc3Error(
            f"The {what} are not all finite, so nothing can be said of them; leave out the method "
            "or the metric that overflows."
        )
    return array


def paired(left: ArrayLike, right: ArrayLike) -> tuple[Array, Array]:
    """Return bootstrap replicates of two numbers, ``[replicates]`` each, of the same draws.

    Raises Sparc3Error when they are not as many on both sides, or not finite.
    """
    ours, theirs = finite(left, "replicates", 1), finite(right, "replicates", 1)
    if ours.shape != theirs.shape:
        raise Sparc3Error(
            f"Paired replicates must be as many on both sides, got {len(ours)} and {len(theirs)}; "
            "draw both with the same seeds."
        )
    return ours, theirs


def gap(left: Array, right: Array) -> Array:
    """Return `left - right`, and 0 where they are equal but for rounding.

    Sums of the same numbers in another order differ in their last digits, which must not become a
    win in every replicate.
    """
    difference: Array = np.asarray(left - right)
    largest = np.maximum(np.abs(left), np.abs(right))
    return np.where(np.abs(difference) <= ROUNDING * largest, 0.0, difference)
