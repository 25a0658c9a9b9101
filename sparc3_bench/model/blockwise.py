"""Walk a model block by block, each scored behind the blocks already pruned (Wanda's schedule).

A block is re-run with the very call that the model's own forward made to it, so that nothing here
depends on the signature of any architecture's layers.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.view import ModelView
from sparc3_bench.types.samples import Batch, ReferenceSamples


@dataclass
class _Recorded:
    """One batch on its way through the blocks."""

    batch: Batch
    hidden: Tensor
    """Inputs of the block that is next, ``[samples, tokens, features]``."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]]
    """The other arguments of every block's call."""


class BlockView(ModelView):
    """A view whose scope is one block, and whose `run` runs that block alone."""

    def __init__(self, whole: ModelView, index: int, recorded: dict[bytes, _Recorded]) -> None:
        self.__dict__.update(whole.__dict__)
        self._weights = {n: w for n, w in whole.weights().items() if w.block == index}
        self._index = index
        self._recorded = recorded

    def run(self, reference: ReferenceSamples) -> None:
        """Run the block on the outputs of the blocks before it, as they are now.

        Raises Sparc3Error for other samples, or other batches of them, than the model was walked
        with.
        """
        for batch in replace(reference, progress=lambda *_: None).batches():
            if batch.read not in self._recorded:
                raise Sparc3Error(
                    "A model that is walked block by block has run the reference samples alone, "
                    "and a scorer runs others, or other batches of them; choose schedule "
                    "'one-shot'."
                )
            self._call(self._recorded[batch.read])

    def advance(self) -> None:
        """Make this block's outputs, as it is now, the next block's inputs."""
        for record in self._recorded.values():
            output = self._call(record)
            record.hidden = output[0] if isinstance(output, tuple | list) else output

    def _call(self, record: _Recorded) -> Any:
        args, kwargs = record.calls[self._index]
        with torch.no_grad(), self.laid_out(record.batch):
            return self.blocks[self._index](record.hidden, *args, **kwargs)


def walk(view: ModelView, reference: ReferenceSamples) -> Generator[BlockView]:
    """Yield a view of each block in order.

    What the caller removes from a block before asking for the next one is removed for all later
    blocks; the caller undoes it at the end.

    Raises Sparc3Error when blocks share matrices, or run more than once: then none is behind the
    others.
    """
    users = [{id(parameter) for parameter in block.parameters()} for block in view.blocks]
    for weight in view.weights().values():
        if sum(id(weight.parameter) in used for used in users) > 1:
            raise Sparc3Error(
                "Schedule 'blockwise' decides one block after the other, but "
                f"`{weight.name}` is used by several blocks; choose schedule 'one-shot'."
            )
    batches = reference.batches(view.device)
    recorded = {batch.read: _record(view, batch) for batch in batches}
    calls = len(next(iter(recorded.values())).calls)
    if calls != len(view.blocks):
        raise Sparc3Error(
            f"Schedule 'blockwise' takes every block once, but this model runs "
            f"{len(view.blocks)} blocks {calls} times; choose schedule 'one-shot'."
        )
    for index in range(len(view.blocks)):
        block = BlockView(view, index, recorded)
        if block.weights():
            yield block
        block.advance()


def _record(view: ModelView, batch: Batch) -> _Recorded:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    first: list[Tensor] = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rest = dict(kwargs)
        hidden = args[0] if args else rest.pop("hidden_states")
        if not first:
            first.append(hidden)
        calls.append((args[1:], rest))

    with ExitStack() as stack, torch.no_grad():
        for block in view.blocks:
            stack.callback(block.register_forward_pre_hook(before, with_kwargs=True).remove)
        view.forward(batch)
    return _Recorded(batch, first[0], calls)
