"""Trials of one block: which rows are queries, keys, values, gates; what reads what they write."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import torch
from torch import Tensor, nn

from sparc3_adapters.trial import FACTOR, Edit, Trial, by_token, close, depends, slopes
from sparc3_bench import Fused, ModelError, Role

Rows = dict[str, list[Role]]
"""The role of every row of a matrix."""


def block_roles(trial: Trial) -> tuple[dict[str, Role | Fused], int]:
    """Return the roles of the modules of a block, and its number of query heads.

    Raises ModelError with the reason, where the block is no attention and MLP as the suite knows
    them.
    """
    rows, output = _attention(trial)
    heads = _heads(trial, rows, output)
    neurons, down = _mlp(trial, {*rows, output})
    rows |= neurons
    roles: dict[str, Role | Fused] = {name: _runs(each) for name, each in rows.items()}
    roles |= {output: Role.ATTENTION_OUTPUT, down: Role.DOWN}
    for name, module in trial.leaves.items():
        if name not in trial.matrices:
            role = kind(module, trial.plain.inputs[name], trial.plain.outputs[name])
            roles |= {} if role is None else {name: role}
    for name in _bent(trial, rows, output, down):
        roles[parent(name)] = Role.UNKNOWN
    return roles, heads


def parent(name: str) -> str:
    """Return the path of the part of the block that a module is in."""
    path = name.rpartition(".")[0]
    if not path:
        raise ModelError(f"its blocks bend what `{name}` reads, outside any module")
    return path


def _attention(trial: Trial) -> tuple[Rows, str]:
    """Return the rows that attention reads, and the matrix that reads attention."""
    held = trial.held
    mixed = [n for n in trial.matrices if slopes(_last(held.inputs[n]), held.into)[:-1].any()]
    if not mixed:
        raise ModelError("in its blocks no matrix reads what other tokens say")
    output = mixed[0]
    if slopes(by_token(held.inputs[output])[0], held.into)[1:].any():
        raise ModelError("its tokens see those behind them")
    read = [
        name
        for name in trial.matrices
        if name != output and depends(held.inputs[output], held.outputs[name])
    ]
    for name in read:
        for other in read:
            if name != other and depends(held.inputs[name], held.outputs[other]):
                raise ModelError(f"its attention reads `{other}` through another matrix, `{name}`")
    now, before = {}, {}
    for name in read:
        found = slopes(_last(held.inputs[output]), held.outputs[name]) != 0
        now[name], before[name] = found[-1], found[:-1].any(0)
    queries = {name: now[name] & ~before[name] for name in read}
    # With queries of zero all scores are alike, whatever the keys are.
    blind = trial.run(hold=True, edits={name: _zero(queries[name]) for name in read})
    rows: Rows = {}
    for name in read:
        values = (slopes(_last(blind.inputs[output]), blind.outputs[name])[:-1] != 0).any(0)
        if (~now[name] & ~before[name]).any():
            raise ModelError(f"some rows of `{name}` do nothing to what attention returns")
        rows[name] = [
            Role.QUERY if query else Role.VALUE if value else Role.KEY
            for query, value in zip(queries[name].tolist(), values.tolist(), strict=True)
        ]
    counts = Counter(role for each in rows.values() for role in each)
    width = held.inputs[output].shape[-1]
    if counts[Role.QUERY] != width or counts[Role.KEY] != counts[Role.VALUE]:
        raise ModelError(
            f"its attention has {counts[Role.QUERY]} rows of queries, {counts[Role.KEY]} of keys "
            f"and {counts[Role.VALUE]} of values, and returns {width} features"
        )
    return rows, output


def _heads(trial: Trial, rows: Rows, output: str) -> int:
    """Return the number of heads: one feature of the output is of as many queries as a head has."""
    first = _last(trial.held.inputs[output])[:1]
    width = trial.held.inputs[output].shape[-1]
    size = sum(
        int((slopes(first, trial.held.outputs[name])[-1] != 0)[_are(each, Role.QUERY)].sum())
        for name, each in rows.items()
    )
    if size == 0 or width % size:
        raise ModelError(f"its attention returns {width} features, in heads of {size}")
    return width // size


def _mlp(trial: Trial, taken: set[str]) -> tuple[Rows, str]:
    """Return the rows that write neurons, and the matrix that reads them."""
    held = trial.held
    rest = [name for name in trial.matrices if name not in taken]
    readers = {
        name: [o for o in rest if o != name and depends(held.inputs[name], held.outputs[o])]
        for name in rest
    }
    downs = [name for name in rest if readers[name]]
    if len(downs) != 1 or len(rest) not in (2, 3) or len(readers[downs[0]]) != len(rest) - 1:
        raise ModelError(
            f"beside attention its blocks have {len(rest)} matrices, not an MLP's two or three"
        )
    down, writers = downs[0], readers[downs[0]]
    acts = [
        name
        for name in trial.leaves
        if name not in trial.matrices
        and any(depends(held.inputs[name], held.outputs[writer]) for writer in writers)
        and depends(held.inputs[down], held.outputs[name])
        and kind(trial.leaves[name], trial.plain.inputs[name], trial.plain.outputs[name])
        is Role.ACTIVATION
    ]
    if len(acts) != 1:
        raise ModelError(f"the MLP of its blocks has {len(acts)} activations that are modules")
    rows: Rows = {}
    for name in writers:
        bent = (slopes(held.inputs[acts[0]], held.outputs[name]) != 0).any(0)
        rows[name] = [Role.GATE if each else Role.UP for each in bent.tolist()]
    counts = Counter(role for each in rows.values() for role in each)
    width = held.inputs[down].shape[-1]
    if counts == {Role.GATE: width}:  # what is bent is all that is read
        return {name: [Role.UP] * width for name in writers}, down
    if counts != {Role.GATE: width, Role.UP: width}:
        raise ModelError(
            f"its MLP writes {counts[Role.UP]} features, bends {counts[Role.GATE]} others and "
            f"reads {width}"
        )
    _check_order(trial, rows, down)
    return rows, down


def _check_order(trial: Trial, rows: Rows, down: str) -> None:
    """Refuse gates that let through another neuron than the one in their place."""
    held = trial.held
    for place in (0, -1):
        read = by_token(held.inputs[down])[:, place]
        for name, each in rows.items():
            changed = (slopes(read, held.outputs[name]) != 0).any(0)
            for role in set(each):
                own = _are(each, role).nonzero()[place]
                changed[own] = False
            if changed.any():
                raise ModelError(f"rows of `{name}` write neurons in another order")


def _bent(trial: Trial, rows: Rows, *readers: str) -> list[str]:
    """Return the first of the matrices that reads something which is not linear, if any.

    With norms, activations, queries, keys and gates held, all that is left must be.
    """
    constant = (Role.QUERY, Role.KEY, Role.GATE)
    edits: dict[str, Edit] = {}
    for name, each in rows.items():
        keep = torch.tensor([role in constant for role in each])
        edits[name] = _fixed(keep, trial.held.outputs[name].detach())
    start = trial.held.into.detach()
    step = torch.randn_like(start) * start.std()
    zero, one, far = (
        trial.run(hold=True, edits=edits, hidden=start + factor * step) for factor in (0, 1, FACTOR)
    )
    for name in readers:
        near = (one.inputs[name] - zero.inputs[name]) * FACTOR
        if not close(far.inputs[name] - zero.inputs[name], near):
            return [name]
    if not close(far.out - zero.out, (one.out - zero.out) * FACTOR):
        raise ModelError("its blocks add up their parts in a way that is not linear")
    return []


def kind(module: nn.Module, x: Tensor, y: Tensor) -> Role | None:
    """Return the role of a module that turned `x` into `y`, without a matrix; None if linear."""
    if x.shape != y.shape:
        return Role.UNKNOWN
    x, y = x.detach(), y.detach()
    if close(x, y):
        return None
    norm = _norm(module, x, y)
    if norm is not None:
        return norm
    with torch.no_grad():
        moved = x.clone()
        moved[..., 0] += 1
        if not close(module(moved)[..., 1:], y[..., 1:]):
            return Role.UNKNOWN
        linear = close(module(x * FACTOR), y * FACTOR) and close(module(-x), -y)
    return None if linear else Role.ACTIVATION


def _norm(module: nn.Module, x: Tensor, y: Tensor) -> Role | None:
    epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if not isinstance(epsilon, float):
        return None
    scale: Tensor | float = 1.0 if weight is None else weight
    shift: Tensor | float = 0.0 if bias is None else bias
    by_rms = x * (x.square().mean(-1, keepdim=True) + epsilon).rsqrt()
    centred = x - x.mean(-1, keepdim=True)
    by_std = centred * (centred.square().mean(-1, keepdim=True) + epsilon).rsqrt()
    for role, expected in (
        (Role.RMS_NORM, by_rms * scale),
        (Role.OFFSET_RMS_NORM, by_rms * (1 + scale)),
        (Role.LAYER_NORM, by_std * scale + shift),
    ):
        if close(expected, y):
            return role
    return None


def _runs(rows: list[Role]) -> Role | Fused:
    """Return the one role of all rows, or the shortest runs that repeat to them."""
    runs = [(role, len(list(each))) for role, each in groupby(rows)]
    if len(runs) == 1:
        return runs[0][0]
    period = next(n for n in range(1, len(runs) + 1) if runs == runs[:n] * (len(runs) // n))
    return Fused(tuple(runs[:period]))


def _are(rows: list[Role], role: Role) -> Tensor:
    return torch.tensor([each is role for each in rows])


def _last(values: Tensor) -> Tensor:
    return by_token(values)[-1]


def _zero(rows: Tensor) -> Edit:
    return lambda output: output.masked_fill(rows, 0)


def _fixed(rows: Tensor, values: Tensor) -> Edit:
    return lambda output: torch.where(rows, values, output)
