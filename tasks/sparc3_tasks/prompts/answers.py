"""Objectives at the last token, and what a model answers to every prompt that asks for a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from sparc3_bench import Batch, Evaluation, ReferenceSamples
from sparc3_bench.errors import UnknownNameError
from sparc3_tasks.prompts.names import Tokenized, batches

if TYPE_CHECKING:
    from sparc3_bench import ModelView


def logit_difference(logits: Tensor, batch: Batch) -> Tensor:
    """Sum over prompts of logit(IO) - logit(S) behind the last token."""
    right, wrong = _answers(_last(logits, batch), batch)
    return (right - wrong).sum()


def io_logit(logits: Tensor, batch: Batch) -> Tensor:
    """Sum over prompts of logit(IO) behind the last token."""
    right, _ = _answers(_last(logits, batch), batch)
    return right.sum()


def io_log_probability(logits: Tensor, batch: Batch) -> Tensor:
    """Sum over prompts of log p(IO) behind the last token."""
    right, _ = _answers(_last(logits, batch).log_softmax(-1), batch)
    return right.sum()


def loss(logits: Tensor, batch: Batch) -> Tensor:
    """Sum over prompts of -log p(IO): the mean loss of a prompt, of which one token is asked."""
    return -io_log_probability(logits, batch)


OBJECTIVES: dict[str, Callable[[Tensor, Batch], Tensor]] = {
    "logit-difference": logit_difference,
    "io-logit": io_logit,
    "io-log-probability": io_log_probability,
    # The general objectives that scorers may be defined for; the label of a prompt is IO.
    "label-log-probability": io_log_probability,
    "loss": loss,
}
"""By the name that users type."""


def answered(prompts: Sequence[Tokenized], objective: str) -> ReferenceSamples:
    """Return prompts with their two answers, to attribute one of `OBJECTIVES`."""
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective", objective, OBJECTIVES)
    return ReferenceSamples(
        [prompt.ids for prompt in prompts],
        OBJECTIVES[objective],
        targets=[(prompt.io, prompt.s) for prompt in prompts],
    )


def measure_prompts(
    model: ModelView,
    prompts: Sequence[Tokenized],
    dense: Evaluation | None,
    progress: Callable[[int, int], None],
) -> Evaluation:
    """Return the measurements of every prompt, in order.

    `dense` is what this function returned for the dense model, None when it is `model`. Its memory
    is the log-probabilities, ``[prompts, vocabulary]``.
    """
    order: list[int] = []
    columns: dict[str, list[Tensor]] = {}
    memory: list[Tensor] = []
    for chosen, batch in batches(prompts, model.device):
        with torch.inference_mode():
            logits = model.last_logits(batch).float()
            logarithms = logits.log_softmax(-1)
            right, wrong = _answers(logits, batch)
            assert batch.targets is not None
            found = {
                "logit_difference": right - wrong,
                "accuracy": right > wrong,
                "top1": logits.argmax(-1) == batch.targets[:, 0],
                "io_probability": _answers(logarithms, batch)[0].exp(),
                "kl": torch.zeros_like(right),
            }
            if dense is not None:  # KL(dense ‖ here) of every prompt, in nats
                before = dense.memory[chosen]
                each = functional.kl_div(logarithms, before, reduction="none", log_target=True)
                found["kl"] = each.sum(-1)
        for name, values in found.items():
            columns.setdefault(name, []).append(values.float())
        if dense is None:
            memory.append(logarithms)
        order += chosen
        progress(len(order), len(prompts))
    places = torch.tensor(order).argsort()
    table = torch.stack([torch.cat(parts) for parts in columns.values()])[:, places]
    samples = dict(zip(columns, table.tolist(), strict=True))  # read once
    return Evaluation(samples, torch.cat(memory)[places] if memory else None)


def _last(logits: Tensor, batch: Batch) -> Tensor:
    wide = torch.promote_types(logits.dtype, torch.float32)
    return logits[batch.rows, batch.last].to(wide)


def _answers(values: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the entries of the right name and of the wrong one, ``[prompts]`` each."""
    assert batch.targets is not None
    right, wrong = values.gather(-1, batch.targets).unbind(-1)
    return right, wrong
