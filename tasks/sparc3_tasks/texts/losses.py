"""Losses of windows under a model, and of one its KL divergence to the dense model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from sparc3_bench import Batch
from sparc3_tasks.texts.head import Head

if TYPE_CHECKING:
    from sparc3_bench import ModelView
    from sparc3_tasks.texts.windows import Window

_ROWS = 256
"""Positions whose logits are made again at once: every time all weights of the head are read."""
_PART = 1 << 18
"""So many logits stay in the cache of a core while several operations pass over them."""
_TRIED = 8
"""Positions on which it is tried whether logits can be made again."""


@dataclass(frozen=True)
class Dense:
    """What is kept of a dense model's answer to one window."""

    values: Tensor
    """What its head read, ``[tokens - 1, features]``, or its logits, ``[tokens - 1,
    vocabulary]``."""
    is_logits: bool
    """Which of the two."""


def measure_window(
    model: ModelView,
    window: Window,
    dense: Dense | None,
    begin: Sequence[int] = (),
    compared: slice = slice(None),
) -> tuple[Tensor, Dense | None]:
    """Return mean loss and mean KL divergence, ``[2]``, and what to keep of a dense model.

    The two are nats per token, on the device: whoever reads them waits for it. Tokens `begin` stand
    before the window, and are read and not scored. `dense` is what was kept of the dense model,
    None when that is `model`; the two are compared at the scored positions `compared`.

    Of the dense model the inputs of its head are kept, not the logits, which take about a hundred
    times more memory. The head is never pruned, so the logits can be made again, the model's own
    way (see `Head`). Where that does not give the same, the logits are kept, in the model's format.
    """
    ids = torch.tensor([[*begin, *window]])
    batch = Batch(ids, torch.ones_like(ids)).to(model.device)
    scored = slice(len(begin), -1)  # what is said there is the window from its second token on
    labels = batch.input_ids[0, len(begin) + 1 :]
    with torch.inference_mode():
        sums = torch.zeros(2, dtype=model.widest, device=model.device)
        head = Head(model, batch)
        logits = head.logits[0, scored]
        at_all = compared == slice(None)
        for rows in _rows(labels):
            own = _answer(head, dense, rows) if at_all and dense is not None else None
            sums = sums + _summed(logits[rows], sums, labels[rows], own)
        if dense is not None and not at_all:
            asked = logits[compared]
            for rows in _rows(asked):
                sums = sums + _summed(asked[rows], sums, None, _answer(head, dense, rows))
        loss, divergence = sums
        kept = None if dense is not None else _kept(head, logits, scored, compared)
        places = len(labels[compared])
        return torch.stack((loss / len(labels), divergence / places)), kept


def measure_windows(
    model: ModelView, windows: Sequence[Sequence[int]], begin: Sequence[int] = ()
) -> Tensor:
    """Return the mean loss of every window behind the tokens `begin`, on the device.

    Under ablation `resample` each window's counterpart is the one before it.
    """
    ids = torch.tensor([[*begin, *window] for window in windows])
    batch = Batch(ids, torch.ones_like(ids), None, ids.roll(1, 0)).to(model.device)
    ids, first = batch.input_ids, len(begin)
    with torch.inference_mode():
        logits = model.forward(batch)
        losses = []
        for row, labels in zip(logits[:, first:-1], ids[:, first + 1 :], strict=True):
            total = torch.zeros((), dtype=model.widest, device=model.device)
            for part in _parts(row):
                here = functional.cross_entropy(row[part].float(), labels[part], reduction="sum")
                total = total + here
            losses.append(total / len(labels))
        return torch.stack(losses)


def _rows(values: Tensor) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, len(values), _ROWS))


def _parts(logits: Tensor) -> Iterator[slice]:
    """Yield rows of logits in parts that stay in a cache; all at once on an accelerator."""
    part = _PART * torch.get_num_threads()
    step = max(1, part // logits.shape[-1]) if logits.device.type == "cpu" else len(logits)
    return (slice(start, start + step) for start in range(0, len(logits), step))


def _answer(head: Head, dense: Dense, rows: slice) -> Tensor:
    """Return the dense model's logits at some positions."""
    kept = dense.values[rows]
    return kept if dense.is_logits else head.again(kept)


def _summed(logits: Tensor, like: Tensor, labels: Tensor | None, own: Tensor | None) -> Tensor:
    """Return the sums of losses and of divergences, ``[2]``, of what there are labels or `own`."""
    loss, divergence = torch.zeros_like(like).unbind()
    for part in _parts(logits):
        log_p = functional.log_softmax(logits[part].float(), dim=-1)
        if labels is not None:
            loss = loss - log_p.gather(-1, labels[part, None]).sum(dtype=like.dtype)
        if own is not None:
            log_q = functional.log_softmax(own[part].float(), dim=-1)
            # In place: one more array of so many numbers takes as long as its arithmetic.
            divergence = divergence + log_q.exp().mul_(log_q.sub_(log_p)).sum()
    return torch.stack((loss, divergence))


def _kept(head: Head, logits: Tensor, scored: slice, compared: slice) -> Dense:
    if head.inputs is not None and head.repeats(_TRIED):
        return Dense(head.inputs[0, scored][compared].clone(), is_logits=False)
    return Dense(logits[compared].clone(), is_logits=True)
