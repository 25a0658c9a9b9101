"""Untrained: a model with parameters as before training, for the time of a context."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sparc3_bench import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench import ModelView

SEED = 20_181_203
"""Of the new parameters: nobody's usual choice, as a model may itself be one that was just made."""


@contextmanager
def untrained(model: ModelView, first_block: int = 0) -> Iterator[None]:
    """Give a model the parameters of a new one of its configuration; afterwards its own are back.

    From block 0 on every parameter is replaced, embeddings and norms too; from a later one on only
    those of these blocks. The architecture's own initialiser draws them, in float32 on the
    processor. Parameters are not written to: others take their place, so what comes back is what
    was there.
    """
    own = dict(model.model.named_parameters())
    drawn = _drawn(model.model)
    if {name: p.shape for name, p in own.items()} != {n: p.shape for n, p in drawn.items()}:
        raise Sparc3Error(
            f"A new '{type(model.model).__name__}' of this configuration has other parameters than "
            "the model, so it cannot be re-initialised."
        )
    kept = {name: p.data for name, p in own.items() if _is_replaced(name, model, first_block)}
    try:
        for name in kept:
            own[name].data = drawn[name].to(own[name])
        del drawn
        yield
    finally:
        for name, data in kept.items():
            own[name].data = data


def _drawn(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters of a new model like this one; the random state is left as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        fresh: nn.Module = type(model)(copy.deepcopy(model.config))
    return {name: parameter.detach() for name, parameter in fresh.named_parameters()}


def _is_replaced(name: str, model: ModelView, first_block: int) -> bool:
    prefix = f"{model.adapter.blocks}."
    if first_block == 0:
        return True
    return name.startswith(prefix) and int(name.removeprefix(prefix).split(".")[0]) >= first_block
