"""Devices: where a model runs; over several, a run of its blocks on each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sparc3_bench.errors import ModelError


@dataclass(frozen=True)
class Devices:
    """Torch devices by name, as they are typed: ``"cpu"``, ``"cuda:1"``, ``"cuda:0,cuda:1"``.

    Attributes
    ----------
    names
        The devices. What is outside all blocks is on the first.
    """

    names: tuple[str, ...]

    @classmethod
    def typed(cls, text: str) -> Devices:
        """Read names with commas between.

        Raises
        ------
        ModelError
            When one is not available to torch here, or several are not all alike.
        """
        names = tuple(name.strip() for name in text.split(","))
        for name in names:
            try:
                torch.empty(1, device=name)
            except Exception:  # torch raises several kinds, with many lines each
                raise ModelError(
                    f"The device '{name}' is not available to torch here; 'cpu' always is."
                ) from None
        if len({torch.device(name).type for name in names}) > 1 or len({*names}) < len(names):
            raise ModelError(
                f"A model is spread over different devices of one type, got '{text}'; name each "
                "once, such as 'cuda:0,cuda:1'."
            )
        return cls(names)

    @property
    def first(self) -> str:
        """Where tokens go in and logits come out."""
        return self.names[0]

    def of_block(self, index: int, count: int) -> str:
        """Return where one of so many blocks is: as many on each device, the first ones first."""
        return self.names[index * len(self.names) // count]

    def placing(self, blocks: str, count: int) -> Callable[[str], str]:
        """Return what tells by the name of a tensor where it is.

        Parameters
        ----------
        blocks
            The path of the list of blocks in the model.
        count
            How many there are. Names of tensors have the path and the number of their block
            somewhere, or are that number; others are on the first device.
        """
        found = re.compile(rf"(?:^|[^\w]){re.escape(blocks)}\.(\d+)\.|^(\d+)$")

        def place(name: str) -> str:
            number = found.search(name)
            return self.of_block(int(number[1] or number[2]), count) if number else self.first

        return place if len(self.names) > 1 else lambda name: self.first

    def take(self, model: nn.Module, blocks: list[nn.Module]) -> None:
        """Move a model to the devices; over several, what passes its blocks goes along."""
        if len(self.names) == 1:
            model.to(self.first)
            return
        inside = {id(module) for block in blocks for module in block.modules()}
        for module in model.modules():
            if id(module) not in inside:
                # Only its own tensors: what is below it may be elsewhere.
                for own in module.parameters(recurse=False):
                    own.data = own.data.to(self.first)
                for name, values in module.named_buffers(recurse=False):
                    module._buffers[name] = values.to(self.first)
        for index, block in enumerate(blocks):
            place = self.of_block(index, len(blocks))
            block.to(place)
            block.register_forward_pre_hook(_bringing(place), with_kwargs=True)
        blocks[-1].register_forward_hook(lambda module, args, out: _on(self.first, out))


ON_HOST = Devices(("cpu",))


def _bringing(place: str) -> Callable[..., tuple[Any, Any]]:
    return lambda module, args, kwargs: (_on(place, args), _on(place, kwargs))


def _on(place: str, given: Any) -> Any:
    """Return tensors on a device, those of tuples, lists and dictionaries too; caches as given."""
    if isinstance(given, Tensor):
        return given.to(place)
    if isinstance(given, dict):
        return {name: _on(place, one) for name, one in given.items()}
    if type(given) in (tuple, list):
        return type(given)(_on(place, one) for one in given)
    return given
