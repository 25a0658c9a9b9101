"""largest_amount: where a curve crosses a bar, by bisection."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

_SMALLEST = 0.001
"""The smallest circuit looked at, as a fraction of the scope."""


def largest_amount(
    passes: Callable[[float], Generator[Any, Any, bool]], ratio: float
) -> Generator[Any, Any, float]:
    """Return the largest fraction removed that passes, by bisection over the log of what is kept.

    Between the smallest circuit and the whole model the bar is taken to be crossed once; a curve
    that crosses it more often gives one of the crossings. Amount 0 is taken to pass. The search
    ends when the bar lies between two sizes of this ratio, above 1.
    """
    low, high = _SMALLEST, 1.0
    while high / low > ratio:
        middle = (low * high) ** 0.5
        if (yield from passes(_amount(middle))):
            high = middle
        else:
            low = middle
    # Last, as it is seldom in question: where a larger one fails, the smallest does.
    if low == _SMALLEST and (yield from passes(_amount(low))):
        return _amount(low)
    return _amount(high)


def _amount(size: float) -> float:
    return round(1 - size, 6)
