"""Neurons, heads, blocks: their scores from those of weights, and the weights they take with them.

A neuron is one hidden unit of an MLP; it owns its row of the up (and gate) matrix with the bias and
the column that reads it. A head owns the columns of the attention output that read it; with shared
keys and values it is the query head. A decoder block owns all that is in scope of it, with biases:
what it adds to what passes it is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.view import ModelView
from sparc3_bench.types.architecture import Role
from sparc3_bench.types.conventions import Unit
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.scores import Ranking, ScoreMap

Structured = Literal["neuron", "head", "block"]

BLOCKS = "all"
"""The name of the scores of blocks, which are one tensor."""

_NO_UNITS = (
    "The scope has no unit of '{unit}'; neurons need scope 'all', 'mlp' or 'mlp-in', heads 'all' "
    "or 'attention', blocks 'all', 'attention' or 'mlp'."
)


def ranked(scores: ScoreMap, view: ModelView, unit: Unit) -> Ranking:
    """Return the scores of units, with what is known of their uncertainty."""
    if unit == "weight":
        return Ranking(scores.weights, scores.standard_errors)
    samples: dict[str, Tensor] = {}
    for name, values in scores.by_sample.items():
        weight = view.weights()[name]
        if unit != "head":
            for rows in weight.neuron_rows:
                _add(samples, weight.block, values[:, rows], unit)
        if unit != "neuron" and weight.role is Role.ATTENTION_OUTPUT:
            heads = view.adapter.heads(view.config)
            _add(samples, weight.block, values.view(len(values), heads, -1).sum(2), unit)
    samples = _whole(samples, unit)
    errors = {
        block: values.std(0) / len(values) ** 0.5
        for block, values in samples.items()
        if len(values) > 1
    }
    return Ranking(unit_scores(scores, view, unit), errors, samples)


def unit_scores(scores: ScoreMap, view: ModelView, unit: Structured) -> dict[str, Tensor]:
    """Sum the scores of what makes up each unit: block index, as text, to ``[units]``.

    A neuron sums its rows of up and gate with their bias; by the conservation of LRP that is its
    own relevance [hatefi2025, app. C]. A head sums its columns of the attention output, a block
    its heads and neurons. Signs are kept. Blocks are one tensor, named `BLOCKS`.
    """
    sums: dict[str, Tensor] = {}
    unit_shapes(view, unit)
    for name, weight in view.weights().items():
        if unit != "head" and weight.neuron_rows:
            values = scores[name].sum(1)
            if name in scores.biases:
                values = values + scores.biases[name]
            for rows in weight.neuron_rows:
                _add(sums, weight.block, values[rows], unit)
        if unit != "neuron" and weight.role is Role.ATTENTION_OUTPUT:
            heads = view.adapter.heads(view.config)
            columns = scores[name].view(scores[name].shape[0], heads, -1)
            _add(sums, weight.block, columns.sum((0, 2)), unit)
    return _whole(sums, unit)


def unit_shapes(view: ModelView, unit: Unit) -> dict[str, torch.Size]:
    """Return the shapes of what is ranked: of matrices by name, or ``[units]`` by block; see above.

    Raises
    ------
    Sparc3Error
        When the scope has none.
    """
    found: dict[str, torch.Size] = {}
    for name, weight in view.weights().items():
        if unit == "weight":
            found[name] = weight.matrix.shape
        elif unit == "neuron":
            found |= {str(weight.block): torch.Size([len(rows)]) for rows in weight.neuron_rows}
        elif unit == "head" and weight.role is Role.ATTENTION_OUTPUT:
            found[str(weight.block)] = torch.Size([view.adapter.heads(view.config)])
    if unit == "block":
        roles = {weight.role for weight in view.weights().values()}
        # Up and gate alone leave the bias of down; down alone has no score.
        if Role.ATTENTION_OUTPUT in roles or (Role.DOWN in roles and len(roles) > 1):
            found[BLOCKS] = torch.Size([len({one.block for one in view.weights().values()})])
    if not found:
        raise Sparc3Error(_NO_UNITS.format(unit=unit))
    return found


def count_units(view: ModelView, unit: Unit) -> int:
    """Return how many units the scope has; raises as `unit_shapes`."""
    return sum(shape.numel() for shape in unit_shapes(view, unit).values())


def unit_mask(keep: Mapping[str, Tensor], view: ModelView, unit: Structured) -> KeepMask:
    """Return the weights and biases that go with the units that are not kept."""
    weights: dict[str, Tensor] = {}
    biases: dict[str, Tensor] = {}
    for name, weight in view.weights().items():
        units = keep.get(BLOCKS if unit == "block" else str(weight.block))
        if units is None:
            continue
        rows, columns = weight.matrix.shape
        if unit == "block":
            weights[name] = units[weight.block].expand(rows, columns)
            if weight.bias is not None:
                biases[name] = units[weight.block].expand(rows)
        elif unit == "neuron" and weight.neuron_rows:
            kept = torch.ones(rows, dtype=torch.bool, device=units.device)
            for written in weight.neuron_rows:
                kept[written] = units
            weights[name] = kept[:, None].expand(rows, columns)
            if weight.bias is not None:
                biases[name] = kept
        elif unit == "neuron" and weight.role is Role.DOWN:
            weights[name] = units[None, :].expand(rows, columns)
        elif unit == "head" and weight.role is Role.ATTENTION_OUTPUT:
            of_head = units.repeat_interleave(columns // len(units))
            weights[name] = of_head[None, :].expand(rows, columns)
    return KeepMask(weights, biases)


def _add(sums: dict[str, Tensor], block: int, values: Tensor, unit: Unit) -> None:
    values = values.sum(-1, keepdim=True) if unit == "block" else values
    known = sums.get(str(block))
    sums[str(block)] = values if known is None else known + values


def _whole(sums: dict[str, Tensor], unit: Unit) -> dict[str, Tensor]:
    return {BLOCKS: torch.cat([*sums.values()], -1)} if unit == "block" and sums else sums
