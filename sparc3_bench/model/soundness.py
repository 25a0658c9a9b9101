"""Soundness: whether the numbers of a model are finite, and how many are zero already."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from sparc3_bench.errors import ModelError
from sparc3_bench.model.view import ModelView

_CHUNK = 1 << 20
"""So many numbers are looked at together, without much memory."""
_WORTH_TELLING = 0.005
"""Share of a scope that is zero from which on a reader is told."""


def examine(tensors: Iterable[tuple[str, Tensor]], view: ModelView, model_id: str) -> None:
    """Refuse a model with a number that is not finite; note in the view what is zero already.

    `tensors` are what it consists of, by name in the model; the view may be without numbers.
    """
    inside = {f"{name}.weight" for name in view.weights()}
    whole = empty = 0
    for name, values in tensors:
        if not values.is_floating_point():
            continue
        parts = torch.split(values.reshape(-1), _CHUNK)
        infinite = values.numel() - sum(int(torch.isfinite(p).count_nonzero()) for p in parts)
        if infinite:
            raise ModelError(
                f"The parameter `{name}` of {model_id} is NaN or infinite in "
                f"{infinite:,} of {values.numel():,} places, so nothing can be "
                "measured with this model; give an intact checkpoint."
            )
        if name in inside:
            whole += values.numel()
            empty += values.numel() - int(values.count_nonzero())
    if whole and empty / whole >= _WORTH_TELLING:
        view.notes = (
            *view.notes,
            f"{empty:,} of the {whole:,} weights in scope ({empty / whole:.1%}) are already zero "
            "before anything is removed; removing those changes nothing.",
        )
