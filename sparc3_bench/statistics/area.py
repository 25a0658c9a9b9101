"""The area under a curve over amounts, as its mean height."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.numbers import Array, finite
from sparc3_bench.types.values import Scale


def mean_height(sizes: ArrayLike, heights: ArrayLike, scale: Scale = "linear") -> Array:
    """Return the area under a curve divided by its width, by the trapezoidal rule.

    Divided by the width it is in units of the metric and lies between the lowest point and the
    highest; a flat curve has its own height. With scale `log` the width is that of log size, and
    the result does not depend on the base or on the unit of the sizes.

    Parameters
    ----------
    sizes
        Where the curve was measured, two points or more, rising strictly, ``[points]``; above 0
        with scale `log`.
    heights
        The metric there, ``[points]``, or with bootstrap replicates ``[points, replicates]``.
    scale
        Of the sizes: whether every step counts alike, or every doubling.

    Returns
    -------
    array
        One number, of shape ``[]``, or one a replicate, ``[replicates]``.

    Raises
    ------
    Sparc3Error
        When a number is not finite or the sizes are not as they must be.
    """
    where = finite(sizes, "sizes", 1)
    curve = finite(heights, "heights", np.ndim(heights))
    if len(where) < 2 or (np.diff(where) <= 0).any() or curve.shape[:1] != where.shape:
        raise Sparc3Error(
            "A curve needs two sizes or more that rise, and a height for each, got "
            f"{len(where)} sizes and heights of shape {list(curve.shape)}; sort them by size."
        )
    if scale == "log":
        if where[0] <= 0:
            raise Sparc3Error(
                f"A curve over log size needs sizes above 0, got {where[0]:g}; leave that out."
            )
        where = np.log(where)
    return np.asarray(np.trapezoid(curve, where, axis=0) / (where[-1] - where[0]))
