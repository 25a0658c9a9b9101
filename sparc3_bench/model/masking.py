"""Setting what a mask does not keep to zero, to be put back bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.weights import PrunableWeight
from sparc3_bench.pruning import NewValues
from sparc3_bench.types.masks import KeepMask

_WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers of as many bytes."""


@contextmanager
def masked(
    weights: Mapping[str, PrunableWeight], keep: KeepMask, values: NewValues | None = None
) -> Iterator[None]:
    """Set what `keep` removes to zero; on leaving, put the same bits back, whatever happened.

    The parameters hold pruned copies in the meantime; the tensors they held before are not touched.
    Copies of what has new `values` are made of these.
    """
    new, pruned = values or NewValues(), list[tuple[nn.Parameter, Tensor]]()
    for name in {**keep.weights, **new.weights}:
        weight, mask = weights[name], keep.weights.get(name)
        found = stored_value(weight, new)
        if mask is not None:
            check_mask(mask, weight.matrix, f"`{name}`")
            found = without(found, mask.T if weight.transposed else mask)
        pruned.append((weight.parameter, found))
    for name in {**keep.biases, **new.biases}:
        bias, mask = weights[name].module.bias, keep.biases.get(name)
        if isinstance(bias, nn.Parameter):
            found = new.biases[name].to(bias) if name in new.biases else bias
            if mask is not None:
                check_mask(mask, bias, f"the bias of `{name}`")
                found = without(found, mask)
            pruned.append((bias, found))
    with holding(pruned):
        yield


def stored_value(weight: PrunableWeight, new: NewValues) -> Tensor:
    """Return the new value of a matrix as its parameter stores it; what it holds where none is."""
    value = new.weights.get(weight.name)
    if value is None:
        return weight.parameter
    stored = (value.T if weight.transposed else value).contiguous()
    return stored.to(weight.parameter.device, weight.parameter.dtype)


@contextmanager
def scaled(weights: Iterable[PrunableWeight], factor: float) -> Iterator[None]:
    """Let matrices and their biases act as if multiplied by `factor`; they keep their bits.

    It is the outputs that are multiplied, which takes no copy of the weights.
    """

    def after(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return output * factor

    with ExitStack() as stack:
        for weight in weights:
            for module in (weight.module, *weight.sharing):
                stack.callback(module.register_forward_hook(after).remove)
        yield


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
    """Refuse a keep-mask that does not fit what it is for."""
    if keep.shape != values.shape or keep.dtype != torch.bool:
        raise Sparc3Error(
            f"The keep-mask of {what} is {keep.dtype} {list(keep.shape)}; expected bool "
            f"{list(values.shape)}."
        )
