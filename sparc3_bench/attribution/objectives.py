"""Objectives: the scalars of any text that may be attributed."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sparc3_bench.attribution.losses import token_losses, wide
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.types.samples import Batch, Objective

OfSamples = Callable[[Tensor, Batch], Tensor]
"""Logits ``[samples, tokens, vocabulary]`` and their batch to a number a sample, ``[samples]``."""


def label_log_probability(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the sum of the log-probabilities of the asked tokens."""
    return -token_losses(logits, batch.labels).sum(1)


def label_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the sum of the logits of the asked tokens."""
    labels = batch.labels
    picked = logits[:, :-1].gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return (wide(picked) * (labels >= 0)).sum(1)


def argmax_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the sum of the largest logit before every asked token."""
    return (wide(logits[:, :-1].amax(-1)) * (batch.labels >= 0)).sum(1)


def loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the mean negative log-probability of the asked tokens."""
    return -label_log_probability(logits, batch) / asked(batch)


def asked(batch: Batch) -> Tensor:
    """Return per sample how many tokens are asked, at least 1."""
    return (batch.labels >= 0).sum(1).clamp(min=1)


def summed(of_samples: OfSamples) -> Objective:
    """Return the objective that is the sum over samples."""
    return lambda logits, batch: of_samples(logits, batch).sum()


OF_SAMPLES: dict[str, OfSamples] = {
    "label-log-probability": label_log_probability,
    "label-logit": label_logit,
    "argmax-logit": argmax_logit,
    "loss": loss,
}
OBJECTIVES = {name: summed(of_samples) for name, of_samples in OF_SAMPLES.items()}
"""Objectives that make sense for any text; a task may add its own."""


def find_objective(name: str) -> Objective:
    """Return the general objective called `name`."""
    try:
        return OBJECTIVES[name]
    except KeyError:
        raise UnknownNameError("objective", name, OBJECTIVES) from None
