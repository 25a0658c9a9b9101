"""Gradient: |w · ∂L/∂w|, the first-order change of the objective when a weight is removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench import Aggregation, Scorer, hookimpl
from sparc3_scorers.accumulating import AccumulatingScorer

if TYPE_CHECKING:
    from sparc3_bench import ModelView, ReferenceSamples, State


@dataclass(frozen=True)
class Gradient(AccumulatingScorer):
    """Saliency w · ∂L/∂w [molchanov2017, eq. 6], or the sensitivity ∂L/∂w.

    Parameters
    ----------
    times_weight
        Whether the gradient is multiplied by the weight.
    """

    name = "gradient"
    title = "Gradient"
    citation = "molchanov2017"
    formula = (
        "√(meanₛ Σₜ (w · aₜ · ∂L/∂zₜ)²) "
        "with samples s, tokens t, inputs a, outputs z and the objective L"
    )

    aggregation: Aggregation = "token-rms"
    times_weight: bool = True
    standard_error: bool = False
    by_sample: bool = False

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the contributions of samples to the sums of an `Accumulator`."""
        accumulator = self.accumulator(model, state)
        model.attribute(reference, accumulator.fold, widens=False)
        return accumulator.state()


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Gradient]
