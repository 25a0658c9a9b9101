"""PagedView: a model whose weights are in memory only where it is being run.

The model's own forward runs. Its parameters are on torch's device `meta`; a block, or a module
outside the blocks, is filled from the weight files when it is called, and emptied behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from sparc3_bench.errors import ModelError, Sparc3Error
from sparc3_bench.model.masking import check_mask, without
from sparc3_bench.model.names import stored_names
from sparc3_bench.model.opening import open_config, telling
from sparc3_bench.model.view import ModelView
from sparc3_bench.pruning import NewValues
from sparc3_bench.types.architecture import ModelAdapter
from sparc3_bench.types.conventions import Scope
from sparc3_bench.types.masks import KeepMask

Stored = tuple[Path, str]
"""A safetensors file, and the name of a tensor in it."""


def block_refusal(what: str) -> Sparc3Error:
    """Return why something cannot be done with a model that is read block by block."""
    return Sparc3Error(
        f"What is asked {what}, and this model is read block by block as it does not fit into the "
        "memory; give more with `--memory`, or choose something else."
    )


def refusing(what: str) -> Any:
    """Return a method that refuses to do something with such a model."""

    def refuse(view: ModelView, *args: Any, **how: Any) -> Any:
        raise block_refusal(what)

    return refuse


class PagedView(ModelView):
    """A model that is read from its files block by block, again every time it runs.

    Its parameters are on the device `meta`; everything else in it has its numbers. `stored` says by
    identity of the parameter where it lies.
    """

    def __init__(
        self,
        model: Any,
        adapter: ModelAdapter,
        tokenizer: Any,
        scope: Scope,
        stored: Mapping[int, Stored],
        dtype: torch.dtype,
        device: str,
    ) -> None:
        super().__init__(model, adapter, tokenizer, scope)
        self._stored, self._dtype, self._device = stored, dtype, torch.device(device)
        self._masks: KeepMask | None = None
        self._filled: dict[nn.Module, list[tuple[nn.Module, str, nn.Parameter]]] = {}
        self._kept: set[nn.Module] = set()
        self._passing = False
        inside = {module for block in self.blocks for module in block.modules()}
        self.outside = [
            one
            for one in model.modules()
            if one not in inside and any(held is not None for held in one._parameters.values())
        ]
        """What has parameters and is in no block."""
        for piece in (*self.blocks, *self.outside):
            piece.register_forward_pre_hook(lambda piece, args: self._enter(piece), prepend=True)
            piece.register_forward_hook(
                lambda piece, args, output: self._leave(piece), always_call=True
            )

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self._device

    @contextmanager
    def staying(self, *pieces: nn.Module) -> Iterator[None]:
        """Keep pieces in memory once they are filled, as blocks are at once, until this is left."""
        new = [piece for piece in pieces if piece not in self._kept]
        self._kept.update(new)
        try:
            for piece in new:
                if piece in self.blocks:
                    self._fill(piece)
            yield
        finally:
            for piece in new:
                self._kept.remove(piece)
                self._empty(piece)

    @contextmanager
    def standing_in(self, stand_in: Any) -> Iterator[None]:
        """Let `stand_in` answer in place of every block, called with its index and arguments."""

        def forward(index: int) -> Any:
            return lambda *args, **kwargs: stand_in(index, args, kwargs)

        with ExitStack() as stack:
            for index, block in enumerate(self.blocks):
                stack.enter_context(patch.object(block, "forward", forward(index)))
            stack.enter_context(patch.object(self, "_passing", new=True))
            yield

    @contextmanager
    def masked(self, keep: KeepMask, values: NewValues | None = None) -> Iterator[None]:
        """Remove what `keep` does not keep, of every block as it is read; refuse new values."""
        if values is not None:
            raise block_refusal("repairs what is kept of the whole model")
        with patch.object(self, "_masks", keep):
            yield

    # Gradients are taken a block at a time; see `Passage`.
    attribute: Any = refusing("takes gradients of the whole model at once")
    scaled: Any = refusing("scales the whole model")
    mean_ablated: Any = refusing("reads mean inputs in place of removed weights")
    resample_ablated: Any = refusing("reads other inputs in place of removed weights")

    def _enter(self, piece: nn.Module) -> None:
        if not (self._passing and piece in self.blocks):
            self._fill(piece)

    def _leave(self, piece: nn.Module) -> None:
        if piece not in self._kept:
            self._empty(piece)

    def _fill(self, piece: nn.Module) -> None:
        if piece in self._filled:
            return
        places = self._filled[piece] = []
        read: dict[int, nn.Parameter] = {}
        for module in piece.modules() if piece in self.blocks else (piece,):
            for name, empty in module._parameters.items():
                if empty is None or not empty.is_meta:
                    continue
                if id(empty) not in read:
                    read[id(empty)] = nn.Parameter(self._read(empty), requires_grad=False)
                module._parameters[name] = read[id(empty)]
                places.append((module, name, empty))
        if self._masks is not None and piece in self.blocks:
            self._mask(self.blocks.index(piece), self._masks)

    def _empty(self, piece: nn.Module) -> None:
        for module, name, empty in self._filled.pop(piece, ()):
            module._parameters[name] = empty

    def _mask(self, index: int, keep: KeepMask) -> None:
        for name, weight in self._weights.items():
            if weight.block != index:
                continue
            if (mask := keep.weights.get(name)) is not None:
                check_mask(mask, weight.matrix, f"`{name}`")
                stored = mask.T if weight.transposed else mask
                weight.parameter.data = without(weight.parameter, stored.to(self.device))
            bias = weight.module.bias if name in keep.biases else None
            if isinstance(bias, nn.Parameter):
                bias.data = without(bias, keep.biases[name].to(self.device))

    def _read(self, empty: nn.Parameter) -> Tensor:
        path, name = self._stored[id(empty)]
        # What was mapped goes when the last tensor of this opening does.
        with safe_open(path, "pt") as file:
            values: Tensor = file.get_tensor(name)
        return values.to(self.device, self._dtype)


def open_paged(
    folder: Path, model_id: str, adapter: ModelAdapter, tokenizer: Any, scope: Scope, **how: Any
) -> PagedView:
    """Return a model without its weights, which are read where they are needed.

    `open_model` must have been content with it; `how` is `dtype` and `device`. Raises ModelError
    when the weights are no safetensors, lie under other names, or blocks share them.
    """
    config, plain = open_config(folder, model_id), nn.Module.register_parameter

    def empty(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and not parameter.is_meta:
            parameter = nn.Parameter(parameter.to("meta"), requires_grad=False)
        plain(module, name, parameter)

    # What is no parameter has its numbers, such as the angles of rotary positions.
    with (
        telling(f"The config.json of {model_id}", "correct it"),
        patch.object(nn.Module, "register_parameter", empty),
    ):
        model = AutoModelForCausalLM.from_config(
            config, trust_remote_code=False, dtype=how["dtype"]
        )
    names = stored_names(folder, model_id, model)
    stored: dict[int, Stored] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name in names:
            stored[id(parameter)] = names[name]
    for name, parameter in model.named_parameters():
        if id(parameter) not in stored or stored[id(parameter)][0].suffix != ".safetensors":
            raise ModelError(
                f"The model {model_id} cannot be read block by block, as `{name}` lies in no "
                "safetensors file under its name; save it again with `save_pretrained`, or give "
                "more memory with `--memory`."
            )
    for name, buffer in model.named_buffers():
        if name in names:
            with safe_open(names[name][0], "pt") as file:
                buffer.copy_(file.get_tensor(names[name][1]))
    return PagedView(model.requires_grad_(False), adapter, tokenizer, scope, stored, **how)
