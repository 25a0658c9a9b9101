"""Ablation: removed weights read something else in place of their inputs.

A matrix whose weights W are divided into kept and removed ones computes
``W_kept a + W_removed a'``. With a' = 0 that is pruning. Otherwise a' is the mean of the inputs
over the reference samples, or what the inputs are when the dense model runs the corrupted
counterpart of the prompt: for the columns that read a neuron or a head, that is activation
patching [vig2020; zhang2024patching]. Biases stay, as they belong to no input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.masking import check_mask, holding, masked, without
from sparc3_bench.model.weights import PrunableWeight
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.samples import Batch

Means = Mapping[str, Tensor]
"""Name of a weight to the mean of its inputs, ``[in_features]``, float32 or better."""


@contextmanager
def mean_ablated(
    weights: Mapping[str, PrunableWeight], keep: KeepMask, means: Means
) -> Iterator[None]:
    """Let what `keep` removes read the mean inputs; on leaving, everything is as before."""
    with ExitStack() as stack:
        for name, mask in keep.weights.items():
            weight = weights[name]
            removed = _removed(weight, mask).to(means[name].dtype)
            offset = (removed @ means[name]).to(weight.matrix.dtype)
            _add(stack, weight, lambda module, offset=offset: offset)
        stack.enter_context(masked(weights, KeepMask(keep.weights)))
        yield


class Resampling:
    """Let what a mask removes read the inputs it would have on the corrupted counterpart.

    `prepare` runs the dense model on a batch's counterpart and keeps the inputs of the matrices
    concerned; the run of the batch itself must follow.
    """

    def __init__(self, weights: Mapping[str, PrunableWeight], keep: KeepMask) -> None:
        self._weights = {name: weights[name] for name in keep.weights}
        self._dense = [(w.parameter, w.parameter.data) for w in self._weights.values()]
        self._removed = {
            name: _removed(weight, keep.weights[name]) for name, weight in self._weights.items()
        }
        self._keep = keep
        self._inputs: dict[nn.Module, deque[Tensor]] = {}
        self._recording = False

    @contextmanager
    def active(self) -> Iterator[None]:
        """Ablate; on leaving, everything is as before."""
        with ExitStack() as stack:
            for name, weight in self._weights.items():
                for module in (weight.module, *weight.sharing):
                    stack.callback(module.register_forward_pre_hook(self._record).remove)
                _add(stack, weight, self._contribution(name))
            stack.enter_context(masked(self._weights, KeepMask(self._keep.weights)))
            yield

    def prepare(self, batch: Batch, run: Callable[[Batch], Any]) -> None:
        """Run the dense model on the counterpart of `batch`.

        Raises Sparc3Error when the batch has none.
        """
        if batch.counterpart is None:
            raise Sparc3Error(
                "Ablation 'resample' needs corrupted counterparts, which these samples lack; "
                "choose 'zero' or 'mean'."
            )
        self._inputs.clear()
        self._recording = True
        try:
            with holding(self._dense):
                run(batch.corrupted())
        finally:
            self._recording = False

    def _record(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if self._recording:
            self._inputs.setdefault(module, deque()).append(args[0].detach())

    def _contribution(self, name: str) -> Callable[[nn.Module], Tensor | None]:
        def contribution(module: nn.Module) -> Tensor | None:
            if self._recording:
                return None
            inputs = self._inputs[module]
            inputs.rotate(-1)  # the next call of the module finds its own
            return functional.linear(inputs[-1], self._removed[name])

        return contribution


def _removed(weight: PrunableWeight, keep: Tensor) -> Tensor:
    check_mask(keep, weight.matrix, f"`{weight.name}`")
    return without(weight.matrix, ~keep)


def _add(
    stack: ExitStack, weight: PrunableWeight, contribution: Callable[..., Tensor | None]
) -> None:
    """Add a contribution to the outputs of a weight's modules until the stack is left."""

    def after(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        added = contribution(module)
        return output if added is None else output + added

    for module in (weight.module, *weight.sharing):
        stack.callback(module.register_forward_hook(after).remove)
