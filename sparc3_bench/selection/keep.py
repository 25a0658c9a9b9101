"""keep: which numbers of comparison groups stay when so many of the lowest go; ties by position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sparc3_bench.selection.threshold import joint_cuts, quick, row_cuts
from sparc3_bench.types.groups import Group, pattern_of, tiles_of


def as_groups(values: Tensor, group: Group) -> Tensor:
    """Return a tensor as its comparison groups, ``[groups, size]``, each ranked by itself.

    Of group `model` it is one, which is ranked with the others'.
    """
    if (pattern := pattern_of(group)) is not None:
        return values.reshape(-1, pattern.of)
    if (tiles := tiles_of(group)) is not None:
        rows, columns = tiles.within(values.shape)
        parted = values.reshape(len(values) // rows, rows, -1, columns)
        return parted.transpose(1, 2).reshape(-1, rows * columns)
    return values if group == "row" else values.reshape(1, -1)


def ungrouped(groups: Tensor, group: Group, shape: Sequence[int]) -> Tensor:
    """Return comparison groups as the tensor that they are of, contiguous: `as_groups` undone."""
    if (tiles := tiles_of(group)) is not None:
        rows, columns = tiles.within(shape)
        parted = groups.view(shape[0] // rows, shape[1] // columns, rows, columns)
        groups = parted.transpose(1, 2).contiguous()
    return groups.view(*shape)


def keep_groups(tensors: Sequence[Tensor], count: int, cut: Tensor | None = None) -> list[Tensor]:
    """Keep all but the `count` lowest of each group of a tensor, or of several that are one."""
    if tensors[0].shape[0] > 1:
        return [keep_rows(tensors[0], count, cut)]
    return keep_together(tensors, count, cut)


def keep_rows(values: Tensor, count: int, cut: Tensor | None = None) -> Tensor:
    """Keep all but the `count` lowest of each row; of ties the leftmost go. ``[rows, columns]``."""
    if count in (0, values.shape[1]):
        return torch.full_like(values, count == 0, dtype=torch.bool)
    cut = row_cuts(values, [count])[count] if cut is None else cut
    threshold, beyond = cut[:, :1], cut[:, 1:]
    keep = above(values, threshold)
    # Where the next number is larger, all is decided.
    tied = (~(beyond > threshold)).flatten().nonzero().flatten()
    if len(tied):
        # Of the ties at the threshold the last ones stay, until exactly k are gone.
        excess = values.shape[1] - count - keep[tied].count_nonzero(dim=1)
        at_threshold = values[tied] == threshold[tied]
        row, column = at_threshold.nonzero().unbind(1)
        ends = torch.bincount(row, minlength=len(tied)).cumsum(0)
        from_the_right = ends[row] - torch.arange(len(row), device=row.device)
        stays = from_the_right <= excess[row]
        keep[tied[row[stays]], column[stays]] = True
    return keep


def keep_together(tensors: Sequence[Tensor], count: int, cut: Tensor | None = None) -> list[Tensor]:
    """Keep all but the `count` lowest of all tensors; of ties the first go. Nothing is joined."""
    if count in (0, sum(values.numel() for values in tensors)):
        return [torch.full_like(values, count == 0, dtype=torch.bool) for values in tensors]
    threshold = joint_cuts(tensors, [count])[count] if cut is None else cut
    keeps = [above(values, threshold) for values in tensors]
    excess = sum(keep.numel() - count_true(keep) for keep in keeps) - count
    for values, keep in zip(reversed(tensors), reversed(keeps), strict=True):
        if excess == 0:
            break
        excess -= keep_last(keep, values, threshold, excess)
    return keeps


def above(values: Tensor, threshold: Tensor) -> Tensor:
    """Return which values are larger than a threshold, contiguous."""
    larger = torch.empty(values.shape, dtype=torch.bool, device=values.device)
    every, found, limit = values, larger, threshold.to(values.device)
    if not limit.dim():
        every, found, limit = values.reshape(-1), larger.view(-1), limit.expand(values.numel())
    some, there, limits = quick(every), quick(found), quick(limit)
    if some is every:
        torch.gt(every, limit, out=found)
    else:
        np.greater(some, limits, out=there)
    return larger


def count_true(keep: Tensor) -> int:
    """Return how many are true: by NumPy, where it can, several times as fast."""
    some = quick(keep)
    return int(keep.count_nonzero() if some is keep else np.count_nonzero(some))


def keep_last(keep: Tensor, values: Tensor, threshold: Tensor, excess: int) -> int:
    """Keep the last of the ties at the threshold, so many at most; return how many there were."""
    if excess == 0:
        return 0
    limit = threshold.to(values.device)
    tied = torch.as_tensor(quick(values) == quick(limit)).flatten()
    if not count_true(tied):
        return 0
    ties = tied.nonzero().flatten()[-excess:]
    keep.view(-1)[ties] = True
    return len(ties)
