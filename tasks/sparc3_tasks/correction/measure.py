"""What a model does beside its responses: losses, last words, divergence on neutral text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from sparc3_bench import Batch

if TYPE_CHECKING:
    from sparc3_bench import ModelView
    from sparc3_tasks.correction.last_word import Cut

Ids = Sequence[int]

_POSITIONS = 1024
"""Positions whose logits over the vocabulary are held at once: about 200 MB."""


def losses(model: ModelView, samples: Sequence[tuple[Ids, Ids]]) -> tuple[list[float], list[int]]:
    """Return the loss of each response behind its prompt, in nats, and its number of tokens.

    A response without tokens has loss 0 and 0 tokens.
    """
    nats, found, order = [0.0] * len(samples), list[Tensor](), list[int]()
    asked = [index for index, (_, response) in enumerate(samples) if response]
    for chosen, batch in _batches([samples[index] for index in asked], model):
        with torch.inference_mode():
            logits = model.forward(batch)[:, :-1]
            for row, position in enumerate(chosen):
                prompt, response = map(len, samples[asked[position]])
                # What is said there is the response.
                known = slice(max(prompt, 1) - 1, prompt + response - 1)
                loss = functional.cross_entropy(
                    logits[row, known].float(), batch.labels[row, known], reduction="sum"
                )
                found.append(loss)
                order.append(asked[position])
    read = torch.stack(found).tolist() if found else []  # once
    for index, loss in zip(order, read, strict=True):
        nats[index] = loss
    return nats, [len(response) for _, response in samples]


def window_losses(model: ModelView, windows: Sequence[Ids], begin: Ids = ()) -> list[float]:
    """Return the mean loss of every window behind the tokens `begin`, in nats a token."""
    nats, counts = losses(model, [((*begin, window[0]), window[1:]) for window in windows])
    return [loss / count for loss, count in zip(nats, counts, strict=True)]


def last_words(model: ModelView, items: Sequence[Cut]) -> list[float]:
    """Return 1 for every passage whose last word the model writes greedily, else 0."""
    order, found = list[int](), list[Tensor]()
    pairs = [(item.context, item.word) for item in items]
    for chosen, batch in _batches(pairs, model):
        with torch.inference_mode():
            guessed = model.forward(batch)[:, :-1].argmax(-1)
        labels = batch.labels
        found.append(((guessed == labels) | (labels < 0)).all(1))
        order += chosen
    read = torch.cat(found).tolist() if found else []  # once
    return [float(right) for _, right in sorted(zip(order, read, strict=True))]


def logarithms(model: ModelView, prompts: Sequence[Ids]) -> list[Tensor]:
    """Return the log-probabilities at every position of each prompt, ``[tokens, vocabulary]``."""
    found: list[Tensor] = [torch.empty(0)] * len(prompts)
    for chosen, batch in _batches([(prompt, ()) for prompt in prompts], model):
        with torch.inference_mode():
            logits = model.forward(batch)
        for row, index in enumerate(chosen):
            here = logits[row, : len(prompts[index])]
            found[index] = here.float().log_softmax(-1)
    return found


def divergences(dense: Sequence[Tensor], here: Sequence[Tensor]) -> list[float]:
    """Return KL(dense ‖ here) of every prompt, mean over its positions, in nats."""
    found = [
        functional.kl_div(q, p, reduction="sum", log_target=True)
        for p, q in zip(dense, here, strict=True)
    ]
    read = torch.stack(found).tolist() if found else []  # once
    return [nats / len(p) for p, nats in zip(dense, read, strict=True)]


def _batches(
    samples: Sequence[tuple[Ids, Ids]], model: ModelView
) -> Iterator[tuple[list[int], Batch]]:
    """Yield samples of about one length together, with where in each the asked part starts."""
    order = sorted(range(len(samples)), key=lambda index: sum(map(len, samples[index])))
    while order:
        longest = sum(map(len, samples[order[-1]]))
        count = max(1, _POSITIONS // longest)
        chosen, order = order[-count:], order[:-count]
        rows = [torch.tensor([*samples[index][0], *samples[index][1]]) for index in chosen]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        starts = torch.tensor([len(samples[index][0]) for index in chosen])
        yield chosen, Batch(ids, mask, starts=starts).to(model.device)
