"""Passage: reference samples on their way through a model that is read block by block.

What enters every block is put down on the way forward. On the way back each block runs once more,
now with gradients, so that no two blocks are in memory together.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sparc3_bench.folder.spill import Spill
from sparc3_bench.model.paged import PagedView, block_refusal, refusing
from sparc3_bench.model.view import ModelView
from sparc3_bench.types.architecture import Fused, Role
from sparc3_bench.types.samples import Batch, Objective, ReferenceSamples

Again = Callable[[], Tensor]
"""Gives what was put down."""


@dataclass
class _Traveller:
    """One batch."""

    batch: Batch
    # by block the arguments that it is called with beside its inputs
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    # by block what enters it, ``[samples, tokens, features]``, and last what leaves them all
    enters: list[Again] = field(default_factory=list)


class Passage:
    """What enters every block of a model when it reads reference samples, put down in `spill`.

    Without samples, where nobody asks for any, nothing is run. Raises Sparc3Error when blocks share
    weights, or are not run one after the other.
    """

    def __init__(self, view: PagedView, reference: ReferenceSamples | None, spill: Spill) -> None:
        self.view, self._spill = view, spill
        self._wrapped: bool | None = None  # in a tuple, as blocks of some architectures return it
        used: set[int] = set()
        for block in view.blocks:
            own = {id(parameter) for parameter in block.parameters()}
            if used & own:
                raise block_refusal("is scored a block at a time while blocks share weights")
            used |= own
        self._travellers: dict[bytes, _Traveller] = {}
        if reference is None:
            return
        with torch.no_grad():
            for batch in reference.batches(view.device):
                self._travellers[batch.read] = self._set_out(batch)
            for index, block in enumerate(view.blocks):
                with view.staying(block):
                    for one in self._travellers.values():
                        found = self.through(view, one, index, one.enters[index]())
                        one.enters.append(spill.put(found))

    @contextmanager
    def block(self, index: int, behind: Mapping[str, Tensor]) -> Iterator[PassageBlock]:
        """Give a view of one block, which is in memory meanwhile.

        `behind` is what `PassageBlock.gradients` of the block behind held; nothing for the last
        one.
        """
        with self.view.staying(self.view.blocks[index]):
            yield PassageBlock(self, index, behind)

    def traveller(self, batch: Batch) -> _Traveller:
        """Return a batch on its way; only those of the reference are."""
        if (name := batch.read) not in self._travellers:
            raise block_refusal("runs other samples, or other batches, than those of the reference")
        return self._travellers[name]

    def through(self, view: ModelView, one: _Traveller, index: int, hidden: Tensor) -> Tensor:
        """Run one block, which is in memory, as a view sees it."""
        args, kwargs = one.calls[index]
        with view.laid_out(one.batch):
            output = view.blocks[index](hidden, *args, **kwargs)
        found: Tensor = output if isinstance(output, Tensor) else output[0]
        return found

    def end(self, one: _Traveller, objective: Objective) -> Tensor:
        """Return the gradient of the objective at what leaves the last block."""
        view, last = self.view, len(self.view.blocks) - 1
        final, tokens = one.enters[-1]().requires_grad_(), self.view.tokens

        def stand_in(index: int, args: Any, kwargs: Any) -> Any:
            hidden = final if index == last else _split(args, kwargs)[0]
            return (hidden,) if self._wrapped else hidden

        # Rules of the way back may read weights of norms there.
        with view.staying(*view.outside), view.standing_in(stand_in):
            torch.autograd.backward(objective(view.forward(one.batch), one.batch))
        view.tokens = tokens  # they have been counted on the way forward
        assert final.grad is not None
        return final.grad

    def _set_out(self, batch: Batch) -> _Traveller:
        """Let the model prepare a batch; of its blocks the first runs, to see what it returns."""
        one, order = _Traveller(batch), list[int]()

        def stand_in(index: int, args: Any, kwargs: Any) -> Any:
            hidden, rest, options = _split(args, kwargs)
            if not order:
                one.enters.append(self._spill.put(hidden))
            if self._wrapped is None:
                block = self.view.blocks[index]
                with self.view.staying(block):
                    output = type(block).forward(block, *args, **kwargs)
                self._wrapped = not isinstance(output, Tensor)
            order.append(index)
            one.calls.append((rest, options))
            return (hidden,) if self._wrapped else hidden

        with self.view.standing_in(stand_in):
            self.view.forward(batch)
        if order != list(range(len(self.view.blocks))):
            raise block_refusal("is scored a block at a time while blocks run in another order")
        return one


def last_first(
    view: PagedView, reference: ReferenceSamples | None, spill: Spill
) -> Generator[PassageBlock]:
    """Yield a view of each block on the way back; parameters are those of `Passage`."""
    passage, behind = Passage(view, reference, spill), dict[str, Tensor]()
    for index in reversed(range(len(view.blocks))):
        with passage.block(index, behind) as block:
            yield block
        behind = block.gradients


class PassageBlock(ModelView):
    """A view whose scope is one block, and whose `run` and `attribute` run that block alone."""

    def __init__(self, passage: Passage, index: int, behind: Mapping[str, Tensor]) -> None:
        self.__dict__.update(passage.view.__dict__)
        self._weights = {n: w for n, w in self._weights.items() if w.block == index}
        self._passage, self._index, self._behind = passage, index, behind
        self.gradients: dict[str, Tensor] = {}
        """By number of the pass back, the gradients of what entered this block."""

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self._passage.view.device

    def roles(self) -> dict[str, tuple[nn.Module, Role | Fused]]:
        """Return every module with a role in this block, or outside all blocks."""
        inside = f"{self.adapter.blocks}."
        own = f"{inside}{self._index}."
        found = super().roles().items()
        return {n: one for n, one in found if n.startswith(own) or not n.startswith(inside)}

    def run(self, reference: ReferenceSamples) -> None:
        """Run the block on what enters it."""
        with torch.no_grad():
            for batch in reference.batches(self.device):
                one = self._passage.traveller(batch)
                self._passage.through(self, one, self._index, one.enters[self._index]())

    def propagate(self, objective: Objective, batch: Batch) -> None:
        """Run the block forward, and the gradient behind it back through it."""
        one, number = self._passage.traveller(batch), str(len(self.gradients))
        if self._index == len(self.blocks) - 1:
            gradient = self._passage.end(one, objective)
        elif number in self._behind:
            gradient = self._behind[number]
        else:
            raise block_refusal("takes gradients at some blocks and not at others")
        hidden = one.enters[self._index]().requires_grad_()
        output = self._passage.through(self, one, self._index, hidden)
        torch.autograd.backward(output, gradient)
        assert hidden.grad is not None
        self.gradients[number] = hidden.grad

    # Behind one block there are no logits.
    forward: Any = refusing("reads the logits of the whole model")
    last_logits = forward
    masked: Any = refusing("changes the whole model")
    scaled = mean_ablated = resample_ablated = masked


def _split(args: Any, kwargs: Any) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """Return what enters a block, and what else it is called with."""
    rest = dict(kwargs)
    hidden: Tensor = args[0] if args else rest.pop("hidden_states")
    return hidden, tuple(args[1:]), rest
