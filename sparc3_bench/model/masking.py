"""KeepMask: what survives, and a context manager that applies it and restores every bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.weights import PrunableWeight


@dataclass(frozen=True)
class KeepMask:
    """What survives: True = kept.

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
        return sum(keep.numel() - int(keep.sum()) for keep in self.weights.values())

    @property
    def removed_biases(self) -> int:
        """How many entries of biases are removed."""
        return sum(keep.numel() - int(keep.sum()) for keep in self.biases.values())


@contextmanager
def masked(weights: Mapping[str, PrunableWeight], keep: KeepMask) -> Iterator[None]:
    """Set what `keep` removes to zero; on leaving, put the same bits back, whatever happened.

    Only the removed values are held, so the extra memory is in proportion to the sparsity.
    """
    held: list[tuple[Tensor, Tensor, Tensor]] = []
    with torch.no_grad():
        try:
            for name, mask in keep.weights.items():
                _zero(weights[name].matrix, mask, held, f"`{name}`")
            for name, mask in keep.biases.items():
                bias = weights[name].bias
                if bias is not None:
                    _zero(bias, mask, held, f"the bias of `{name}`")
            yield
        finally:
            for tensor, removed, values in reversed(held):
                tensor.masked_scatter_(removed, values)


def _zero(
    tensor: Tensor, keep: Tensor, held: list[tuple[Tensor, Tensor, Tensor]], what: str
) -> None:
    if keep.shape != tensor.shape or keep.dtype != torch.bool:
        raise Sparc3Error(
            f"The keep-mask of {what} is {keep.dtype} {list(keep.shape)}; expected bool "
            f"{list(tensor.shape)}."
        )
    removed = ~keep
    held.append((tensor, removed, tensor[removed]))
    tensor.masked_fill_(removed, 0)
