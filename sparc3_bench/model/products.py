"""Products: in which number format those of matrices in float32 are taken, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

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
