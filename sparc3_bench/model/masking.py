"""KeepMask, and setting what it does not keep to zero, to be put back bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.weights import PrunableWeight

_WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers of as many bytes."""


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


@contextmanager
def masked(weights: Mapping[str, PrunableWeight], keep: KeepMask) -> Iterator[None]:
    """Set what `keep` removes to zero; on leaving, put the same bits back, whatever happened.

    The parameters hold pruned copies in the meantime; the tensors they held before are not touched.
    """
    pruned: list[tuple[nn.Parameter, Tensor]] = []
    for name, mask in keep.weights.items():
        weight = weights[name]
        check_mask(mask, weight.matrix, f"`{name}`")
        stored = mask.T if weight.transposed else mask
        pruned.append((weight.parameter, without(weight.parameter, stored)))
    for name, mask in keep.biases.items():
        bias = weights[name].module.bias
        if isinstance(bias, nn.Parameter):
            check_mask(mask, bias, f"the bias of `{name}`")
            pruned.append((bias, without(bias, mask)))
    with holding(pruned):
        yield


def scaled(weights: Iterable[PrunableWeight], factor: float) -> AbstractContextManager[None]:
    """Multiply matrices and their biases by `factor`; on leaving, the same bits are back."""
    values = []
    for weight in weights:
        values.append((weight.parameter, weight.parameter.detach() * factor))
        bias = getattr(weight.module, "bias", None)
        if isinstance(bias, nn.Parameter):
            values.append((bias, bias.detach() * factor))
    return holding(values)


@contextmanager
def holding(values: list[tuple[nn.Parameter, Tensor]]) -> Iterator[None]:
    """Let parameters hold other values; on leaving, they hold the tensors they held before."""
    before = [(parameter, parameter.data) for parameter, _ in values]
    try:
        for parameter, value in values:
            parameter.data = value
        yield
    finally:
        for parameter, value in reversed(before):
            parameter.data = value


def without(values: Tensor, keep: Tensor) -> Tensor:
    """Return a copy with zeros where `keep` is False; what is kept keeps its bits."""
    whole = _WHOLE.get(values.element_size())
    if whole is None:
        return values.detach().masked_fill(~keep, 0)
    # All ones where kept: on a processor several times as fast as masked_fill.
    ones = keep.to(whole).neg_()
    return ones.bitwise_and_(values.detach().view(whole)).view(values.dtype)


def check_mask(keep: Tensor, values: Tensor, what: str) -> None:
    """Refuse a keep-mask that does not fit what it is for.

    Raises
    ------
    Sparc3Error
        Naming both shapes.
    """
    if keep.shape != values.shape or keep.dtype != torch.bool:
        raise Sparc3Error(
            f"The keep-mask of {what} is {keep.dtype} {list(keep.shape)}; expected bool "
            f"{list(values.shape)}."
        )
