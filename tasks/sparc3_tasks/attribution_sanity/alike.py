"""Alike: how much two rankings of the same weights agree, one number a matrix."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from sparc3_bench import choose

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import Group, Unit

Array = NDArray[Any]

MOST = 1 << 15
"""How many scores of a matrix are ranked, evenly spaced. Of so many a correlation is known to
1/√32768 = 0.006, and the mean over the matrices of a model far better; sorting every score would
take longer than scoring."""

HALF = 0.5
"""The amount at which kept sets are compared."""


class Comparison:
    """A ranking that others are held against, of matrices ``[out, in]`` or blocks ``[units]``."""

    def __init__(self, own: Mapping[str, Tensor], unit: Unit, group: Group) -> None:
        self._own, self._unit, self._group = own, unit, group
        self._orders: dict[str, Order] = {}

    def is_same(self, other: Mapping[str, Tensor], names: Iterable[str]) -> bool:
        """Return whether these matrices have the same scores to the last bit."""
        return all(torch.equal(self._own[name], other[name]) for name in names)

    def correlations(self, other: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, float]:
        """Return Spearman's rank correlation of every matrix that has one, in [-1, 1].

        By row it is the mean over rows, else of the whole matrix.
        """
        found = {}
        for name in names:
            if name not in self._orders:
                self._orders[name] = Order(self._spaced(self._own[name]))
            found[name] = self._orders[name].correlation(Order(self._spaced(other[name])))
        return _known(found)

    def overlaps(self, other: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, float]:
        """Return by matrix what both keep at 50 % over what either keeps, in [0, 1].

        A matrix of which neither keeps anything is left out.
        """
        kept, found = self._keep(other), {}
        for name in names:
            either = int((self._kept[name] | kept[name]).count_nonzero())
            both = int((self._kept[name] & kept[name]).count_nonzero())
            found[name] = both / either if either else math.nan
        return _known(found)

    @cached_property
    def _kept(self) -> Mapping[str, Tensor]:
        return self._keep(self._own)

    def _keep(self, ranking: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return choose(ranking, HALF, unit=self._unit, group=self._group)

    def _spaced(self, values: Tensor) -> Array:
        """Return the scores that are ranked: whole rows by `row`, else one row of single scores."""
        if self._group == "row":
            rows, columns = values.shape
            count = min(rows, max(1, MOST // columns))
            chosen = values[torch.arange(count) * rows // count]
        else:
            flat = values.reshape(1, -1)
            # An odd step does not fall into step with even row lengths.
            step = -(-flat.shape[1] // MOST) | 1 if flat.shape[1] > MOST else 1
            chosen = flat[:, ::step]
        return chosen.cpu().numpy()


class Order:
    """The ranks within each of some rows of scores, ``[rows, scores]``; ties share their mean."""

    def __init__(self, values: Array) -> None:
        ranks: Array = rankdata(values, axis=1)
        self._centred = ranks - ranks.mean(1, keepdims=True)
        self._lengths: Array = np.sqrt(np.square(self._centred).sum(1))

    def correlation(self, other: Order) -> float:
        """Return Spearman's rank correlation, the mean over rows.

        A row in which one of the two has no order counts as 0; one in which neither has, not at
        all. NaN when no row is left.
        """
        lengths = self._lengths * other._lengths
        some = (self._lengths > 0) | (other._lengths > 0)
        if not some.any():
            return math.nan
        products = (self._centred * other._centred).sum(1)
        rows = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        return float(rows[some].mean())


def _known(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: number for name, number in numbers.items() if not math.isnan(number)}
