"""Shrinking: what a mask empties is cut out, so that plain transformers loads a smaller model."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sparc3_bench.errors import Sparc3Error, describe
from sparc3_bench.model.masking import holding
from sparc3_bench.model.view import ModelView
from sparc3_bench.model.weights import roles_of_rows
from sparc3_bench.selection.select import as_mask, choose
from sparc3_bench.selection.units import unit_shapes
from sparc3_bench.types.architecture import Role
from sparc3_bench.types.conventions import UNIFORM
from sparc3_bench.types.masks import KeepMask

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell

Used = Mapping[int, Tensor]
"""By block, which of its units something is left of: bool ``[units]``."""


def check_shrinks(unit: str, group: str | None, allocation: str) -> None:
    """Refuse conventions by which blocks would differ in size, or nothing whole goes.

    Raises Sparc3Error, saying what would do.
    """
    if unit == "weight":
        raise Sparc3Error(
            "Single weights cannot be cut out of a matrix; choose `--unit` neuron, head or block, "
            "or leave `--shrink` out."
        )
    if unit != "block" and (group == "model" or allocation != UNIFORM):
        raise Sparc3Error(
            f"A model of transformers has as many {unit}s in each block; choose `--group layer` "
            f"with `--allocation {UNIFORM}`, which remove as many of each, or leave `--shrink` out."
        )


def check_cut(cell: Cell, amount: float) -> None:
    """Refuse sizes that transformers would not build, before anything is computed.

    Raises Sparc3Error as `shrunk`, or when the model does not fit into memory.
    """
    if cell.model.streams:
        raise Sparc3Error(
            f"The model {cell.model.ref.id} is larger than the memory, where a shrunk one is made; "
            "leave `--shrink` out."
        )
    spec, view = cell.spec, cell.blank
    some = {name: torch.zeros(shape) for name, shape in unit_shapes(view, spec.unit).items()}
    kept = choose(some, amount, unit=spec.unit, group=spec.group)
    with shrunk(view, as_mask(kept, view, spec.unit)):
        pass


@contextmanager
def shrunk(view: ModelView, keep: KeepMask) -> Iterator[None]:
    """Cut out what a mask leaves empty; on leaving, the model is whole again.

    These are decoder blocks that add nothing, neurons that nothing reads, and heads that nothing
    reads with their queries, keys and values; whatever else the mask removes stays where it is.

    Raises Sparc3Error when nothing is empty, blocks would differ in size, for which no
    configuration has a place, or transformers builds no such model.
    """
    model: Any = view.model
    blocks, config = _blocks_left(view, keep), copy.deepcopy(view.config)
    units: dict[Role, Used] = {}
    _check_left("decoder block", len(blocks))
    if len(blocks) < len(view.blocks):
        _tell_of_blocks(config, blocks)
    if neurons := _used(view, keep, blocks, Role.DOWN):
        setattr(config, view.adapter.neurons, _neurons(neurons))
        units |= {Role.GATE: neurons, Role.UP: neurons, Role.DOWN: neurons}
    count = view.adapter.heads(config)
    if heads := _used(view, keep, blocks, Role.ATTENTION_OUTPUT, count):
        shared = getattr(config, "num_key_value_heads", None) or count
        config.head_dim = getattr(config, "head_dim", None) or config.hidden_size // count
        of_each = {block: used.view(shared, -1).sum(1) for block, used in heads.items()}
        groups, each = _heads(of_each.values(), count // shared)
        config.num_attention_heads = groups * each
        config.num_key_value_heads = groups
        with_keys = {block: n > 0 for block, n in of_each.items()}
        units |= {Role.QUERY: heads, Role.ATTENTION_OUTPUT: heads}
        units |= {Role.KEY: with_keys, Role.VALUE: with_keys}
    if not units and len(blocks) == len(view.blocks):
        raise Sparc3Error(
            "Nothing can be cut out, as the mask leaves no neuron, head or block empty; remove "
            "whole ones, by unit 'neuron', 'head' or 'block' and scope 'all'."
        )
    path, _, name = view.adapter.blocks.rpartition(".")
    before = model.config
    setattr(model.get_submodule(path), name, nn.ModuleList([view.blocks[b] for b in blocks]))
    try:
        model.config = config
        with holding(_smaller(view, blocks, units)):
            _check_builds(model)
            yield
    finally:
        model.config = before
        setattr(model.get_submodule(path), name, nn.ModuleList(view.blocks))


def _blocks_left(view: ModelView, keep: KeepMask) -> list[int]:
    """Return the blocks that add something to what passes them."""
    silent = dict.fromkeys(range(len(view.blocks)), 0)
    for name, weight in view.weights().items():
        if weight.role in (Role.ATTENTION_OUTPUT, Role.DOWN):
            kept = [keep.weights.get(name)]
            kept += [keep.biases.get(name)] if weight.bias is not None else []
            silent[weight.block] += all(one is not None and not one.any() for one in kept)
    return [block for block, outputs in silent.items() if outputs < 2]


def _used(
    view: ModelView, keep: KeepMask, blocks: Collection[int], role: Role, count: int | None = None
) -> Used:
    """Return which units' columns of a role's matrices are left; nothing where all are."""
    found = {}
    for name, weight in view.weights().items():
        if weight.role is role and weight.block in blocks:
            kept, columns = keep.weights.get(name), weight.matrix.shape[1]
            left = torch.ones(columns, dtype=torch.bool) if kept is None else kept.any(0).cpu()
            found[weight.block] = left.view(count or columns, -1).any(1)
    return {} if all(used.all() for used in found.values()) else found


def _tell_of_blocks(config: Any, blocks: list[int]) -> None:
    count = config.num_hidden_layers
    for name, value in vars(config).items():
        if isinstance(value, list | tuple) and len(value) == count > 1:
            setattr(config, name, [value[block] for block in blocks])  # something said of each
    config.num_hidden_layers = len(blocks)


def _check_left(what: str, count: int) -> None:
    if not count:
        raise Sparc3Error(
            f"A model of transformers has one {what} at least, and none would be left; remove "
            "fewer."
        )


def _neurons(used: Used) -> int:
    counts = {int(one.sum()) for one in used.values()}
    _check_left("neuron in each block", min(counts))
    if len(counts) > 1:
        raise Sparc3Error(
            f"The blocks would keep {min(counts):,} to {max(counts):,} neurons, and a model of "
            "transformers has as many in each; choose group 'layer' with allocation 'uniform', "
            "which removes as many of each."
        )
    return counts.pop()


def _heads(of_each: Collection[Tensor], size: int) -> tuple[int, int]:
    """Return how many groups of heads that share keys and values are left, and heads in each."""
    _check_left("head in each block", min(int(n.sum()) for n in of_each))
    found = {(int((n > 0).sum()), *sorted({*n.tolist()} - {0})) for n in of_each}
    if len(found) > 1 or len(first := found.pop()) != 2:
        way = "group 'layer' with allocation 'uniform'" if size == 1 else f"a pattern n:{size}"
        raise Sparc3Error(
            "The blocks would keep other numbers of heads than one another, or of heads that share "
            f"keys and values, and a model of transformers has one of each; choose {way}, which "
            "removes as many of each."
        )
    return first


def _smaller(
    view: ModelView, blocks: Collection[int], units: Mapping[Role, Used]
) -> list[tuple[nn.Parameter, Tensor]]:
    """Return the values of parameters without what is cut out of them."""
    found = []
    for weight in view.weights().values():
        if weight.block not in blocks:
            continue
        matrix, bias = weight.matrix, weight.module.bias
        rows, columns = (torch.arange(size) for size in matrix.shape)
        if weight.role in (Role.DOWN, Role.ATTENTION_OUTPUT):
            columns = _spread(units.get(weight.role), weight.block, columns)
        else:
            each = roles_of_rows(weight.role, len(rows)).items()
            spread = [_spread(units.get(r), weight.block, torch.tensor(n)) for r, n in each]
            rows = torch.cat(spread).sort().values
        if (len(rows), len(columns)) == matrix.shape:
            continue
        cut = matrix[rows.to(matrix.device)][:, columns.to(matrix.device)]
        stored = cut.T.contiguous() if weight.transposed else cut.contiguous()
        found.append((weight.parameter, stored))
        if isinstance(bias, nn.Parameter) and len(rows) < len(bias):
            found.append((bias, bias.detach()[rows.to(bias.device)]))
    return found


def _spread(used: Used | None, block: int, places: Tensor) -> Tensor:
    """Return the places, alike many for each unit, of the units that are left."""
    return places if used is None else places.view(len(used[block]), -1)[used[block]].flatten()


def _check_builds(model: Any) -> None:
    """Refuse sizes that transformers, asked by the configuration alone, would not build."""
    config, reason = model.config, "it would have other shapes"
    try:
        with torch.device("meta"):
            built = type(model)(type(config).from_dict(config.to_dict()))
        shapes, ours = (
            {name: one.shape for name, one in each.named_parameters()} for each in (built, model)
        )
    except Exception as error:  # a stranger's configuration; transformers raises a dozen kinds
        shapes, ours, reason = {}, None, describe(error).rstrip(".")
    if shapes != ours:
        raise Sparc3Error(
            f"transformers builds no model of type '{config.model_type}' in the sizes that are "
            f"left ({reason}); choose another unit or amount, or leave `--shrink` out."
        )
