"""Scorers whose contributions of tokens and samples an `Accumulator` puts together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench import Aggregation, IncrementalScorer, Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench import Accumulator, ModelView, ScoreMap, State


class AccumulatingScorer(IncrementalScorer):
    """A scorer that hands what each token contributes to an `Accumulator`.

    Parameters
    ----------
    aggregation
        How contributions of tokens and samples are combined; see `Aggregation`.
    standard_error
        Whether to keep each score's standard error over the reference samples.
    by_sample
        Whether to keep what each reference sample contributes to every neuron and head; with
        aggregation `signed-mean` only.
    """

    aggregation: Aggregation
    standard_error: bool
    by_sample: bool
    times_weight = True
    """Whether a contribution is multiplied by the weight."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.standard_error and self.aggregation == "token-rms":
            raise Sparc3Error(
                f"Option `standard_error` of scorer '{self.name}' does not go with aggregation "
                "'token-rms', whose scores are no means over samples; choose another aggregation."
            )
        if self.by_sample and (self.aggregation != "signed-mean" or not self.times_weight):
            beside = " and `times_weight`" if "times_weight" in self.options() else ""
            raise Sparc3Error(
                f"Option `by_sample` of scorer '{self.name}' goes with aggregation 'signed-mean'"
                f"{beside}; choose that, or leave it out."
            )

    def finish(self, model: ModelView, state: State) -> ScoreMap:
        """Return the score of every weight; in [0, ∞) unless the aggregation is signed."""
        return self.accumulator(model, state).scores()

    def accumulator(self, model: ModelView, state: State) -> Accumulator:
        """Return what contributions are folded into, going on from a state."""
        from sparc3_bench import Accumulator

        return Accumulator(
            model.weights(),
            self.aggregation,
            times_weight=self.times_weight,
            second_moment=self.standard_error,
            by_sample=self.by_sample,
            state=state,
        )
