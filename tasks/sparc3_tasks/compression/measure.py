"""Loss of one window under a model, and its KL divergence to the dense model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparc3_bench import Batch, Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench import ModelView
    from sparc3_tasks.texts.windows import Window

_ROWS = 64
"""Positions handled at once: their probabilities over the vocabulary stay in the cache."""


def measure_window(
    model: ModelView, window: Window, dense: Tensor | None, begin: Sequence[int] = ()
) -> tuple[float, float, Tensor | None]:
    """Return mean loss, mean KL divergence (nats per token) and what to keep of a dense model.

    Parameters
    ----------
    model
        The model, dense or pruned.
    window
        Token ids.
    dense
        What this function returned third for the dense model; None when `model` is dense.
    begin
        Token ids before the window, which are read and not scored.

    Notes
    -----
    Of the dense model the inputs of its head are kept, not the logits, which take about a hundred
    times more memory. The head is never pruned, so the logits can be made again.
    """
    ids = torch.tensor([[*begin, *window]], device=model.device)
    scored = slice(len(begin), -1)  # what is said there is the window from its second token on
    head: nn.Module = model.model.get_output_embeddings()  # type: ignore[operator]
    seen: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    try:
        with torch.inference_mode():
            logits = model.forward(Batch(ids, torch.ones_like(ids)))[0, scored]
    finally:
        handle.remove()
    labels = ids[0, len(begin) + 1 :]
    loss = divergence = 0.0
    with torch.inference_mode():
        hidden = seen[0][0, scored]
        if dense is None and not torch.allclose(head(hidden[:1]), logits[:1], atol=1e-2):
            raise Sparc3Error(
                "This model changes the logits behind its head, so their divergence cannot be "
                "measured from the head's inputs; its architecture needs support in the task."
            )
        for start in range(0, len(labels), _ROWS):
            rows = slice(start, start + _ROWS)
            log_p = functional.log_softmax(logits[rows].float(), dim=-1)
            loss -= float(log_p.gather(-1, labels[rows, None]).sum(dtype=torch.float64))
            if dense is not None:
                log_q = functional.log_softmax(head(dense[rows]).float(), dim=-1)
                divergence += float(
                    functional.kl_div(log_p, log_q, reduction="sum", log_target=True)
                )
    kept = hidden.clone() if dense is None else None
    return loss / len(labels), divergence / len(labels), kept
