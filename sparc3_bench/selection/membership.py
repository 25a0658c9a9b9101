"""How alike two circuits or rankings are, and a sample of their units that is small."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""For counts of amounts."""

MOST_SKETCHED = 16_384
"""A published file stays small."""

_MOST_RANKED = 1 << 17
"""Enough for the correlation; ranking every weight would cost a sort of all of them."""


def jaccard(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    """Return kept by both over kept by either; 1 where neither keeps anything."""
    both = sum(int((keep & right[name]).count_nonzero()) for name, keep in left.items())
    either = sum(int((keep | right[name]).count_nonzero()) for name, keep in left.items())
    return both / either if either else 1.0


def rank_correlation(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    """Return Spearman's correlation of two rankings, of at most 2^17 evenly spaced scores."""
    every = stride(sum(values.numel() for values in left.values()), _MOST_RANKED)
    return _spearman(spaced(left, every), spaced(right, every))


def _spearman(left: Tensor, right: Tensor) -> float:
    """Return Spearman's rank correlation, ties sharing their mean rank; 0 where one is constant."""
    from scipy.stats import rankdata

    ranks = torch.stack(
        [torch.from_numpy(rankdata(v.cpu().double().numpy())) for v in (left, right)]
    )
    ranks -= ranks.mean(1, keepdim=True)
    lengths = ranks.norm(dim=1)
    return float(ranks[0] @ ranks[1] / lengths.prod()) if lengths.min() > 0 else 0.0


def stride(units: int, most: int) -> int:
    """Return the step at which at most so many of some units are taken."""
    # Odd, so as not to fall into step with even row lengths.
    return 1 if units <= most else -(-units // most) | 1


def spaced(tensors: Mapping[str, Tensor], every: int) -> Tensor:
    """Return every so many-th element of all tensors in order, as one vector."""
    parts, start = [], 0
    for values in tensors.values():
        flat = values.reshape(-1)
        parts.append(flat[start::every].cpu().clone())  # not a view, which keeps the whole
        start = (start - flat.numel()) % every
    return torch.cat(parts)
