"""Outline: what a model consists of, as the suite sees it, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from torch import nn

from sparc3_bench.model.view import ModelView
from sparc3_bench.types.architecture import Fused
from sparc3_bench.types.conventions import Scope


@dataclass(frozen=True)
class Part:
    """One module that has a role.

    Attributes
    ----------
    name
        Its path in the model.
    role
        What it does.
    runs
        Of a fused matrix the roles of its rows, with the numbers of rows, as often as they repeat.
    module
        Name of its class.
    block
        Index of the decoder block it is in; None outside.
    shape
        ``[out_features, in_features]`` of a prunable matrix; None for what has none.
    shared_with
        Paths of other modules that use the same matrix.
    """

    name: str
    role: str
    runs: tuple[tuple[str, int], ...]
    module: str
    block: int | None
    shape: tuple[int, int] | None
    shared_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outline:
    """What a model consists of.

    Attributes
    ----------
    parts
        Every module with a role.
    parameters
        Number of parameters of the whole model, shared ones counted once.
    scopes
        Number of prunable weights of each scope.
    tied
        Names of parameters that are one and the same.
    """

    parts: tuple[Part, ...]
    parameters: int
    scopes: Mapping[str, int]
    tied: tuple[tuple[str, ...], ...]


def outline(view: ModelView) -> Outline:
    """Return what the model of `view` consists of."""
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
    scopes = {}
    for scope in get_args(Scope):
        found = ModelView(view.model, view.adapter, scope=scope).weights().values()
        scopes[scope] = sum(weight.matrix.numel() for weight in found)
    return Outline(tuple(parts), view.parameters, scopes, _tied(view.model))


def _tied(model: nn.Module) -> tuple[tuple[str, ...], ...]:
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return tuple(tuple(each) for each in names.values() if len(each) > 1)
