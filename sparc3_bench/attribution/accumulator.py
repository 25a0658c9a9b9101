"""Accumulator: fold contributions to scores as they arrive, in float32, and free them.

Every gradient-type scorer shares it. A matrix with inputs ``a`` and (modified) output gradients
``g``, ``[tokens, features]`` each, has the gradient ``g.T @ a``; the aggregations differ in where
the absolute value stands, and that decides rankings. A matrix that is used several times reads the
tokens of all its uses, which are one sample.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.model.products import as_factor, outer_sum
from sparc3_bench.model.room import row_parts
from sparc3_bench.model.uses import joined
from sparc3_bench.model.weights import statistics_dtype
from sparc3_bench.types.architecture import Role
from sparc3_bench.types.conventions import AGGREGATIONS, Aggregation
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from sparc3_bench.model.weights import PrunableWeight


_TOKENS = 128
"""Short samples wait until so many tokens are there: what costs is passing over the sums."""

_OF_TOKENS = {"token-abs": torch.abs, "token-rms": torch.square}
"""What happens to inputs and gradients before their product."""


class Accumulator:
    """Running scores of every weight in scope.

    Parameters
    ----------
    weights
        The weights to score.
    aggregation
        How contributions are combined.
    times_weight
        Whether each score is multiplied by its weight (saliency, relevance) or left as a
        sensitivity. The absolute weight is used wherever the aggregation has taken the absolute
        value already.
    second_moment
        Whether to keep squares of the per-sample contributions, which give each score's standard
        error over samples. Not for `token-rms`.
    by_sample
        Whether to keep what each sample contributes to every neuron and head: a unit's standard
        error does not follow from those of its weights. For `signed-mean` and scores that are
        multiplied by the weight only; it costs a few percent.
    state
        What `state` of an accumulator with the same weights and options returned, to go on from;
        its tensors are taken over.
    """

    def __init__(
        self,
        weights: Mapping[str, PrunableWeight],
        aggregation: Aggregation,
        *,
        times_weight: bool = True,
        second_moment: bool = False,
        by_sample: bool = False,
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        if aggregation not in AGGREGATIONS:
            raise UnknownNameError("aggregation", aggregation, AGGREGATIONS)
        if second_moment and aggregation == "token-rms":
            raise Sparc3Error(
                "Standard errors do not go with aggregation 'token-rms', whose scores are no "
                "means over samples; choose another aggregation."
            )
        if by_sample and (aggregation != "signed-mean" or not times_weight):
            raise Sparc3Error(
                "What each sample contributes to a neuron or head is kept for aggregation "
                "'signed-mean' with scores times the weight; choose these, or leave `by_sample` "
                "off."
            )
        self._weights = weights
        self._aggregation = aggregation
        self._times_weight = times_weight
        self._second_moment = second_moment
        state = state or {}
        matrices = {name: weight.matrix for name, weight in weights.items()}
        biases = {name: w.bias for name, w in weights.items() if w.bias is not None}
        self._sums = _taken(state, "sum", matrices)
        self._squares = _taken(state, "square", matrices) if second_moment else {}
        self._biases = _taken(state, "bias", biases)
        self._by_sample: dict[str, list[Tensor]] = {
            name: list(state.get(f"samples/{name}", ()))
            for name, weight in weights.items()
            if by_sample and (weight.role is Role.ATTENTION_OUTPUT or weight.neuron_rows)
        }
        self._counts = {name: int(state.get(f"count/{name}", 0)) for name in weights}
        # Of the inputs last folded, of which several matrices in a row may read the same.
        self._read: tuple[tuple[Tensor, ...], Tensor] | None = None
        self._pending: dict[str, list[tuple[Tensor, Tensor]]] = {
            name: [(state[f"inputs/{name}"], state[f"gradients/{name}"])]
            if f"inputs/{name}" in state
            else []
            for name in weights
        }

    def state(self) -> dict[str, Tensor]:
        """Return all that was folded, to go on from bit for bit; the accumulator is spent.

        What waits for more tokens is in there as it is: folded earlier it would round otherwise.
        """
        found = dict[str, Tensor]()
        for name, weight in self._weights.items():
            found[f"sum/{name}"] = self._so_far(self._sums, name, weight.matrix)
            if self._second_moment:
                found[f"square/{name}"] = self._so_far(self._squares, name, weight.matrix)
            if weight.bias is not None:
                found[f"bias/{name}"] = self._so_far(self._biases, name, weight.bias)
        found |= {f"count/{name}": torch.tensor(count) for name, count in self._counts.items()}
        found |= {f"samples/{n}": torch.stack(rows) for n, rows in self._by_sample.items() if rows}
        for name, pending in self._pending.items():
            if pending:
                a, g = (torch.cat(parts) for parts in zip(*pending, strict=True))
                found |= {f"inputs/{name}": a, f"gradients/{name}": g}
                pending.clear()
        return found

    def fold(self, name: str, inputs: Tensor, gradients: Tensor) -> None:
        """Add one sample's contribution to the weight `name`.

        Parameters
        ----------
        name
            The weight.
        inputs
            ``[tokens, in_features]``.
        gradients
            ``[tokens, out_features]``, of the outputs; either in the format of the model or wider.
        """
        self._counts[name] += 1
        if name in self._by_sample:
            self._by_sample[name].append(self._of_units(name, inputs, gradients))
        if self._aggregation == "mean-of-abs" or self._second_moment:
            self._fold_alone(name, inputs, gradients)
            return
        pending = self._pending[name]
        pending.append((inputs, gradients))
        if sum(len(a) for a, _ in pending) >= _TOKENS:
            self._fold_pending(name)

    def flush(self) -> None:
        """Fold what waits for more tokens, of which a matrix product likes many, and free it."""
        for name in self._pending:
            self._fold_pending(name)

    def _fold_alone(self, name: str, a: Tensor, g: Tensor) -> None:
        count, wide = self._counts[name], self._wide(name)
        if self._aggregation == "token-abs":
            a, g = a.abs(), g.abs()
        contribution, of_bias = outer_sum(g, a).to(wide), g.sum(0, dtype=wide)
        if self._aggregation == "mean-of-abs":
            contribution.abs_()
            of_bias.abs_()
        total = self._add(self._sums, name, contribution)
        if self._second_moment and count > 1:
            # Youngs and Cramer's update: no difference of two large squares.
            deviation = contribution.mul_(count).sub_(total)
            squares = self._so_far(self._squares, name, total)
            squares.addcmul_(deviation, deviation, value=1 / (count * (count - 1)))
            self._squares[name] = squares
        if self._weights[name].bias is not None:
            self._add(self._biases, name, of_bias)

    def _of_units(self, name: str, a: Tensor, g: Tensor) -> Tensor:
        """Return the sums of rows, with the bias, or of columns of one sample's contribution.

        The contribution ``(g.T @ a) * W`` itself is not formed.
        """
        weight, wide = self._weights[name], self._wide(name)
        a, g, matrix = a.to(wide), g.to(wide), weight.matrix.to(wide)
        if weight.role is Role.ATTENTION_OUTPUT:
            return (a * (g @ matrix)).sum(0)
        rows = (g * (a @ matrix.T)).sum(0)
        return rows if weight.bias is None else rows + g.sum(0) * weight.bias

    def _fold_pending(self, name: str) -> None:
        pending = self._pending[name]
        if not pending:
            return
        inputs, gradients = zip(*pending, strict=True)
        pending.clear()
        g, wide, total = self._of_tokens(gradients), self._wide(name), self._sums.get(name)
        if not (self._read and g.dtype == self._read[1].dtype and _are_same(self._read[0], inputs)):
            self._read = (inputs, self._of_tokens(inputs))
        a = self._read[1]
        if total is not None and g.dtype == wide:
            total.addmm_(g.T, a)
        else:
            self._add(self._sums, name, g.T @ a)
        if self._weights[name].bias is not None:
            self._add(self._biases, name, g.sum(0, dtype=wide))

    def _wide(self, name: str) -> torch.dtype:
        return statistics_dtype(self._weights[name].matrix)

    def _add(self, sums: dict[str, Tensor], name: str, contribution: Tensor) -> Tensor:
        """Add to a sum, and return it; the first contribution becomes it."""
        if name in sums:
            return sums[name].add_(contribution)
        sums[name] = contribution.to(self._wide(name))
        return sums[name]

    def _so_far(self, sums: Mapping[str, Tensor], name: str, like: Tensor) -> Tensor:
        if name in sums:
            return sums[name]
        return torch.zeros(like.shape, dtype=self._wide(name), device=like.device)

    def _of_tokens(self, parts: tuple[Tensor, ...]) -> Tensor:
        """Return what the aggregation takes the products of; in place where it is a copy."""
        rows, change = as_factor(joined(parts)), _OF_TOKENS.get(self._aggregation)
        return rows if change is None else change(rows, out=None if rows is parts[0] else rows)

    def scores(self) -> ScoreMap:
        """Return the scores; the accumulator is spent afterwards.

        Raises
        ------
        Sparc3Error
            When a weight received nothing, e.g. because the model never ran through it.
        """
        idle = [name for name, count in self._counts.items() if count == 0]
        if idle:
            raise Sparc3Error(
                f"No gradient reached '{idle[0]}'; the objective does not depend on it. "
                "Choose another objective or scope."
            )
        if self._second_moment and min(self._counts.values()) < 2:
            raise Sparc3Error(
                "Standard errors need at least two reference samples; give more samples or leave "
                "`second_moment` off."
            )
        weights, errors, biases = {}, {}, {}
        for name, weight in self._weights.items():
            self._fold_pending(name)
            count = self._counts[name]
            weights[name], matrix = self._sums.pop(name), weight.matrix
            for rows in row_parts(matrix):
                total = weights[name][rows]
                self._finish(total.div_(count) if count > 1 else total, matrix[rows])
            if self._second_moment:
                error = self._squares.pop(name).div_(count * (count - 1)).sqrt_()
                errors[name] = error.mul_(matrix.abs()) if self._times_weight else error
            if name in self._biases and weight.bias is not None:
                biases[name] = self._finish(self._biases.pop(name).div_(count), weight.bias)
        by_sample = {name: torch.stack(rows) for name, rows in self._by_sample.items()}
        return ScoreMap(weights, biases, errors, by_sample)

    def _finish(self, mean: Tensor, matrix: Tensor) -> Tensor:
        match self._aggregation:
            case "signed-mean":
                return mean.mul_(matrix) if self._times_weight else mean
            case "abs-of-mean":
                mean = mean.abs_()
            case "token-rms":
                mean = mean.sqrt_()
        # Not negative here, so that this is the product with the absolute weight.
        return mean.mul_(matrix).abs_() if self._times_weight else mean


def _are_same(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _taken(state: Mapping[str, Tensor], kind: str, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return sums from a state, none without one."""
    if not state:
        return {}
    for name, values in like.items():
        place = f"{kind}/{name}"
        if place not in state or state[place].shape != values.shape:
            raise Sparc3Error(
                f"The state has no '{place}' of shape {list(values.shape)}; go on with the weights "
                "and options that it was made with, or from an empty one."
            )
    return {name: state[f"{kind}/{name}"] for name in like}
