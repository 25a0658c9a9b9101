"""Products: in which number format those of matrices in float32 are taken, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sparc3_bench.model.weights import statistics_dtype
from sparc3_bench.types.samples import ProductDtype

# Torch before 2.9 has no such setting, and takes them in float32.
_SETTING: Any = getattr(torch.backends.mkldnn, "matmul", None)


@contextmanager
def products_in(dtype: ProductDtype) -> Iterator[None]:
    """Take products of matrices in float32 on the units of another format; sums stay in float32.

    On the processor alone. The factors are rounded to that format, which changes no number that
    comes from it. On leaving all is as before.

    Parameters
    ----------
    dtype
        The other format; in ``"float32"`` nothing is changed.
    """
    before = precision()
    if dtype == "float32" or before is None:
        yield
        return
    _SETTING.fp32_precision = "bf16"
    try:
        yield
    finally:
        set_precision(before)


def outer_sum(gradients: Tensor, inputs: Tensor) -> Tensor:
    """Return ``gradients.T @ inputs``, on the units that `products_in` names, whatever they are.

    Parameters
    ----------
    gradients, inputs
        ``[tokens, out_features]`` and ``[tokens, in_features]``.

    Returns
    -------
    Tensor
        ``[out_features, in_features]``, to be added in float32. Within ``products_in("bfloat16")``
        it is rounded to bfloat16, once for all tokens.
    """
    return as_factor(gradients).T @ as_factor(inputs)


def as_factor(values: Tensor) -> Tensor:
    """Return values in the format in which `outer_sum` multiplies them here and now."""
    wide = statistics_dtype(values)
    rounds = wide == torch.float32 and precision() == "bf16"
    return values.to(torch.bfloat16 if rounds else wide)


def computes_in_bfloat16() -> bool:
    """Return whether this processor has instructions for bfloat16, or an accelerator is there."""
    if torch.accelerator.is_available():
        return True
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and (
        torch.cpu._is_avx512_bf16_supported() or not torch.cpu._is_avx512_supported()
    )


def product_dtype(dtype: str, device: str) -> ProductDtype:
    """Return on whose units the products are taken that a model in `dtype` has summed."""
    is_quick = dtype == "bfloat16" and device == "cpu" and computes_in_bfloat16()
    return "bfloat16" if is_quick and precision() else "float32"


def precision() -> str | None:
    """Return how the processor takes products of matrices in float32, as torch calls it."""
    return None if _SETTING is None else str(_SETTING.fp32_precision)


def set_precision(before: str | None) -> None:
    """Put back what `precision` returned."""
    if before is None:
        return
    # What is read may be what holds for all of torch, and is then not to be said here.
    _SETTING.fp32_precision = "none"
    if precision() != before:
        _SETTING.fp32_precision = before
