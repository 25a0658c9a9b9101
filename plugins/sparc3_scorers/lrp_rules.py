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

Rules chosen one by one are used elsewhere, too, to find circuits [jafari2025].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sparc3_bench import Role

if TYPE_CHECKING:
    from sparc3_bench import ModelView

_FACTORS: dict[str, Mapping[Role, float]] = {
    "attnlrp": {Role.QUERY: 0.25, Role.KEY: 0.25, Role.VALUE: 0.5},
    "cp-lrp": {Role.QUERY: 0.0, Role.KEY: 0.0, Role.GATE: 0.0},
}
"""Factor on the gradient of a module's output."""

_GATE_PRODUCT = {"attnlrp": 0.5, "cp-lrp": 1.0}
"""Factor on the gradient of the product of gate and up."""

_ALONE = {
    "norms-only": {Role.RMS_NORM, Role.LAYER_NORM},
    "activations-only": {Role.ACTIVATION},
    "attention-only": {Role.QUERY, Role.KEY, Role.VALUE, Role.QUERY_KEY_VALUE},
    "gates-only": {Role.DOWN},
}
"""One rule of AttnLRP, by the roles that it acts on."""


@contextmanager
def propagating(model: ModelView, variant: str) -> Iterator[None]:
    """Make the backward pass of `model` propagate relevance; on leaving, nothing is left of it.

    Parameters
    ----------
    model
        The model, whose adapter names the roles.
    variant
        ``"attnlrp"``, ``"cp-lrp"``, or the name of one rule of AttnLRP.
    """
    roles = model.roles()
    gated = any(role is Role.GATE for _, role in roles.values())
    chosen = _ALONE.get(variant, set(Role))
    whole = "attnlrp" if variant in _ALONE else variant
    factors, product = _FACTORS[whole], _GATE_PRODUCT[whole]
    with ExitStack() as stack:
        for module, role in roles.values():
            if role not in chosen:
                continue
            if role in _BACKWARD:
                stack.enter_context(_bound(module, _BACKWARD[role]))
            elif role in factors:
                stack.enter_context(_scaled_output(module, factors[role]))
            elif role is Role.QUERY_KEY_VALUE:
                parts = [factors.get(r, 1.0) for r in (Role.QUERY, Role.KEY, Role.VALUE)]
                stack.enter_context(_scaled_output(module, parts))
            elif role is Role.DOWN and gated and product != 1:
                stack.enter_context(_scaled_input(module, product))
        yield


def activation(module: nn.Module, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """Element-wise function, identity rule: all relevance passes, g_in = g · f(x)/x.

    At x = 0 no relevance arrives (R = y · g = 0 where f(0) = 0) and none is passed on.
    """
    wide = x.to(_wide(x))
    # y / 0 is replaced by 0 after the division: cheaper than guarding every divisor.
    ratio = (y / wide).masked_fill_(wide == 0, 0)
    return ratio.mul_(g).to(g.dtype)


def rms_norm(module: nn.Module, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """RMSNorm, 1/rms constant: g_in = g · w / rms(x)."""
    wide = x.to(_wide(x))
    scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + _epsilon(module))
    return (g.to(wide.dtype) * _weight(module) * scale).to(g.dtype)


def layer_norm(module: nn.Module, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """LayerNorm, 1/std constant, mean subtraction kept: g_in = u − mean(u), u = g · w / std(x)."""
    wide = x.to(_wide(x))
    scale = torch.rsqrt(wide.var(-1, correction=0, keepdim=True) + _epsilon(module))
    u = g.to(wide.dtype) * scale
    if getattr(module, "weight", None) is not None:  # OPT can switch it off
        u = u * _weight(module)
    return (u - u.mean(-1, keepdim=True)).to(g.dtype)


Backward = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]
"""Module, its input, its output and the gradient of the output, to the gradient of the input."""

_BACKWARD: dict[Role, Backward] = {
    Role.ACTIVATION: activation,
    Role.RMS_NORM: rms_norm,
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


@contextmanager
def _bound(module: nn.Module, rule: Backward) -> Iterator[None]:
    """Bind a rule to one instance: its class, and every other instance, stay as they are."""
    plain = module.forward
    had_own = "forward" in module.__dict__

    def forward(x: Tensor) -> Tensor:
        result = _Ruled.apply(x, module, plain, rule)  # type: ignore[no-untyped-call]
        assert isinstance(result, Tensor)
        return result

    module.forward = forward
    try:
        yield
    finally:
        if had_own:
            module.forward = plain
        else:
            del module.forward


@contextmanager
def _scaled_output(module: nn.Module, factor: float | list[float]) -> Iterator[None]:
    """Scale the gradient of a module's output, as a whole or in equal parts of its features."""

    def after(module: nn.Module, args: Any, output: Tensor) -> None:
        if not output.requires_grad:
            return
        scale: Tensor | float
        if isinstance(factor, list):
            width = output.shape[-1] // len(factor)
            scale = output.new_tensor(factor).repeat_interleave(width)
        else:
            scale = factor
        output.register_hook(lambda gradient: gradient * scale)  # type: ignore[no-untyped-call]

    # First of the hooks: whoever captures gradients of this output must see them scaled.
    handle = module.register_forward_hook(after, prepend=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _scaled_input(module: nn.Module, factor: float) -> Iterator[None]:
    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args[0].requires_grad:
            args[0].register_hook(lambda gradient: gradient * factor)

    handle = module.register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _epsilon(module: nn.Module) -> float:
    for name in ("variance_epsilon", "eps"):
        if isinstance(value := getattr(module, name, None), float):
            return value
    raise AttributeError(f"{type(module).__name__} has neither `variance_epsilon` nor `eps`")
