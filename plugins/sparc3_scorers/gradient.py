"""Gradient: |w · ∂L/∂w|, the first-order change of the objective when a weight is removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench import Aggregation, IncrementalScorer, Scorer, Sparc3Error, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import Accumulator, ModelView, ReferenceSamples, ScoreMap, State


@dataclass(frozen=True)
class Gradient(IncrementalScorer):
    """Saliency w · ∂L/∂w [molchanov2017, eq. 6], or the sensitivity ∂L/∂w.

    Parameters
    ----------
    aggregation
        How contributions of tokens and samples are combined; see `Aggregation`.
    times_weight
        Whether the gradient is multiplied by the weight.
    standard_error
        Whether to keep each score's standard error over the reference samples.
    by_sample
        Whether to keep what each reference sample contributes to every neuron and head; with
        aggregation `signed-mean` only.
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

    def __post_init__(self) -> None:
        if self.standard_error and self.aggregation == "token-rms":
            raise Sparc3Error(
                f"Option `standard_error` of scorer '{self.name}' does not go with aggregation "
                "'token-rms', whose scores are no means over samples; choose another aggregation."
            )
        if self.by_sample and (self.aggregation != "signed-mean" or not self.times_weight):
            raise Sparc3Error(
                f"Option `by_sample` of scorer '{self.name}' goes with aggregation 'signed-mean'"
                " and `times_weight`; choose that, or leave it out."
            )

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the contributions of samples to the sums of an `Accumulator`."""
        accumulator = self._accumulator(model, state)
        model.attribute(reference, accumulator.fold)
        return accumulator.state()

    def finish(self, model: ModelView, state: State) -> ScoreMap:
        """Return the saliency of every weight; in [0, ∞) unless the aggregation is signed."""
        return self._accumulator(model, state).scores()

    def _accumulator(self, model: ModelView, state: State) -> Accumulator:
        from sparc3_bench import Accumulator

        return Accumulator(
            model.weights(),
            self.aggregation,
            times_weight=self.times_weight,
            second_moment=self.standard_error,
            by_sample=self.by_sample,
            state=state,
        )


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Gradient]
