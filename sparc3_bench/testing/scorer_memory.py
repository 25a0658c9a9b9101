"""What the contract demands of a scorer's memory: the scores and one gradient beside the model."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sparc3_bench.combined import lenders_of
from sparc3_bench.contracts import Scorer
from sparc3_bench.host import default_host
from sparc3_bench.model.view import ModelView
from sparc3_bench.testing.report import Breach, demand
from sparc3_bench.testing.scorer_runs import Plugin, plain_runs, scores_by
from sparc3_bench.testing.tiny import make_config, make_model, make_reference
from sparc3_bench.types.samples import ReferenceSamples

_WIDE = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "head_dim": 32}
"""Wide enough for the weights to take far more than what goes through them."""

_SAMPLES, _LENGTH = 6, 4


@demand(
    "of a model that just fits into memory nothing could be scored",
    "fold every sample into one sum a matrix as it comes, e.g. with `sparc3_bench.Accumulator`, "
    "and free what is of one matrix before the next",
)
def check_memory_is_bounded(plugin: Plugin) -> None:
    """Demand that scoring takes scores, one gradient and one pass through the model, and no more.

    Every weight has a score: a scorer that keeps something of every sample, or several copies of
    the weights, cannot score a large model. Tensors are counted as they are made and freed. One
    gradient is as large as the weights in scope, in float32; working on the largest matrix may
    take its size twice besides. Who combines scores of others may hold these, too.
    """
    for run in plain_runs(plugin):
        if run.architecture == "llama":
            _check(run.scorer, make_reference(_SAMPLES, (_LENGTH,)))


def _check(scorer: Scorer, reference: ReferenceSamples) -> None:
    usual = make_config("llama")
    config = type(usual).from_dict({**usual.to_dict(), **_WIDE})
    view = ModelView(
        make_model("llama", config=config), default_host().get("adapter", "llama").cls()
    )
    sizes = [4 * weight.matrix.numel() for weight in view.weights().values()]
    one = sum(sizes)
    through = _peak(
        view.model, lambda: view.attribute(reference, lambda name, inputs, gradients: None)
    )
    scores_by(scorer, view, reference)  # what is set up on the first run is not counted
    taken = _peak(view.model, lambda: scores_by(scorer, view, reference))
    if taken > (2 + len(lenders_of(scorer))) * one + through + 2 * max(sizes):
        raise Breach(
            f"Beside a model whose weights in scope take {_told(one)}, scoring takes "
            f"{_told(taken)} at once, more than the scores, one gradient ({_told(one)} each) and "
            f"a pass through the model ({_told(through)}) do"
        )


class _Counting(TorchDispatchMode):
    """Counts the bytes of tensors that are made while it is active, until they are freed."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        there = [*model.parameters(), *model.buffers()]
        self._live = {tensor.untyped_storage()._cdata: 0 for tensor in there}
        self._now, self.peak = 0, 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        self.peak = max(self.peak, self._now)
        return found

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self._live:
            self._live[storage._cdata] = storage.nbytes()
            self._now += storage.nbytes()
            weakref.finalize(storage, self._free, storage._cdata)

    def _free(self, name: int) -> None:
        self._now -= self._live.pop(name)


def _peak(model: nn.Module, act: Callable[[], object]) -> int:
    """Return the most bytes of tensors at once that `act` makes, those of the model aside."""
    with _Counting(model) as counting:
        act()
    return int(counting.peak)


def _told(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
