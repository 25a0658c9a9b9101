"""Tiny models in which a matrix is used several times, in each way that there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sparc3_bench import ModelView
from sparc3_bench.testing.tiny import make_view


class Looped(nn.ModuleList):
    """One block that a model runs several times, as ALBERT does."""

    def __getitem__(self, index: Any) -> Any:
        return [super().__getitem__(0)] * 3 if isinstance(index, slice) else super().__getitem__(0)


def shared_view(way: str, architecture: str = "llama", **options: Any) -> ModelView:
    """Return a view of a model in float64.

    `way` is `matrix` (parameters tied between two blocks), `module` (modules of one block stand in
    the other), `block` (one block at two places of the list) or `loop` (one block, run thrice).
    """
    view = make_view(architecture, torch.float64)
    model = view.model
    layers = model.get_submodule(view.adapter.blocks)
    if way == "matrix":
        for name, weight in view.weights().items():
            if weight.block == 0:
                other = model.get_submodule(name.replace(".0.", ".1.", 1))
                other.weight = weight.parameter
    elif way == "module":
        for path in view.adapter.roles(model.config):
            inside = path.rpartition(".")
            owner = layers[1].get_submodule(inside[0])
            if isinstance(layers[0].get_submodule(path), nn.Linear):
                setattr(owner, inside[2], layers[0].get_submodule(path))
    elif way == "block":
        layers[1] = layers[0]
    else:
        parent, _, last = view.adapter.blocks.rpartition(".")
        setattr(model.get_submodule(parent), last, Looped([layers[0]]))
    model.config.use_cache = False  # keyed by block, so that one that runs twice would see itself
    return ModelView(model, view.adapter, **options)


def uses(view: ModelView, ids: list[int]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return of every weight the inputs and output gradients of all its uses, by plain hooks."""
    read: dict[str, list[Tensor]] = {name: [] for name in view.weights()}
    got: dict[str, list[Tensor]] = {name: [] for name in view.weights()}
    handles = []
    for name, module in _users(view):

        def after(module: nn.Module, args: Any, output: Tensor, name: str = name) -> None:
            read[name].append(args[0].detach()[0])
            output.retain_grad()
            got[name].append(output)

        handles.append(module.register_forward_hook(after))
    rows = view.model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    sum(rows[place, label] for place, label in enumerate(ids[1:])).backward()
    for handle in handles:
        handle.remove()
    return {n: (torch.cat(read[n]), torch.cat([o.grad[0] for o in got[n]])) for n in read}


def _users(view: ModelView) -> Iterator[tuple[str, nn.Module]]:
    """Yield every module with a prunable matrix once, under the name of its matrix."""
    names = {id(weight.parameter): name for name, weight in view.weights().items()}
    for module in view.model.modules():
        if (name := names.get(id(getattr(module, "weight", None)))) is not None:
            yield name, module
