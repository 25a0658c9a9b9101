"""Neurons and heads: their scores from the weights' scores, and the weights they take with them.

A neuron is one hidden unit of an MLP; it owns its row of the up (and gate) matrix with the bias and
the column that reads it. A head owns the columns of the attention output that read it; with shared
keys and values it is the query head.
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

Structured = Literal["neuron", "head"]


_NO_UNITS = (
    "The scope has no unit of '{unit}'; neurons need scope 'all', 'mlp' or 'mlp-in', heads 'all' "
    "or 'attention'."
)


def ranked(scores: ScoreMap, view: ModelView, unit: Unit) -> Ranking:
    """Return the scores of units, with what is known of their uncertainty."""
    if unit == "weight":
        return Ranking(scores.weights, scores.standard_errors)
    samples: dict[str, Tensor] = {}
    for name, values in scores.by_sample.items():
        weight = view.weights()[name]
        if unit == "neuron":
            for rows in weight.neuron_rows:
                _add(samples, weight.block, values[:, rows])
        elif weight.role is Role.ATTENTION_OUTPUT:
            heads = view.adapter.heads(view.config)
            _add(samples, weight.block, values.view(len(values), heads, -1).sum(2))
    errors = {
        block: values.std(0) / len(values) ** 0.5
        for block, values in samples.items()
        if len(values) > 1
    }
    return Ranking(unit_scores(scores, view, unit), errors, samples)


def unit_scores(scores: ScoreMap, view: ModelView, unit: Structured) -> dict[str, Tensor]:
    """Sum the scores of what makes up each unit: block index, as text, to ``[units]``.

    A neuron sums its rows of up and gate with their bias; by the conservation of LRP that is its
    own relevance [hatefi2025, app. C]. A head sums its columns of the attention output. Signs are
    kept.
    """
    sums: dict[str, Tensor] = {}
    for name, weight in view.weights().items():
        if unit == "neuron":
            values = scores[name].sum(1)
            if name in scores.biases:
                values = values + scores.biases[name]
            for rows in weight.neuron_rows:
                _add(sums, weight.block, values[rows])
        elif weight.role is Role.ATTENTION_OUTPUT:
            heads = view.adapter.heads(view.config)
            columns = scores[name].view(scores[name].shape[0], heads, -1)
            _add(sums, weight.block, columns.sum((0, 2)))
    if not sums:
        raise Sparc3Error(_NO_UNITS.format(unit=unit))
    return sums


def unit_shapes(view: ModelView, unit: Unit) -> dict[str, torch.Size]:
    """Return the shapes of what is ranked: of matrices by name, or ``[units]`` by block.

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
        elif weight.role is Role.ATTENTION_OUTPUT:
            found[str(weight.block)] = torch.Size([view.adapter.heads(view.config)])
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
        units = keep.get(str(weight.block))
        if units is None:
            continue
        rows, columns = weight.matrix.shape
        if unit == "neuron" and weight.neuron_rows:
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


def _add(sums: dict[str, Tensor], block: int, values: Tensor) -> None:
    known = sums.get(str(block))
    sums[str(block)] = values if known is None else known + values
