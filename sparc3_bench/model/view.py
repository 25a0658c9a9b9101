"""ModelView: what a scorer or task may do with a model, everything undone on leaving.

The model's own forward runs, with hooks; nothing here re-implements a layer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from sparc3_bench.model import ablation, masking
from sparc3_bench.model.products import products_in
from sparc3_bench.model.uses import Fold, Layout, Memo, Use, Uses
from sparc3_bench.model.weights import (
    PrunableWeight,
    find_blocks,
    find_roles,
    find_weights,
    statistics_dtype,
    widest,
)
from sparc3_bench.pruning import NewValues
from sparc3_bench.types.architecture import Fused, ModelAdapter, Role
from sparc3_bench.types.conventions import Scope
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.samples import Batch, Objective, ReferenceSamples
from sparc3_bench.types.values import Memory

Observer = Callable[[str, Tensor], None]
"""Called with a weight's name and its inputs ``[tokens, in_features]``, float32 or better,
without padding, not to be changed. Weights in a row that read the same get the same tensor."""


class ModelView:
    """A causal language model seen through its adapter.

    Parameters
    ----------
    model
        A transformers causal language model.
    adapter
        The adapter that serves its architecture.
    tokenizer
        Its tokenizer, if any.
    scope
        Which matrices of the blocks may be pruned.

    Attributes
    ----------
    tokens, backward_tokens
        How many have gone through the model so far, padding included, and of how many a gradient
        has come back.
    memory
        What was measured before on the model as it is now; None where nobody keeps it.
    notes
        What a reader of results must know of the weights.
    """

    def __init__(
        self, model: nn.Module, adapter: ModelAdapter, tokenizer: Any = None, scope: Scope = "all"
    ) -> None:
        self.model = model.eval()
        self.adapter = adapter
        self.tokenizer = tokenizer
        self.blocks = find_blocks(model, adapter)
        self._roles = find_roles(model, adapter)
        self._weights = find_weights(model, adapter, scope, self._roles)
        self.tokens = self.backward_tokens = 0
        self.memory: Memory | None = None
        self.notes: tuple[str, ...] = ()
        self._layout: Layout | None = None
        self._resampling: ablation.Resampling | None = None
        self._can_keep_last = "logits_to_keep" in inspect.signature(model.forward).parameters

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @property
    def widest(self) -> torch.dtype:
        """The format with the most digits on its device, for sums over batches."""
        return widest(self.device)

    @property
    def parameters(self) -> int:
        """Number of parameters of the whole model, shared ones counted once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @cached_property
    def multiplied(self) -> int:
        """Number of weights that every token is multiplied with, those of the head among them."""
        inside = find_weights(self.model, self.adapter, "all", self._roles).values()
        head: Any = self.model.get_output_embeddings()  # type: ignore[operator]
        last = 0 if head is None else int(head.weight.numel())  # some tell of none
        return sum(weight.matrix.numel() for weight in inside) + last

    @property
    def flops(self) -> int:
        """Floating point operations of its matrices so far; see `Phase.flops`."""
        return 2 * self.multiplied * (self.tokens + 2 * self.backward_tokens)

    def weights(self) -> dict[str, PrunableWeight]:
        """Return the prunable matrices in scope, by name, in the order of the model."""
        return dict(self._weights)

    def roles(self) -> dict[str, tuple[nn.Module, Role | Fused]]:
        """Return every module that has a role, by path in the model."""
        return {name: (self.model.get_submodule(name), role) for name, role in self._roles.items()}

    def forward(self, batch: Batch) -> Tensor:
        """Run the model's own forward and return the logits ``[samples, tokens, vocabulary]``."""
        return self._forward(batch)

    def last_logits(self, batch: Batch) -> Tensor:
        """Return the logits behind the last token of every sample, ``[samples, vocabulary]``."""
        options = {"logits_to_keep": 1} if batch.is_full and self._can_keep_last else {}
        logits = self._forward(batch, **options)
        return logits[:, -1] if options else logits[batch.rows, batch.last]

    def _forward(self, batch: Batch, **options: Any) -> Tensor:
        if self._resampling is not None:
            self._resampling.prepare(batch, lambda other: self._logits(other, **options))
        return self._logits(batch, **options)

    def _logits(self, batch: Batch, **options: Any) -> Tensor:
        count = batch.input_ids.numel()
        self.tokens += count
        with self.laid_out(batch):
            logits = self.model(
                input_ids=batch.input_ids,
                # Without padding the model may take its faster causal path.
                attention_mask=None if batch.is_full else batch.attention_mask,
                use_cache=False,
                **options,
            ).logits
        assert isinstance(logits, Tensor)
        if logits.requires_grad:
            logits.register_hook(lambda _: self._came_back(count))  # type: ignore[no-untyped-call]
        return logits

    def _came_back(self, count: int) -> None:
        self.backward_tokens += count

    @contextmanager
    def laid_out(self, batch: Batch) -> Iterator[None]:
        """Tell the hooks which rows of a matrix's inputs belong to which sample of `batch`."""
        valid = None if batch.is_full else batch.host.attention_mask.bool()
        self._layout = Layout(batch.input_ids.shape[0], valid)
        try:
            yield
        finally:
            self._layout = None

    @contextmanager
    def observe(self, observer: Observer) -> Iterator[None]:
        """Call `observer` with the inputs of every weight in scope whenever the model runs."""

        def wide(inputs: Tensor, layout: Layout) -> Tensor:
            return layout.tokens(inputs.detach()).to(statistics_dtype(inputs))

        def hook(name: str) -> Callable[..., None]:
            def before(module: nn.Module, args: tuple[Any, ...]) -> None:
                assert self._layout is not None
                observer(name, shared(args[0], self._layout))

            return before

        shared = Memo(wide)
        with ExitStack() as stack:
            for name, weight in self._weights.items():
                for module in (weight.module, *weight.sharing):
                    stack.callback(module.register_forward_pre_hook(hook(name)).remove)
            yield

    def run(self, reference: ReferenceSamples) -> None:
        """Run the blocks over the reference samples, for what `observe` tells of them."""
        # No position: the head, which nobody observes, has nothing to do.
        options = {"logits_to_keep": torch.arange(0)} if self._can_keep_last else {}
        with torch.no_grad():
            for batch in reference.batches(self.device):
                self._forward(batch, **options)

    def attribute(self, reference: ReferenceSamples, fold: Fold, *, widens: bool = True) -> None:
        """Run the reference forward and backward, handing every weight's parts to `fold`.

        No gradient of a weight is ever formed: with inputs `a` and output gradients `g` of one
        matrix, ``g.T @ a`` is that gradient, and `fold` decides what becomes of it. Each pair is
        freed as soon as it is folded; those of a matrix that is used several times wait for one
        another, as the gradient on a sample is the sum over uses, before any absolute value.

        Parameters
        ----------
        reference
            The samples and their objective.
        fold
            Takes the parts.
        widens
            Whether they come in float32 from a model in fewer bits too; else as they are there.
            `outer_sum` and an `Accumulator` take either.
        """
        with ExitStack() as stack:
            # Of the sums alone: what the model computes stays as it is.
            uses = Uses(products_in(reference.product_dtype)(fold), widens=widens)
            for parameter in self.model.parameters():
                stack.callback(parameter.requires_grad_, parameter.requires_grad)
                parameter.requires_grad_(False)
            embeddings: nn.Module = self.model.get_input_embeddings()  # type: ignore[operator]
            handle = embeddings.register_forward_hook(lambda m, args, out: out.requires_grad_())
            stack.callback(handle.remove)
            for name, weight in self._weights.items():
                for module in (weight.module, *weight.sharing):
                    handle = module.register_forward_hook(self._capture(name, uses))
                    stack.callback(handle.remove)
            with torch.enable_grad():
                for batch in reference.batches(self.device):
                    self.propagate(reference.objective, batch)
                    uses.end()

    def propagate(self, objective: Objective, batch: Batch) -> None:
        """Run a batch forward and the gradient of its objective backward."""
        torch.autograd.backward(objective(self.forward(batch), batch))

    def _capture(self, name: str, uses: Uses) -> Callable[..., None]:
        def after(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            inputs, layout = args[0], self._layout
            assert layout is not None
            uses.begin(name)

            def backward(gradient: Tensor) -> None:
                uses.add(name, Use(layout, inputs, gradient))

            output.register_hook(backward)  # type: ignore[no-untyped-call]

        return after

    def masked(
        self, keep: KeepMask, values: NewValues | None = None
    ) -> AbstractContextManager[None]:
        """Remove what `keep` does not keep; on leaving, the same bits are back.

        What is kept may have new values in the meantime.
        """
        return masking.masked(self._weights, keep, values)

    def scaled(self, factor: float) -> AbstractContextManager[None]:
        """Let what is in scope, with its biases, act as if multiplied by `factor`."""
        return masking.scaled(self._weights.values(), factor)

    def mean_ablated(self, keep: KeepMask, means: ablation.Means) -> AbstractContextManager[None]:
        """Let what `keep` removes read the mean inputs `means`; see `mean_inputs`."""
        return ablation.mean_ablated(self._weights, keep, means)

    @contextmanager
    def resample_ablated(self, keep: KeepMask) -> Iterator[None]:
        """Let what `keep` removes read its inputs on each batch's corrupted counterpart."""
        resampling = ablation.Resampling(self._weights, keep)
        with resampling.active(), patch.object(self, "_resampling", resampling):
            yield
