"""The propagation rules of LRP, one a role, bound to module instances and taken off again.

Write the relevance of a tensor as R = x · g. Through a linear map, ε-LRP with ε = 0 hands back
g_in = Wᵀ g_out, which is the ordinary gradient, so only what is not linear needs a rule
[achtibat2024, sec. 3]. The forward pass is untouched. Two observations make the rules small:

* Between a query, key or value projection and the attention product everything is linear (reshape,
  rotary embedding, scale) or made so by a rule (a norm of queries and keys), so a factor on the
  gradient *at the product* is a factor on the gradient *at the projection's output*. AttnLRP
  gives half of the relevance of the product A·V to either side, and half of what reaches A to
  queries and keys each: factors ½ for values, ¼ for queries and keys. This works with every
  attention kernel, as no kernel is replaced.
* The gate product hands half to either side: a factor ½ on the gradient where `down` reads it.

CP-LRP takes attention weights and gates as constants: factor 0 for queries, keys and gates, 1 for
values and up [ali2022].

RelP finds circuits with the rules for norms, activations and gates, and the plain gradient of
attention [jafari2025].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from sparc3_bench import Fused, Role, Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench import ModelView

_FACTORS: dict[str, Mapping[Role, float]] = {
    "attnlrp": {Role.QUERY: 0.25, Role.KEY: 0.25, Role.VALUE: 0.5},
    "cp-lrp": {Role.QUERY: 0.0, Role.KEY: 0.0, Role.GATE: 0.0},
}
"""Factor on the gradient of a module's output."""

_GATE_PRODUCT = {"attnlrp": 0.5, "cp-lrp": 1.0}
"""Factor on the gradient of the product of gate and up."""

_NORMS = {Role.RMS_NORM, Role.OFFSET_RMS_NORM, Role.LAYER_NORM}
_SOME = {
    "relp": {*_NORMS, Role.ACTIVATION, Role.DOWN},
    "norms-only": _NORMS,
    "activations-only": {Role.ACTIVATION},
    "attention-only": {Role.QUERY, Role.KEY, Role.VALUE},
    "gates-only": {Role.DOWN},
}
"""Some rules of AttnLRP, by the roles that they act on."""


@contextmanager
def propagating(model: ModelView, variant: str) -> Iterator[None]:
    """Make the backward pass of `model` propagate relevance; on leaving, nothing is left of it.

    The variant is ``"attnlrp"``, ``"cp-lrp"``, or the name of some rules of AttnLRP.
    """
    with ExitStack() as stack:
        for _, _, rule in rules(model, variant):
            stack.enter_context(rule)
        yield


Rule = tuple[str, str, AbstractContextManager[Any]]
"""Path of a module, its rule in words, and what switches it on."""


def rules(model: ModelView, variant: str) -> Iterator[Rule]:
    """Yield the rule of every module that has one; all else propagates by its plain gradient.

    Raises Sparc3Error when something is not linear and has no rule.
    """
    roles = model.roles()
    gated = any(part is Role.GATE for _, role in roles.values() for part, _ in _runs(role))
    chosen = _SOME.get(variant, set(Role))
    whole = "attnlrp" if variant in _SOME else variant
    factors, product = _FACTORS[whole], _GATE_PRODUCT[whole]
    seen: set[nn.Module] = set()
    for name, (module, role) in roles.items():
        if module in seen:  # at another path, too: it has its rule
            continue
        seen.add(module)
        runs = [(factors.get(part, 1.0), rows) for part, rows in _runs(role)]
        if role in (Role.SOFT_CAP, Role.UNKNOWN):
            raise Sparc3Error(
                f"LRP has no rule for what `{name}` does (role '{role}'); choose another scorer."
            )
        if not chosen.intersection(part for part, _ in _runs(role)):
            continue
        if role in _BACKWARD:
            words = (_BACKWARD[role].__doc__ or "").partition(":")[0]
            yield name, words, _bound(module, _BACKWARD[role])
        elif any(factor != 1 for factor, _ in runs):
            words = ", ".join(f"{factor:g}" for factor, _ in runs)
            yield name, f"output gradient × {words}", _scaled_output(module, runs)
        elif role is Role.DOWN and gated and product != 1:
            words = f"input gradient × {product:g}"
            yield name, words, _scaled_input(module, product)


