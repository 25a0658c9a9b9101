"""SparseGPT's saliency: w² / [H⁻¹]ⱼⱼ, what the output loses if other weights make up for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sparc3_bench import IncrementalScorer, Lazy, Scorer, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import ModelView, ReferenceSamples, State


@dataclass(frozen=True)
class SparseGpt(IncrementalScorer):
    """Importance = w² / [H⁻¹]ⱼⱼ, H = XᵀX + λ, X the inputs of the matrix, j the feature w reads.

    That is the squared error of the outputs when the weight is removed and the others of its row
    are set anew to make up for it [hassibi1992; frantar2023sparsegpt].

    Parameters
    ----------
    damping
        λ as a fraction of the mean diagonal of XᵀX; above 0.

    Notes
    -----
    Of SparseGPT this is the saliency alone: no weight is set anew here. The authors go from the
    first feature to the last, block by block, and take H over the features still to come; here H is
    over all features, none being removed yet. A feature that is always zero scores 0. XᵀX is
    taken in float32 a batch and summed in float64, a little over 4 bytes times the square of the
    number of features, once for the matrices that read the same inputs.
    """

    name = "sparsegpt"
    title = "SparseGPT saliency"
    takes_products = False
    citation = "frantar2023sparsegpt"
    formula = "w² / [(XᵀX + λ)⁻¹]ⱼⱼ with X the inputs over all tokens, j the feature that w reads"

    damping: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add XᵀX over tokens, and keep which matrices read the same inputs."""
        from sparc3_bench import InputGrams

        grams = InputGrams(model, state)
        with model.observe(grams.add):
            model.run(reference)
        return grams.state()

    def finish(self, model: ModelView, state: State) -> Mapping[str, Tensor]:
        """Return w² / [H⁻¹]ⱼⱼ of every weight, in [0, ∞), each matrix when it is asked for."""
        from sparc3_bench import InputGrams

        grams = InputGrams(model, state)
        state.clear()
        errors = {first: self._errors(gram) for first, gram in grams.each()}
        matrices = {name: weight.matrix for name, weight in model.weights().items()}

        def scores(name: str) -> Tensor:
            error = errors[grams.first[name]]
            return matrices[name].to(error.dtype, copy=True).square_().mul_(error).float()

        return Lazy(matrices, scores)

    def _errors(self, gram: Tensor) -> Tensor:
        """Return 1 / [H⁻¹]ⱼⱼ of every feature, 0 where it is always zero; `gram` is spent."""
        from sparc3_bench import damp, inverse_factor

        dead = damp(gram, self.damping)
        # Of the inverse L⁻ᵀ L⁻¹ the diagonal alone is needed: sums of squares of columns.
        inverse = inverse_factor(gram).square_().sum(0)
        return inverse.reciprocal_().masked_fill_(dead, 0)


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [SparseGpt]
