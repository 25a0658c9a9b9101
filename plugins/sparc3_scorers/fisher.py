"""Fisher: w² · F / 2, how much the loss rises when the curvature is the empirical Fisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench import IncrementalScorer, Scorer, hookimpl
from sparc3_scorers.sample_gradients import PowerSums

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, ReferenceSamples, ScoreMap, State


class Fisher(IncrementalScorer):
    """Importance = w² · F / 2, F the mean over samples of the squared gradient [theis2018, sec. 3].

    That is how much the loss rises when the weight is removed, to the second order, without the
    first and with the diagonal of the empirical Fisher in place of the Hessian's [lecun1989;
    singh2020].

    Notes
    -----
    A sample is a whole sequence: gradients are summed over its tokens before they are squared.
    Squaring the part of every token instead ranks like scorer `gradient` with aggregation
    `token-rms`. It is the empirical Fisher of the model for the objective `label-log-probability`
    alone, the log-likelihood of what the task asks of a sample; any other one is no likelihood.
    Biases are scored along.
    """

    name = "fisher"
    title = "Fisher"
    citation = "theis2018"
    formula = "½ w² · meanₛ (∂Lₛ/∂w)² with samples s and the log-likelihood L of their tokens"
    default_objective = "label-log-probability"

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the squared gradients of samples, and count them."""
        import torch

        squares = PowerSums(2, state, model)
        model.attribute(reference, squares.fold, widens=False)
        before = int(state.get("samples", 0))
        return {**squares.state(), "samples": torch.tensor(before + len(reference.samples))}

    def finish(self, model: ModelView, state: State) -> ScoreMap:
        """Return the rise of the loss for every weight and bias, in [0, ∞)."""
        from sparc3_bench import ScoreMap, row_parts

        weights, squares = model.weights(), PowerSums(2, state, model)
        half = 0.5 / int(state["samples"])
        squares.check_complete()

        def rise(square_sum: Tensor, value: Tensor) -> Tensor:
            for rows in row_parts(value):
                wide = value[rows].to(square_sum.dtype)  # once, for two products
                square_sum[rows].mul_(wide).mul_(wide).mul_(half)
            return square_sum

        return ScoreMap(
            {n: rise(squares.weights.pop(n), w.matrix) for n, w in weights.items()},
            {n: rise(squares.biases[n], w.bias) for n, w in weights.items() if w.bias is not None},
        )


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Fisher]
