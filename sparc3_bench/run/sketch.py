"""Sketches of circuits, and how alike two rankings are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sparc3_bench.record.parts import Sketch, Stability

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_MOST_SKETCHED = 16_384
"""A published file stays small."""

_MOST_RANKED = 1 << 17
"""Enough for the correlation; ranking every weight would cost a sort of all of them."""


class Sketcher:
    """Counts at how many amounts each of some evenly spaced units is kept.

    Circuits of one ranking are nested, so the count says which of them a unit belongs to.
    """

    def __init__(self, ranking: Mapping[str, Tensor]) -> None:
        self._units = sum(values.numel() for values in ranking.values())
        self._stride = _stride(self._units, _MOST_SKETCHED)
        self._levels = torch.zeros(-(-self._units // self._stride), dtype=torch.int64)
        self._amounts = 0

    def add(self, kept: Mapping[str, Tensor]) -> None:
        """Count what is kept at the next amount."""
        self._levels += _spaced(kept, self._stride)
        self._amounts += 1

    def record(self) -> Sketch | None:
        """Return the sketch, or None when there are more amounts than digits."""
        if self._amounts >= len(_DIGITS):
            return None
        levels = "".join(_DIGITS[level] for level in self._levels.tolist())
        return Sketch(units=self._units, stride=self._stride, levels=levels)


class Likeness:
    """How a ranking compares with another one of the same units."""

    def __init__(
        self, seed: int, ranking: Mapping[str, Tensor], other: Mapping[str, Tensor]
    ) -> None:
        self.ranking = other
        self._seed = seed
        self._jaccard: list[float] = []
        stride = _stride(sum(values.numel() for values in ranking.values()), _MOST_RANKED)
        self._spearman = spearman(_spaced(ranking, stride), _spaced(other, stride))

    def add(self, kept: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
        """Compare what the two keep at the next amount."""
        self._jaccard.append(jaccard(kept, other))

    def record(self) -> Stability:
        """Return the comparison."""
        return Stability(seed=self._seed, spearman=self._spearman, jaccard=tuple(self._jaccard))


def jaccard(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    """Return kept by both over kept by either; 1 where neither keeps anything."""
    both = sum(int((keep & right[name]).count_nonzero()) for name, keep in left.items())
    either = sum(int((keep | right[name]).count_nonzero()) for name, keep in left.items())
    return both / either if either else 1.0


def spearman(left: Tensor, right: Tensor) -> float:
    """Return Spearman's rank correlation, ties sharing their mean rank; 0 where one is constant."""
    from scipy.stats import rankdata

    ranks = torch.stack(
        [torch.from_numpy(rankdata(v.double().cpu().numpy())) for v in (left, right)]
    )
    ranks -= ranks.mean(1, keepdim=True)
    lengths = ranks.norm(dim=1)
    return float(ranks[0] @ ranks[1] / lengths.prod()) if lengths.min() > 0 else 0.0


def _stride(units: int, most: int) -> int:
    # Odd, so as not to fall into step with even row lengths.
    return 1 if units <= most else -(-units // most) | 1


def _spaced(tensors: Mapping[str, Tensor], stride: int) -> Tensor:
    """Return every `stride`-th element of all tensors in order, as one vector."""
    parts, start = [], 0
    for values in tensors.values():
        flat = values.reshape(-1)
        parts.append(flat[start::stride].cpu())
        start = (start - flat.numel()) % stride
    return torch.cat(parts)
