"""KeepMask: what of a model survives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class KeepMask:
    """What survives: True = kept. What it does not name is kept whole.

    Attributes
    ----------
    weights
        Name to bool ``[out_features, in_features]``.
    biases
        Name to bool ``[out_features]``, only for biases that lose something.
    """

    weights: Mapping[str, Tensor]
    biases: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def removed(self) -> int:
        """How many weights are removed."""
        return sum(keep.numel() - int(keep.count_nonzero()) for keep in self.weights.values())

    @property
    def removed_biases(self) -> int:
        """How many entries of biases are removed."""
        return sum(keep.numel() - int(keep.count_nonzero()) for keep in self.biases.values())
