"""Losses of tokens, in pieces of positions: the logits are nowhere copied as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparc3_bench.model.weights import statistics_dtype

_LOGITS = 1 << 20
"""In one piece, a row being as long as the vocabulary; what is made of them stays in a cache."""


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the negative log-probability of every asked token, 0 where none is asked.

    Logits are ``[samples, tokens, vocabulary]``; labels the next token at every position but the
    last, ``[samples, tokens - 1]``, -100 for none. Losses are float32 or better.
    """
    losses = _Losses.apply(logits, labels)  # type: ignore[no-untyped-call]
    assert isinstance(losses, Tensor)
    return losses


def wide(values: Tensor) -> Tensor:
    """Return values in the format of statistics, float32 or better."""
    return values.to(statistics_dtype(values))


class _Losses(torch.autograd.Function):
    """Cross-entropy, whose rows are taken again on the way back rather than kept."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(logits, labels)
        losses = labels.new_empty(labels.shape, dtype=statistics_dtype(logits))
        for piece in _pieces(logits, labels):
            losses[piece] = _cross_entropy(wide(logits[piece]), labels[piece])
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logits, labels = ctx.saved_tensors
        found = torch.empty_like(logits)
        found[:, -1] = 0
        for piece in _pieces(logits, labels):
            rows = wide(logits[piece].detach()).requires_grad_()
            with torch.enable_grad():
                losses = _cross_entropy(rows, labels[piece])
            (found[piece],) = torch.autograd.grad(losses, rows, gradients[0][piece])
        return found, None


def _pieces(logits: Tensor, labels: Tensor) -> Iterator[tuple[int, slice]]:
    (samples, positions), step = labels.shape, max(1, _LOGITS // logits.shape[-1])
    for sample in range(samples):
        for start in range(0, positions, step):
            yield sample, slice(start, min(start + step, positions))


def _cross_entropy(rows: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(rows, labels, reduction="none")
