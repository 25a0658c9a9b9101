"""The model a task is checked on: a tiny one that has learned what the task measures."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparc3_bench.assets import default_cache
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.model.view import ModelView
from sparc3_bench.testing.tiny import make_config, make_model
from sparc3_bench.testing.tokenizer import SIZE, Words
from sparc3_bench.types.architecture import ModelAdapter
from sparc3_bench.types.samples import Batch

Row = tuple[int, ...]
"""Token ids of one sequence that went through a model, without padding."""

_LEARNT = 64
"""How many sequences a tiny model learns at most, and how long the longest may be."""

_STEPS, _RATE = 40, 0.03

_WORDS = Words()
"""The tokenizer of all tiny models; what it has met changes no number."""


@dataclass(frozen=True)
class Ground:
    """A model with what belongs to it."""

    name: str
    """As a task is told it."""
    tokenizer: Any
    adapter: ModelAdapter
    model: nn.Module

    def view(self) -> ModelView:
        """Return a view of a copy of the model."""
        return ModelView(copy.deepcopy(self.model), self.adapter, self.tokenizer)


def tiny(architecture: str) -> Ground:
    """Return a random model that takes any text of up to 2,048 words."""
    config = make_config(architecture)
    config.vocab_size, config.max_position_embeddings = SIZE, 2048
    adapter = default_host().get("adapter", architecture).cls()
    return Ground(f"tiny {architecture}", _WORDS, adapter, make_model(architecture, config=config))


def model_by_name(name: str) -> Ground:
    """Return a model as `sparc3 run --model` finds it, in float32."""
    found = find_model(name, default_host(), default_cache(), "float32", "cpu")
    return Ground(name, found.tokenizer, found.adapter, found.load("all").model)


class Watched(ModelView):
    """A view that keeps what goes through its model."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(copy.deepcopy(ground.model), ground.adapter, ground.tokenizer)
        self.rows: list[Row] = []
        """Every sequence, in order. Of text that is generated only what it begins with."""
        self.answered: list[Row] = []
        """The same, with the right answer behind it where the task gave one."""
        self._answers: Sequence[int | None] = ()
        self.model.register_forward_pre_hook(self._keep, with_kwargs=True)

    def _logits(self, batch: Batch, **options: Any) -> Tensor:
        if batch.targets is not None:
            self._answers = batch.targets[:, 0].tolist()
        try:
            return super()._logits(batch, **options)
        finally:
            self._answers = ()

    def _keep(self, module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        ids = options.get("input_ids", args[0] if args else None)
        mask = options.get("attention_mask")
        if not isinstance(ids, Tensor) or ids.shape[1] < 2:
            return
        if mask is None or mask.shape != ids.shape:
            mask = torch.ones_like(ids)
        rows = [tuple(row[kept != 0].tolist()) for row, kept in zip(ids, mask, strict=True)]
        self.rows += rows
        answers = self._answers or [None] * len(rows)
        self.answered += [
            row if answer is None else (*row, answer)
            for row, answer in zip(rows, answers, strict=True)
        ]


def trained(ground: Ground, rows: Sequence[Row]) -> Ground:
    """Return the model once it has learned to go on as these sequences do.

    A tiny model can do no task. One that has seen what it will be asked can do any that is about
    the next token, which is enough to tell better from worse.
    """
    distinct = sorted({row[:_LEARNT] for row in rows if len(row) > 1})
    spaced = distinct[:: len(distinct) // _LEARNT + 1]
    if not spaced:
        return ground
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in spaced], batch_first=True)
    known = torch.arange(ids.shape[1])[None] < torch.tensor([[len(row)] for row in spaced])
    labels = ids.masked_fill(~known, -100)[:, 1:].flatten()
    model: Any = copy.deepcopy(ground.model)
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE)
    with torch.enable_grad(), torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        for _ in range(_STEPS):
            logits = model(input_ids=ids, attention_mask=known.long()).logits[:, :-1]
            loss = functional.cross_entropy(logits.flatten(0, 1), labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    model.zero_grad(set_to_none=True)
    return Ground(ground.name, ground.tokenizer, ground.adapter, model)
