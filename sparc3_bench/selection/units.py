"""Neurons and heads: their scores from the weights' scores, and the weights they take with them.

A neuron is one hidden unit of an MLP; it owns its row of the up (and gate) matrix with the bias and
the column that reads it. A head owns the columns of the attention output that read it; with shared
keys and values it is the query head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from sparc3_bench.attribution.scores import ScoreMap
from sparc3_bench.contracts import Role, Unit
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.masking import KeepMask
from sparc3_bench.model.view import ModelView

Structured = Literal["neuron", "head"]


_NO_UNITS = (
    "The scope has no unit of '{unit}'; neurons need scope 'all', 'mlp' or 'mlp-in', heads 'all' "
    "or 'attention'."
)


@dataclass(frozen=True)
class Ranking:
    """Scores of what is ranked: of weights by matrix, of neurons and heads by block.

    Attributes
    ----------
    scores
        Name of the matrix to ``[out_features, in_features]``, or index of the block, as text, to
        ``[units]``; higher = more important.
    errors
        Standard error of each over the reference samples, in the same shapes; empty where the
        scorer keeps none.
    samples
        What each reference sample contributes, by block ``[samples, units]``; for neurons and
        heads only, and empty where the scorer does not keep it.
    """

    scores: Mapping[str, Tensor]
    errors: Mapping[str, Tensor] = field(default_factory=dict)
    samples: Mapping[str, Tensor] = field(default_factory=dict)


def ranked(scores: ScoreMap, view: ModelView, unit: Unit) -> Ranking:
    """Return the scores of units, with what is known of their uncertainty."""
    if unit == "weight":
        return Ranking(dict(scores.weights), dict(scores.standard_errors))
    samples: dict[str, Tensor] = {}
    for name, values in scores.by_sample.items():
        weight = view.weights()[name]
        block = str(weight.block)
        if unit == "neuron" and weight.role in (Role.UP, Role.GATE):
            samples[block] = samples[block] + values if block in samples else values
        elif unit == "head" and weight.role is Role.ATTENTION_OUTPUT:
            heads = view.adapter.heads(view.config)
            samples[block] = values.view(len(values), heads, -1).sum(2)
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
        if unit == "neuron" and weight.role in (Role.UP, Role.GATE):
            values = scores[name].sum(1)
            if name in scores.biases:
                values = values + scores.biases[name]
        elif unit == "head" and weight.role is Role.ATTENTION_OUTPUT:
            heads = view.adapter.heads(view.config)
            values = scores[name].view(scores[name].shape[0], heads, -1).sum((0, 2))
        else:
            continue
        block = str(weight.block)
        sums[block] = sums[block] + values if block in sums else values
    if not sums:
        raise Sparc3Error(_NO_UNITS.format(unit=unit))
    return sums


def count_units(view: ModelView, unit: Unit) -> int:
    """Return how many units the scope has.

    Raises
    ------
    Sparc3Error
        When it has none.
    """
    found = 0
    for weight in view.weights().values():
        if unit == "weight":
            found += weight.matrix.numel()
        elif unit == "neuron" and weight.role is Role.UP:
            found += weight.matrix.shape[0]
        elif unit == "head" and weight.role is Role.ATTENTION_OUTPUT:
            found += view.adapter.heads(view.config)
    if found == 0:
        raise Sparc3Error(_NO_UNITS.format(unit=unit))
    return found


def unit_mask(keep: Mapping[str, Tensor], view: ModelView, unit: Structured) -> KeepMask:
    """Return the weights and biases that go with the units that are not kept."""
    weights: dict[str, Tensor] = {}
    biases: dict[str, Tensor] = {}
    for name, weight in view.weights().items():
        units = keep.get(str(weight.block))
        if units is None:
            continue
        rows, columns = weight.matrix.shape
        if unit == "neuron" and weight.role in (Role.UP, Role.GATE):
            weights[name] = units[:, None].expand(rows, columns)
            if weight.bias is not None:
                biases[name] = units
        elif unit == "neuron" and weight.role is Role.DOWN:
            weights[name] = units[None, :].expand(rows, columns)
        elif unit == "head" and weight.role is Role.ATTENTION_OUTPUT:
            of_head = units.repeat_interleave(columns // len(units))
            weights[name] = of_head[None, :].expand(rows, columns)
    return KeepMask(weights, biases)
