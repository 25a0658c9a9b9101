"""What the contract demands of an adapter inside a block: its roles fit the way of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from sparc3_bench.model.view import ModelView
from sparc3_bench.model.weights import roles_of_rows
from sparc3_bench.testing.adapter_runs import Seen, of_views
from sparc3_bench.testing.report import Breach
from sparc3_bench.testing.tiny import make_reference
from sparc3_bench.types.architecture import Role

_FAR = 1e3
"""How long the step is that shows whether something is linear."""

_ATTENDED = (Role.QUERY, Role.KEY, Role.VALUE)

Edit = Callable[[nn.Module, Any, Tensor], Tensor]
"""Of what a module returns, as a forward hook."""


@of_views(
    "neurons are the rows of up and gate and the columns of down, and heads the "
    "columns of attention-output",
    "exchange the roles",
)
def check_roles_of_matrices_fit(seen: Seen) -> None:
    """Demand widths, and a way of the data, that go with the roles of a block's matrices."""
    for index in range(len(seen.view.blocks)):
        if wrong := _misfit(seen, index):
            raise Breach(f"In block {index} {wrong}")


@of_views(
    "relevance is divided between queries, keys and values by their roles",
    "exchange the roles, or correct the runs of rows of a fused matrix",
)
def check_attention_treats_rows_as_named(seen: Seen) -> None:
    """Demand that attention averages what is named value, by what is named query and key."""
    for index in range(len(seen.view.blocks)):
        if wrong := _mistaken(seen, index):
            raise Breach(f"In block {index} {wrong}")


@of_views(
    "what bends without a role is propagated through as if it were a straight line",
    f"name the module around it {Role.UNKNOWN}, or {Role.SOFT_CAP}, so that rules of propagation "
    "refuse it",
)
def check_the_rest_is_linear(seen: Seen) -> None:
    """Demand that a block has nothing that bends but modules, attention and gates."""
    for index in range(len(seen.view.blocks)):
        if _mistaken(seen, index) is None and _bends(seen, index):
            raise Breach(
                f"Block {index} is not linear when its norms, activations, queries, keys and "
                "gates are held"
            )


@of_views(
    "a head is an equal run of these features",
    "return the number of query heads of a block, as the configuration has it",
)
def check_heads_divide_the_attention_output(seen: Seen) -> None:
    """Demand a number of query heads that divides what the attention output reads."""
    heads = seen.view.adapter.heads(seen.view.config)
    for name, (_, role) in seen.view.roles().items():
        if role is not Role.ATTENTION_OUTPUT or name not in seen.inputs:
            continue
        width = seen.inputs[name].shape[-1]
        if not isinstance(heads, int) or heads < 1 or width % heads:
            raise Breach(f"`heads` returns {heads!r}, but `{name}` reads {width} features")


def _rows(seen: Seen, index: int) -> Iterator[tuple[str, Role, list[int]]]:
    """Yield the matrices of a block with the rows of each role."""
    for name, weight in seen.view.weights().items():
        if weight.block == index and name in seen.outputs:
            for role, rows in roles_of_rows(weight.role, seen.outputs[name].shape[-1]).items():
                yield name, role, rows


def _misfit(seen: Seen, index: int) -> str | None:
    """Return what does not fit in one block, or None."""
    reads, writes = {}, {}
    for name, role, rows in _rows(seen, index):
        reads[role], writes[role] = seen.inputs[name], seen.outputs[name][..., rows]
    for one in (Role.UP, Role.GATE):
        if one in writes and Role.DOWN in reads:
            wide, read = writes[one].shape[-1], reads[Role.DOWN].shape[-1]
            if wide != read:
                return f"{Role.DOWN} reads {read} features, but {one} writes {wide}"
    out = (Role.ATTENTION_OUTPUT, Role.DOWN)
    stream = {values.shape[-1] for role, values in reads.items() if role not in out}
    stream |= {writes[role].shape[-1] for role in out if role in writes}
    if len(stream) > 1:
        return f"what reads and writes the residual stream has the widths {sorted(stream)}"
    role = Role.GATE if Role.GATE in writes else Role.UP
    prefix = f"{seen.view.adapter.blocks}.{index}."
    for name, (_, named) in seen.view.roles().items():
        if named is Role.ACTIVATION and name.startswith(prefix) and name in seen.inputs:
            bent, written = seen.inputs[name].flatten(), writes[role].flatten()
            if bent.shape != written.shape or not torch.equal(bent, written):
                return f"the activation does not read what {role} writes"
    return None