def activation(module: nn.Module, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """Element-wise function, identity rule: all relevance passes, g_in = g · f(x)/x.

    At x = 0 no relevance arrives (R = y · g = 0 where f(0) = 0) and none is passed on.
    """
    # y / 0 is no number, or none that is finite: one pass, where a mask of x = 0 takes two more.
    return (y / x).nan_to_num_(0, 0, 0).mul_(g)


def rms_norm(module: nn.Module, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """RMSNorm, 1/rms constant: g_in = g · w / rms(x)."""
    return _rms_norm(module, x, g, _weight(module))


def offset_rms_norm(module: nn.Module, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """RMSNorm scaled by 1 + w, 1/rms constant: g_in = g · (1 + w) / rms(x)."""
    return _rms_norm(module, x, g, 1 + _weight(module).to(_wide(x)))


def _rms_norm(module: nn.Module, x: Tensor, g: Tensor, weight: Tensor) -> Tensor:
    wide = x.to(_wide(x))
    scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + _epsilon(module))
    return (g.to(wide.dtype) * weight * scale).to(g.dtype)


def layer_norm(module: nn.Module, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """LayerNorm, 1/std constant, mean subtraction kept: g_in = u − mean(u), u = g · w / std(x)."""
    wide = x.to(_wide(x))
    scale = torch.rsqrt(wide.var(-1, correction=0, keepdim=True) + _epsilon(module))
    u = g.to(wide.dtype) * scale * _weight(module)
    return (u - u.mean(-1, keepdim=True)).to(g.dtype)


Backward = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]
"""Module, its input, its output and the gradient of the output, to the gradient of the input."""

_BACKWARD: dict[Role | Fused, Backward] = {
    Role.ACTIVATION: activation,
    Role.RMS_NORM: rms_norm,
    Role.OFFSET_RMS_NORM: offset_rms_norm,
    Role.LAYER_NORM: layer_norm,
}


class _Ruled(torch.autograd.Function):
    """The module's own forward with another backward."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, module: nn.Module, plain: Callable[[Tensor], Tensor], rule: Backward
    ) -> Tensor:
        y = plain(x)
        ctx.save_for_backward(x, y)
        ctx.module, ctx.rule = module, rule
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        x, y = ctx.saved_tensors
        return ctx.rule(ctx.module, x, y, gradients[0]), None, None, None


def _bound(module: nn.Module, rule: Backward) -> AbstractContextManager[Any]:
    """Bind a rule to one instance: its class, and every other instance, stay as they are."""
    plain = module.forward

    def forward(x: Tensor) -> Tensor:
        result = _Ruled.apply(x, module, plain, rule)  # type: ignore[no-untyped-call]
        assert isinstance(result, Tensor)
        return result

    return patch.object(module, "forward", forward)


@contextmanager
def _scaled_output(module: nn.Module, runs: list[tuple[float, int]]) -> Iterator[None]:
    """Scale the gradient of a module's output, in runs of its features that repeat."""
    period = [factor for factor, rows in runs for _ in range(rows)]

    def after(module: nn.Module, args: Any, output: Tensor) -> None:
        if not output.requires_grad:
            return
        scale = output.new_tensor(period).repeat(output.shape[-1] // len(period))
        output.register_hook(lambda gradient: gradient * scale)  # type: ignore[no-untyped-call]

    # First of the hooks: whoever captures gradients of this output must see them scaled.
    with module.register_forward_hook(after, prepend=True):
        yield


@contextmanager
def _scaled_input(module: nn.Module, factor: float) -> Iterator[None]:
    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args[0].requires_grad:
            args[0].register_hook(lambda gradient: gradient * factor)

    with module.register_forward_pre_hook(before):
        yield


def _runs(role: Role | Fused) -> tuple[tuple[Role, int], ...]:
    return role.runs if isinstance(role, Fused) else ((role, 1),)


def _weight(module: nn.Module) -> Tensor:
    """Return the scale of a norm, one where it has none."""
    weight = getattr(module, "weight", None)
    return torch.ones(()) if weight is None else weight.detach()


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _epsilon(module: nn.Module) -> float:
    for name in ("variance_epsilon", "eps"):
        if isinstance(value := getattr(module, name, None), float):
            return value
    raise Sparc3Error(
        f"LRP cannot read the epsilon of a norm of class {type(module).__name__}, which has "
        "neither `variance_epsilon` nor `eps`; choose another scorer."
    )
