"""Outline: what a model consists of, as the suite sees it, without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from torch import nn

from sparc3_bench.model.view import ModelView
from sparc3_bench.types.architecture import Fused
from sparc3_bench.types.conventions import Scope


@dataclass(frozen=True)
class Part:
    """One module that has a role."""

    name: str  # its path in the model
    role: str  # what it does
    # of a fused matrix the roles of its rows, with the numbers of rows, as often as they repeat
    runs: tuple[tuple[str, int], ...]
    module: str  # name of its class
    block: int | None  # index of the decoder block it is in; None outside
    # ``[out_features, in_features]`` of a prunable matrix; None for what has none
    shape: tuple[int, int] | None
    shared_with: tuple[str, ...] = ()  # paths of other modules that use the same matrix


def parts_of(view: ModelView) -> list[Part]:
    """Return every module with a role."""
    paths = {id(module): name for name, module in view.model.named_modules()}
    weights = view.weights()
    prefix = f"{view.adapter.blocks}."
    parts = []
    for name, (module, role) in view.roles().items():
        weight = weights.get(name)
        inside = name.startswith(prefix)
        parts.append(
            Part(
                name,
                str(role),
                role.runs if isinstance(role, Fused) else (),
                type(module).__name__,
                int(name.removeprefix(prefix).partition(".")[0]) if inside else None,
                None if weight is None else (weight.matrix.shape[0], weight.matrix.shape[1]),
                () if weight is None else tuple(paths[id(other)] for other in weight.sharing),
            )
        )
    return parts


def sizes_of_scopes(view: ModelView) -> dict[str, int]:
    """Return the number of prunable weights of each scope."""
    views = {one: ModelView(view.model, view.adapter, scope=one) for one in get_args(Scope)}
    return {
        scope: sum(weight.matrix.numel() for weight in one.weights().values())
        for scope, one in views.items()
    }


def tied(model: nn.Module) -> list[list[str]]:
    """Return the names of parameters that are one and the same."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [each for each in names.values() if len(each) > 1]
