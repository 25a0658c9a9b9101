"""PrunableWeight: one matrix that may be scored and pruned, `[out_features, in_features]`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparc3_bench.errors import ModelError
from sparc3_bench.types.architecture import Fused, ModelAdapter, Role
from sparc3_bench.types.conventions import Scope

LINEAR = {
    Role.QUERY: "attention",
    Role.KEY: "attention",
    Role.VALUE: "attention",
    Role.ATTENTION_OUTPUT: "attention",
    Role.GATE: "mlp",
    Role.UP: "mlp",
    Role.DOWN: "mlp",
}
"""The roles that have a prunable matrix, and the part of the block each belongs to."""

_WRITERS = (Role.GATE, Role.UP)
"""The roles of rows that write neurons."""

_PARTS = {"mlp-in": _WRITERS, "mlp-out": (Role.DOWN,)}
"""Scopes smaller than a part."""


@dataclass(frozen=True)
class PrunableWeight:
    """One matrix of a decoder block."""

    name: str  # path of the module in the model
    module: nn.Module  # the module that owns the matrix
    role: Role | Fused  # what the module does; of a fused matrix, what its rows do
    block: int  # index of the decoder block it belongs to
    transposed: bool  # whether ``module.weight`` is stored ``[in_features, out_features]``
    sharing: tuple[nn.Module, ...] = ()  # other modules that use the same parameter, each once

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
        """A view of the bias, ``[out_features]``, or None.

        None also where modules share the matrix and have biases of their own: none of these goes
        with the matrix.
        """
        bias = getattr(self.module, "bias", None)
        if any(getattr(module, "bias", None) is not bias for module in self.sharing):
            return None
        return bias.detach() if isinstance(bias, nn.Parameter) else None

    @property
    def neuron_rows(self) -> list[Tensor]:
        """Indices of the rows that write the block's neurons, in their order; `[neurons]` each.

        None for a matrix that writes no neurons, one for an up or gate matrix, two for both fused.
        """
        each = roles_of_rows(self.role, self.matrix.shape[0])
        return [torch.tensor(found) for role in _WRITERS if (found := each.get(role))]


def find_blocks(model: nn.Module, adapter: ModelAdapter) -> list[nn.Module]:
    """Return the decoder blocks in order."""
    blocks = model.get_submodule(adapter.blocks)
    if not isinstance(blocks, nn.ModuleList):
        raise ModelError(
            f"Adapter '{adapter.name}' says the blocks are at `{adapter.blocks}`, which is no "
            "list of modules; correct the path."
        )
    return list(blocks)


def roles_of_rows(role: Role | Fused, rows: int) -> dict[Role, list[int]]:
    """Return the rows, of so many, that have each role."""
    if isinstance(role, Role):
        return {role: list(range(rows))}
    found: dict[Role, list[int]] = {each: [] for each in role.roles}
    first = 0
    for each, count in role.runs * (rows // role.period):
        found[each] += range(first, first + count)
        first += count
    return found


def find_roles(model: nn.Module, adapter: ModelAdapter) -> dict[str, Role | Fused]:
    """Return the role of every module that has one, by its path in the model."""
    inside = adapter.roles(model.config)
    roles: dict[str, Role | Fused] = dict(adapter.outer_norms(model.config))
    for index in range(len(find_blocks(model, adapter))):
        for path, role in inside.items():
            roles[f"{adapter.blocks}.{index}.{path}"] = role
    for name in roles:
        try:
            model.get_submodule(name)
        except AttributeError:
            raise ModelError(
                f"Adapter '{adapter.name}' names the module `{name}`, which this model does not "
                "have; the adapter serves another variant of the architecture."
            ) from None
    return roles


def find_weights(
    model: nn.Module, adapter: ModelAdapter, scope: Scope, roles: Mapping[str, Role | Fused]
) -> dict[str, PrunableWeight]:
    """Return the prunable matrices in scope, in the order of the model.

    A parameter that several modules share is listed once, under its first name.
    """
    found: dict[str, PrunableWeight] = {}
    first: dict[int, str] = {}
    prefix = f"{adapter.blocks}."
    for name, role in roles.items():
        if not _inside(role, scope):
            continue
        module = model.get_submodule(name)
        block = int(name.removeprefix(prefix).split(".", 1)[0])
        weight = PrunableWeight(name, module, role, block, adapter.transposed)
        if isinstance(role, Fused) and weight.matrix.shape[0] % role.period:
            raise ModelError(
                f"Adapter '{adapter.name}' divides the rows of `{name}` into runs of {role.period} "
                f"in all, but it has {weight.matrix.shape[0]}; correct the numbers of rows."
            )
        owner = first.setdefault(id(weight.parameter), name)
        if owner == name:
            found[name] = weight
            continue
        known = (found[owner].module, *found[owner].sharing)
        # A module may itself stand at several paths; what hooks it must not do so twice.
        if all(module is not other for other in known):
            found[owner] = dataclasses.replace(found[owner], sharing=(*known[1:], module))
    return found


def part_of(role: Role | Fused) -> str | None:
    """Return the part of the block that a matrix belongs to; None for what has no matrix."""
    return LINEAR.get(role.runs[0][0] if isinstance(role, Fused) else role)


def _inside(role: Role | Fused, scope: Scope) -> bool:
    if scope not in _PARTS:
        return part_of(role) is not None and scope in ("all", part_of(role))
    roles = role.roles if isinstance(role, Fused) else (role,)
    return all(each in _PARTS[scope] for each in roles)


def widest(device: torch.device) -> torch.dtype:
    """Return the format with the most digits that a device has; Apple's has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def statistics_dtype(values: Tensor) -> torch.dtype:
    """Return the format that statistics of `values` accumulate in: float32 or better."""
    return torch.promote_types(values.dtype, torch.float32)
