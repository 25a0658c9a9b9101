"""Magnitude: |W|, the weight alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc3_bench import Lazy, Scorer, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, ReferenceSamples


class Magnitude(Scorer):
    """Importance = absolute weight [han2015]."""

    name = "magnitude"
    title = "Magnitude"
    citation = "han2015"
    formula = "|W|"
    needs_reference = False

    def score(self, model: ModelView, reference: ReferenceSamples) -> Mapping[str, Tensor]:
        """Return |W| of every weight, in [0, ∞), each matrix when it is asked for."""
        matrices = {name: weight.matrix for name, weight in model.weights().items()}
        return Lazy(matrices, lambda name: matrices[name].abs())


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Magnitude]
