"""kth_smallest: an exact order statistic over many tensors, without joining or sorting them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_ENOUGH = 1 << 20
"""So many numbers are sorted outright."""


def kth_smallest(tensors: Sequence[Tensor], k: int) -> float:
    """Return the k-th smallest number (from 1) of all tensors together.

    A sample brackets the answer, one pass counts what lies below the bracket and collects what
    lies inside, and only that is looked at further [after floyd1975]. Extra memory is
    about one mask of the largest tensor plus a few percent of all numbers.
    """
    pool = [values.detach().reshape(-1) for values in tensors]
    while True:
        total = _size(pool)
        if total <= _ENOUGH:
            return float(torch.cat(pool).sort().values[k - 1])
        low, high = _bracket(pool, k, total)
        # The ends are left out of the inside, so that ties at them cannot fill it.
        up_to_low, inside = _between(pool, low, high)
        if k <= up_to_low:
            # Counted before collected: where many numbers tie at the end, it is the answer.
            if k > sum(int((part < low).sum()) for part in pool):
                return low
            pool = [part[part < low] for part in pool]
        elif k <= up_to_low + _size(inside):
            k, pool = k - up_to_low, inside
        else:
            up_to_high = sum(int((part <= high).sum()) for part in pool)
            if k <= up_to_high:
                return high
            k, pool = k - up_to_high, [part[part > high] for part in pool]


def _between(pool: Sequence[Tensor], low: float, high: float) -> tuple[int, list[Tensor]]:
    """Return how many numbers are at most `low`, and those strictly between the two."""
    count, inside = 0, []
    for part in pool:
        above = part > low
        count += part.numel() - int(above.sum())
        inside.append(part[above.logical_and_(part < high)])
    return count, inside


def _size(pool: Sequence[Tensor]) -> int:
    return sum(part.numel() for part in pool)


def _bracket(pool: Sequence[Tensor], k: int, total: int) -> tuple[float, float]:
    """Return two numbers of the pool that very probably enclose the k-th smallest."""
    step = max(1, total // _ENOUGH)
    # Evenly spaced, so that the result needs no random numbers; any sample gives the exact answer.
    sample = torch.cat([part[:: _odd(step)] for part in pool]).sort().values
    middle = k / total * sample.numel()
    margin = 4 * sample.numel() ** 0.5
    low = sample[max(0, int(middle - margin))]
    high = sample[min(sample.numel() - 1, int(middle + margin))]
    return float(low), float(high)


def _odd(step: int) -> int:
    """Return an odd step, which does not fall into step with even row lengths."""
    return step | 1
