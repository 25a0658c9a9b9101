"""ScoreMap and Ranking: the importance of every weight, and of what is ranked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ScoreMap(Mapping[str, "Tensor"]):
    """Importance of every weight in scope; higher = more important, signs allowed.

    Attributes
    ----------
    weights
        Name to float32 ``[out_features, in_features]``.
    biases
        Name to float32 ``[out_features]``, where a scorer scores biases: they count in the score
        of a neuron.
    standard_errors
        Name to float32 ``[out_features, in_features]``: the uncertainty of each score over the
        reference samples, where a scorer keeps it.
    by_sample
        Name to float32, what each reference sample contributes to the neurons and heads that a
        matrix belongs to, where a scorer keeps it: the sums of its rows (with the bias; up and
        gate matrices, ``[samples, out_features]``) or of its columns (attention outputs,
        ``[samples, in_features]``).
    """

    weights: Mapping[str, Tensor]
    biases: Mapping[str, Tensor] = field(default_factory=dict)
    standard_errors: Mapping[str, Tensor] = field(default_factory=dict)
    by_sample: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        return self.weights[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


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
