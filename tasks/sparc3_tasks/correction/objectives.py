"""Objectives over responses: what is attributed of the tokens a model wrote behind a prompt."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from sparc3_bench import Batch
from sparc3_bench.errors import UnknownNameError

Objective = Callable[[Tensor, Batch], Tensor]


def log_probability(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the sum of the log-probabilities of the asked tokens."""
    losses = functional.cross_entropy(
        _wide(logits[:, :-1]).flatten(0, 1), batch.labels.flatten(), reduction="none"
    )
    return -losses.view_as(batch.labels).sum(1)


def logit(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the sum of the logits of the asked tokens."""
    labels = batch.labels
    picked = _wide(logits[:, :-1]).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return (picked * (labels >= 0)).sum(1)


def argmax_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the sum of the largest logit before every asked token."""
    return (_wide(logits[:, :-1]).amax(-1) * (batch.labels >= 0)).sum(1)


def prompt_argmax_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the largest logit behind the last token of the prompt."""
    last = batch.last
    if batch.starts is not None:
        last = torch.where(batch.starts > 0, batch.starts - 1, last)
    return _wide(logits[batch.rows, last]).amax(-1)


def loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the mean negative log-probability of the asked tokens."""
    return -log_probability(logits, batch) / _asked(batch)


OBJECTIVES: dict[str, Objective] = {
    "label-log-probability": log_probability,
    "label-logit": logit,
    "argmax-logit": argmax_logit,
    "prompt-argmax-logit": prompt_argmax_logit,
    "loss": loss,
}
"""By the name that users type; each gives ``[samples]``."""


def find(name: str, *, per_token: bool) -> Objective:
    """Return the objective called `name`, summed over samples.

    Parameters
    ----------
    name
        One of `OBJECTIVES`.
    per_token
        Whether each sample counts by the mean over its asked tokens rather than by their sum.

    Raises
    ------
    UnknownNameError
        When there is none of that name.
    """
    if name not in OBJECTIVES:
        raise UnknownNameError("objective", name, OBJECTIVES)
    of_samples = OBJECTIVES[name]

    def objective(logits: Tensor, batch: Batch) -> Tensor:
        values = of_samples(logits, batch)
        if per_token and of_samples not in (prompt_argmax_logit, loss):
            values = values / _asked(batch)
        return values.sum()

    return objective


def _asked(batch: Batch) -> Tensor:
    """Return per sample how many tokens are asked, at least 1."""
    return (batch.labels >= 0).sum(1).clamp(min=1)


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
