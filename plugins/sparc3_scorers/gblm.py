"""GBLM: |W| · (α ‖G‖ + ‖X‖₂), Wanda with the gradients of every sample blended in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sparc3_bench import IncrementalScorer, Scorer, hookimpl
from sparc3_scorers.sample_gradients import PowerSums

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, ReferenceSamples, State

Norm = Literal["l1", "l2"]
"""Over samples: the sum of absolute values, or the root of the sum of squares."""


@dataclass(frozen=True)
class Gblm(IncrementalScorer):
    """Importance = ``|W| · (α ‖G‖ + ‖X‖₂)``, G gradients of all samples, X the inputs [das2023].

    Parameters
    ----------
    alpha
        How much of the gradients is blended in, 0 or more; 0 is Wanda.
    norm
        The norm of a weight's gradients over samples: `l1` or `l2`.

    Notes
    -----
    Constants follow the authors' code, as they set the balance of the two terms: ‖G‖ runs over
    samples without a mean, ‖X‖₂² is the mean over samples of the sum over tokens. The published
    α of 100 belongs to the objective `loss`, 128 samples of 2,048 tokens, group `row` and schedule
    `blockwise` with the gradients of the dense model; the objective `label-log-probability`
    multiplies the gradients by the number of tokens.
    """

    name = "gblm"
    title = "GBLM"
    citation = "das2023"
    formula = (
        "|W| · (100 · Σₛ |∂Lₛ/∂W| + ‖X‖₂) with samples s, L the mean loss of their tokens, and X "
        "the input feature over all tokens, its square averaged over samples"
    )
    default_objective = "loss"

    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 100.0
    norm: Norm = "l1"

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add the powers of gradients and the squares of inputs of samples, and count them."""
        import torch

        powers, widest = self._powers(model, state), model.widest

        def fold(name: str, inputs: Tensor, gradients: Tensor) -> None:
            powers.fold(name, inputs, gradients)
            place = f"inputs/{name}"
            squares = inputs.square().sum(0).to(widest)
            state[place] = state[place] + squares if place in state else squares

        model.attribute(reference, fold)
        count = int(state.get("samples", 0)) + len(reference.samples)
        return {**state, **powers.state(), "samples": torch.tensor(count)}

    def finish(self, model: ModelView, state: State) -> Mapping[str, Tensor]:
        """Return |W| · (α ‖G‖ + ‖X‖₂) of every weight, in [0, ∞)."""
        powers, count = self._powers(model, state), int(state["samples"])
        powers.check_complete()
        scores = {}
        for name, weight in model.weights().items():
            gradients = powers.weights.pop(name)
            if self.norm == "l2":
                gradients.sqrt_()
            inputs = (state[f"inputs/{name}"] / count).sqrt().to(gradients.dtype)
            scores[name] = gradients.mul_(self.alpha).add_(inputs).mul_(weight.matrix).abs_()
        return scores

    def _powers(self, model: ModelView, state: State) -> PowerSums:
        return PowerSums(1 if self.norm == "l1" else 2, state, model)


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [Gblm]