def _mistaken(seen: Seen, index: int) -> str | None:
    """Return which of queries, keys and values are something else, or None."""
    view = seen.view
    rows: dict[Role, dict[str, list[int]]] = {}
    for name, role, found in _rows(seen, index):
        rows.setdefault(role, {})[name] = found
    written: dict[str, Tensor] = {}

    def watched(name: str) -> Edit:
        def edit(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            written[name] = output.detach().requires_grad_()
            return written[name].clone()

        return edit

    names = {name for role in _ATTENDED for name in rows.get(role, {})}
    plain = _attended(view, index, {name: watched(name) for name in names})
    weights = torch.randn(plain.shape[1], generator=torch.Generator().manual_seed(0))
    slopes = torch.autograd.grad((plain[-1] * weights).sum(), list(written.values()))
    for name, slope in zip(written, slopes, strict=True):
        changes = slope.reshape(-1, slope.shape[-1]) != 0
        for role in _ATTENDED:
            of_role = changes[:, rows.get(role, {}).get(name, [])]
            if role is Role.QUERY and of_role[:-1].any():
                return f"what rows of `{name}` named query say of one token reaches another"
            if not of_role[-1].all() or (role is not Role.QUERY and not of_role[:-1].any(0).all()):
                return f"rows of `{name}` named {role} do nothing that such rows do"
    doubled = {name: _doubling(found) for name, found in rows.get(Role.VALUE, {}).items()}
    if not _close(_attended(view, index, doubled), plain * 2):
        return "the rows named value are not those that attention averages"
    return None


def _doubling(rows: list[int]) -> Edit:
    def edit(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        factor = torch.ones(output.shape[-1])
        factor[rows] = 2
        return output * factor

    return edit


def _attended(view: ModelView, index: int, edits: Mapping[str, Edit]) -> Tensor:
    """Return what attention-output reads when outputs are edited, ``[tokens, features]``."""
    read: list[Tensor] = []
    with ExitStack() as stack:
        for name, weight in view.weights().items():
            if name in edits:
                hook = weight.module.register_forward_hook(edits[name])
                stack.callback(hook.remove)
            if weight.block == index and weight.role is Role.ATTENTION_OUTPUT:
                hook = weight.module.register_forward_pre_hook(
                    lambda module, args: read.append(args[0])
                )
                stack.callback(hook.remove)
        _run(view)
    return read[0].reshape(-1, read[0].shape[-1])


def _bends(seen: Seen, index: int) -> bool:
    """Return whether a block is not linear even where all is held that may bend."""
    view = seen.view
    block, prefix = view.blocks[index], f"{view.adapter.blocks}.{index}."
    told = (Role.SOFT_CAP, Role.UNKNOWN)
    if any(n.startswith(prefix) and role in told for n, (_, role) in view.roles().items()):
        return False
    fixed: dict[nn.Module, list[int]] = {}
    for name, role, rows in _rows(seen, index):
        if role in (Role.QUERY, Role.KEY, Role.GATE):
            fixed.setdefault(view.weights()[name].module, []).extend(rows)
    leaves = [m for m in block.modules() if not list(m.children())]
    others = [m for m in leaves if all(p.dim() < 2 for p in m.parameters())]
    first: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            first[module] = args[0].clone(), output.clone()

    def held(module: nn.Module, args: Any, output: Any) -> Any:
        if module in fixed:
            output = output.clone()
            output[..., fixed[module]] = first[module][1][..., fixed[module]]
        elif module in first and first[module][0].shape == output.shape:
            x, y = first[module]
            output = args[0] * torch.where(x == 0, 0, y / x)
        return output

    start = _through(view, block, dict.fromkeys([*fixed, *others], keep), None)[0]
    step = torch.randn(start.shape, generator=torch.Generator().manual_seed(0)) * start.std()
    hooks = dict.fromkeys([*fixed, *others], held)
    zero, one, far = (
        _through(view, block, hooks, start + factor * step)[1] for factor in (0, 1, _FAR)
    )
    return not _close(far - zero, (one - zero) * _FAR)


def _through(
    view: ModelView, block: nn.Module, hooks: Mapping[nn.Module, Any], hidden: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what a block reads and returns, under hooks; it reads `hidden` if that is given."""
    found: list[Tensor] = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found.append((args[0] if args else kwargs["hidden_states"]) if hidden is None else hidden)
        if args:
            return (found[0], *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": found[0]}

    def after(module: nn.Module, args: Any, output: Any) -> None:
        found.append(output[0] if isinstance(output, tuple | list) else output)

    with ExitStack() as stack, torch.no_grad():
        stack.callback(block.register_forward_pre_hook(before, with_kwargs=True).remove)
        stack.callback(block.register_forward_hook(after).remove)
        for module, hook in hooks.items():
            stack.callback(module.register_forward_hook(hook).remove)
        _run(view)
    return found[0], found[1]


def _run(view: ModelView) -> None:
    for batch in make_reference(1).batches():
        view.forward(batch)


def _close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() <= 1e-3 * expected.abs().max())
