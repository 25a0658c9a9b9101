"""Objectives: the scalars of any text that may be attributed."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from sparc3_bench.errors import UnknownNameError
from sparc3_bench.model.weights import statistics_dtype
from sparc3_bench.types.samples import Batch, Objective


def label_log_probability(logits: Tensor, batch: Batch) -> Tensor:
    """Sum of the log-probabilities of the next tokens."""
    return -functional.cross_entropy(
        _wide(logits[:, :-1]).flatten(0, 1), batch.labels.flatten(), reduction="sum"
    )


def label_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Sum of the logits of the next tokens."""
    labels = batch.labels
    picked = _wide(logits[:, :-1]).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return (picked * (labels >= 0)).sum()


def argmax_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Sum of the largest logit at every position that has a next token."""
    return (_wide(logits[:, :-1]).amax(-1) * (batch.labels >= 0)).sum()


def loss(logits: Tensor, batch: Batch) -> Tensor:
    """Mean negative log-probability of the next tokens, summed over samples."""
    labels = batch.labels
    losses = functional.cross_entropy(
        _wide(logits[:, :-1]).flatten(0, 1), labels.flatten(), reduction="none"
    ).view_as(labels)
    return (losses.sum(-1) / (labels >= 0).sum(-1).clamp(min=1)).sum()


def _wide(values: Tensor) -> Tensor:
    return values.to(statistics_dtype(values))


OBJECTIVES: dict[str, Objective] = {
    "label-log-probability": label_log_probability,
    "label-logit": label_logit,
    "argmax-logit": argmax_logit,
    "loss": loss,
}
"""Objectives that make sense for any text; a task may add its own."""


def find_objective(name: str) -> Objective:
    """Return the general objective called `name`."""
    try:
        return OBJECTIVES[name]
    except KeyError:
        raise UnknownNameError("objective", name, OBJECTIVES) from None
