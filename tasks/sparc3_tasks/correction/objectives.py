"""Objectives over responses: what is attributed of the tokens a model wrote behind a prompt."""

from __future__ import annotations

import torch
from torch import Tensor

from sparc3_bench import Batch, Objective
from sparc3_bench.attribution.losses import wide
from sparc3_bench.attribution.objectives import OF_SAMPLES, OfSamples, asked, loss, summed
from sparc3_bench.errors import UnknownNameError


def prompt_argmax_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Return per sample the largest logit behind the last token of the prompt."""
    last = batch.last
    if batch.starts is not None:
        last = torch.where(batch.starts > 0, batch.starts - 1, last)
    return wide(logits[batch.rows, last]).amax(-1)


OBJECTIVES: dict[str, OfSamples] = {**OF_SAMPLES, "prompt-argmax-logit": prompt_argmax_logit}
"""By the name that users type; each gives ``[samples]``."""


def find(name: str, *, per_token: bool) -> Objective:
    """Return the objective called `name`, summed over samples.

    With `per_token` each sample counts by the mean over its asked tokens rather than by their sum.
    """
    if name not in OBJECTIVES:
        raise UnknownNameError("objective", name, OBJECTIVES)
    of_samples = OBJECTIVES[name]
    if per_token and of_samples not in (prompt_argmax_logit, loss):
        return summed(lambda logits, batch: of_samples(logits, batch) / asked(batch))
    return summed(of_samples)
