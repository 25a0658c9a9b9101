"""What the contract demands of an adapter, a function a demand: it tells the truth about models."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparc3_bench.errors import describe
from sparc3_bench.model.weights import LINEAR, PrunableWeight
from sparc3_bench.testing.adapter_runs import Plugin, Seen, model_types, of_views, tiny_view
from sparc3_bench.testing.plugin_checks import instance_of
from sparc3_bench.testing.report import Breach, demand
from sparc3_bench.types.architecture import Role

_NORMS = (Role.RMS_NORM, Role.OFFSET_RMS_NORM, Role.LAYER_NORM)
_IDLE = (nn.Dropout, nn.Identity)
"""Leaves of a block that need no role: they do nothing when a model is measured."""


@demand("every run on such a model would fail", "compare `blocks` and `roles` with `print(model)`")
def check_finds_its_modules(plugin: Plugin) -> None:
    """Demand that the list of blocks and every module with a role are there."""
    adapter = instance_of(plugin)
    for model_type in model_types(adapter):
        try:
            view = tiny_view(adapter, model_type)
            if not view.weights():
                raise ValueError("no module has the role of a matrix")
        except Exception as error:  # a stranger's code may raise anything
            raise Breach(
                f"A tiny model of type '{model_type}' cannot be viewed ({describe(error)})"
            ) from error


@of_views(
    "rows are taken for outputs, so that rankings and masks would be of other weights",
    "set `transposed = True` if `module.weight` is [in_features, out_features] as "
    "in `Conv1D`, and False if it is as in `Linear`",
)
def check_matrices_are_out_by_in(seen: Seen) -> None:
    """Demand that every module computes ``x Wᵀ + b`` with the matrix W that is shown."""
    for name, weight in seen.view.weights().items():
        if name in seen.inputs and not _computes(weight, seen.inputs[name]):
            raise Breach(
                f"`{name}` does not compute x Wᵀ + b with its matrix of shape "
                f"{list(weight.matrix.shape)}"
            )


@of_views(
    "scorers see the inputs of a matrix when its module runs",
    "name the module that the forward calls; if it reads `weight` without a call, "
    "the suite cannot serve this architecture",
)
def check_every_matrix_is_run(seen: Seen) -> None:
    """Demand that the forward pass runs every module that is named as a matrix."""
    for name, weight in seen.view.weights().items():
        if name not in seen.inputs:
            raise Breach(f"The forward pass never runs `{name}`, named {weight.role}")


@of_views(
    "sparsity is a fraction of the matrices of the blocks, all of them and no others",
    f"correct `roles`: the roles of matrices are {', '.join(LINEAR)}",
)
def check_matrices_of_blocks_are_covered(seen: Seen) -> None:
    """Demand that each matrix in a block is listed, and none outside."""
    view = seen.view
    parameters = dict(view.model.named_parameters())
    inside = {id(p) for block in view.blocks for p in block.parameters() if p.dim() == 2}
    listed = {id(weight.parameter) for weight in view.weights().values()}
    for name, parameter in parameters.items():
        if (id(parameter) in inside) == (id(parameter) in listed):
            continue
        wrong = "has no role of a matrix" if id(parameter) in inside else "is outside the blocks"
        raise Breach(f"The matrix `{name}` {wrong}")


@of_views(
    "rules of propagation are chosen by role, and without one relevance is lost",
    f"name it in `roles`, e.g. as {Role.ACTIVATION} or {Role.RMS_NORM}",
)
def check_norms_and_activations_are_named(seen: Seen) -> None:
    """Demand a role for every other leaf of a block but dropout."""
    named = {id(module) for module, _ in seen.view.roles().values()}
    prefix = f"{seen.view.adapter.blocks}."
    for name, module in seen.view.model.named_modules():
        leaf = name.startswith(prefix) and not list(module.children())
        matrix = any(p.dim() == 2 for p in module.parameters())
        if leaf and not matrix and id(module) not in named and not isinstance(module, _IDLE):
            raise Breach(f"`{name}`, a {type(module).__name__}, has no role")


@of_views("all that LRP propagates passes the norms outside the blocks", "name it in `outer_norms`")
def check_outer_norms_are_named(seen: Seen) -> None:
    """Demand that `outer_norms` names every normalisation outside the blocks."""
    view = seen.view
    named = {id(module) for module, role in view.roles().values() if role in _NORMS}
    inside = {id(module) for block in view.blocks for module in block.modules()}
    for name, module in view.model.named_modules():
        is_norm = "norm" in type(module).__name__.lower()
        if is_norm and id(module) not in inside and id(module) not in named:
            raise Breach(f"`{name}`, a {type(module).__name__} outside the blocks, has no role")


@of_views("LayerNorm, RMSNorm and one that scales by 1 + w have different rules of propagation", "")
def check_norms_are_of_their_kind(seen: Seen) -> None:
    """Demand of each kind of norm that it takes off the mean, or scales by 1 + w, or neither."""
    for name, (module, role) in seen.view.roles().items():
        if role not in _NORMS or name not in seen.inputs:
            continue
        found = _kind_of_norm(module, seen.inputs[name])
        if found is not role:
            raise Breach(
                f"`{name}` is named {role} but computes as {found} does",
                f"name it {found}",
            )


def _computes(weight: PrunableWeight, inputs: Tensor) -> bool:
    matrix = weight.matrix
    if inputs.shape[-1] != matrix.shape[1]:
        return False
    expected = inputs @ matrix.T + (0 if weight.bias is None else weight.bias)
    with torch.no_grad():
        found = weight.module(inputs)
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-3, atol=1e-4)


def _kind_of_norm(module: nn.Module, inputs: Tensor) -> Role:
    """Return as what a norm of `inputs` computes."""
    with torch.no_grad():
        outputs, shifted = module(inputs), module(inputs + 1)
    if torch.allclose(outputs, shifted, atol=1e-2):
        return Role.LAYER_NORM
    unscaled = inputs * inputs.square().mean(-1, keepdim=True).rsqrt()
    assert isinstance(module.weight, Tensor)
    weight = module.weight.detach()
    near = {
        role: float((unscaled * scale - outputs).abs().sum())
        for role, scale in ((Role.RMS_NORM, weight), (Role.OFFSET_RMS_NORM, 1 + weight))
    }
    return min(near, key=lambda role: near[role])
