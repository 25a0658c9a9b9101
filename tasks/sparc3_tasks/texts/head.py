"""Head: from what a model's head reads to its logits, the model's own way."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from sparc3_bench.model.weights import widest

if TYPE_CHECKING:
    from sparc3_bench import Batch, ModelView


class Head:
    """The last part of a model, for the time of one window.

    Of that it has the logits, ``[1, tokens, vocabulary]``, and what the head read, ``[1, tokens,
    features]``; None where the model has no module for a head, or runs it more than once.

    Many models scale or cap the logits behind the head. So its inputs are put through the model's
    own forward, in which the module that has the blocks returns at once what it returned for the
    window, and the head reads the inputs that are given in place of its own.
    """

    def __init__(self, model: ModelView, batch: Batch) -> None:
        self._model: Any = model.model
        self._ids = batch.input_ids
        self._head: Any = self._model.get_output_embeddings()  # type: ignore[operator]
        self._decoder: Any = self._model.get_submodule(model.adapter.blocks.rpartition(".")[0])
        read: list[Tensor] = []
        returned: list[Any] = []
        with (
            _hooked(self._head, before=lambda args: read.append(args[0].detach())),
            _hooked(self._decoder, after=returned.append),
        ):
            self.logits = model.forward(batch)
        alone = len(read) == len(returned) == 1 and self._decoder is not self._model
        self.inputs = read[0] if alone and read[0].dim() == 3 else None
        self._returned = returned[0] if alone else None

    def again(self, inputs: Tensor) -> Tensor:
        """Return the logits ``[rows, vocabulary]`` of inputs of the head, ``[rows, features]``."""
        ids = self._ids[:, : len(inputs)]
        with (
            patch.object(self._decoder, "forward", lambda *args, **options: self._returned),
            _hooked(self._head, before=lambda args: (inputs[None], *args[1:])),
        ):
            logits: Tensor = self._model(input_ids=ids, use_cache=False).logits
        return logits[0]

    def repeats(self, rows: int) -> bool:
        """Return whether the first logits come again, but for rounding."""
        if self.inputs is None:
            return False
        first = self.logits[0, :rows]
        try:
            again = self.again(self.inputs[0, :rows])
        except Exception:  # a stranger's forward, run in a way that it was not made for
            return False
        if again.shape != first.shape:
            return False
        again, known = (values.to(widest(first.device)) for values in (again, first))
        error = torch.linalg.vector_norm(again - known)
        allowed = max(1e-4, 4 * torch.finfo(first.dtype).eps)
        return bool(error <= allowed * torch.linalg.vector_norm(known))


def _hooked(
    module: nn.Module | None, before: Any = None, after: Any = None
) -> AbstractContextManager[Any]:
    """Call `before` with a module's arguments, whose answer replaces them, `after` with outputs."""
    if module is None:
        return nullcontext()
    if before:
        return module.register_forward_pre_hook(lambda module, args: before(args))
    return module.register_forward_hook(lambda module, args, output: after(output))
