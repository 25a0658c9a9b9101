"""PrunableWeight: one matrix that may be scored and pruned, `[out_features, in_features]`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparc3_bench.contracts import ModelAdapter, Role, Scope
from sparc3_bench.errors import ModelError

LINEAR = {
    Role.QUERY: "attention",
    Role.KEY: "attention",
    Role.VALUE: "attention",
    Role.QUERY_KEY_VALUE: "attention",
    Role.ATTENTION_OUTPUT: "attention",
    Role.GATE: "mlp",
    Role.UP: "mlp",
    Role.DOWN: "mlp",
}
"""The roles that have a prunable matrix, and the part of the block each belongs to."""

_PARTS = {"mlp-in": (Role.GATE, Role.UP), "mlp-out": (Role.DOWN,)}
"""Scopes smaller than a part."""


@dataclass(frozen=True)
class PrunableWeight:
    """One matrix of a decoder block.

    Attributes
    ----------
    name
        Path of the module in the model.
    module
        The module that owns the matrix.
    role
        What the module does.
    block
        Index of the decoder block it belongs to.
    transposed
        Whether ``module.weight`` is stored ``[in_features, out_features]``.
    sharing
        Other modules that use the same parameter.
    """

    name: str
    module: nn.Module
    role: Role
    block: int
    transposed: bool
    sharing: tuple[nn.Module, ...] = ()

    @property
    def parameter(self) -> nn.Parameter:
        """The parameter as the module stores it."""
        weight = self.module.weight
        assert isinstance(weight, nn.Parameter)
        return weight

    @property
    def matrix(self) -> Tensor:
        """A view of the parameter, ``[out_features, in_features]``, outside the graph."""
        stored = self.parameter.detach()
        return stored.T if self.transposed else stored

    @property
    def bias(self) -> Tensor | None:
        """A view of the bias, ``[out_features]``, or None."""
        bias = getattr(self.module, "bias", None)
        return bias.detach() if isinstance(bias, nn.Parameter) else None


def find_blocks(model: nn.Module, adapter: ModelAdapter) -> list[nn.Module]:
    """Return the decoder blocks in order."""
    blocks = model.get_submodule(adapter.blocks)
    if not isinstance(blocks, nn.ModuleList):
        raise ModelError(
            f"Adapter '{adapter.name}' says the blocks are at `{adapter.blocks}`, which is no "
            "list of modules; correct the path."
        )
    return list(blocks)


def find_roles(model: nn.Module, adapter: ModelAdapter) -> dict[str, Role]:
    """Return the role of every module that has one, by its path in the model."""
    inside = adapter.roles(model.config)
    roles = dict(adapter.outer_norms(model.config))
    for index in range(len(find_blocks(model, adapter))):
        for path, role in inside.items():
            roles[f"{adapter.blocks}.{index}.{path}"] = role
    missing = [name for name in roles if not _has(model, name)]
    if missing:
        raise ModelError(
            f"Adapter '{adapter.name}' names the module `{missing[0]}`, which this model does not "
            "have; the adapter serves another variant of the architecture."
        )
    return roles


def find_weights(
    model: nn.Module, adapter: ModelAdapter, scope: Scope, roles: Mapping[str, Role]
) -> dict[str, PrunableWeight]:
    """Return the prunable matrices in scope, in the order of the model.

    A parameter that several modules share is listed once, under its first name.
    """
    found: dict[str, PrunableWeight] = {}
    first: dict[int, str] = {}
    prefix = f"{adapter.blocks}."
    for name, role in roles.items():
        if role not in LINEAR or not _inside(role, scope):
            continue
        module = model.get_submodule(name)
        block = int(name.removeprefix(prefix).split(".", 1)[0])
        weight = PrunableWeight(name, module, role, block, adapter.transposed)
        owner = first.setdefault(id(weight.parameter), name)
        if owner == name:
            found[name] = weight
        else:
            sharing = (*found[owner].sharing, module)
            found[owner] = dataclasses.replace(found[owner], sharing=sharing)
    return found


def _inside(role: Role, scope: Scope) -> bool:
    return role in _PARTS[scope] if scope in _PARTS else scope in ("all", LINEAR[role])


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters of the whole model, shared ones counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def statistics_dtype(values: Tensor) -> torch.dtype:
    """Return the format that statistics of `values` accumulate in: float32 or better."""
    return torch.promote_types(values.dtype, torch.float32)


def _has(model: nn.Module, name: str) -> bool:
    try:
        model.get_submodule(name)
    except AttributeError:
        return False
    return True
