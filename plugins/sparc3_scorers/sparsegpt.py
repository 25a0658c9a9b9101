"""SparseGPT's saliency: w² / [H⁻¹]ⱼⱼ, what the output loses if other weights make up for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sparc3_bench import IncrementalScorer, Scorer, Sparc3Error, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, dtype

    from sparc3_bench import ModelView, ReferenceSamples, State

_STRIPE = 256
"""Rows of XᵀX that are added to at once, each stripe as far as the diagonal."""

_BETWEEN = "|"
"""Between the parts of a name in a state; in no path of a module."""


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
    taken in float32 a batch and summed in float64, 8 bytes times the square of the number of
    features, once for the matrices that read the same inputs.
    """

    name = "sparsegpt"
    title = "SparseGPT saliency"
    takes_products = False
    citation = "frantar2023sparsegpt"
    formula = "w² / [(XᵀX + λ)⁻¹]ⱼⱼ with X the inputs over all tokens, j the feature that w reads"

    damping: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01

    def accumulate(self, model: ModelView, reference: ReferenceSamples, state: State) -> State:
        """Add XᵀX over tokens, and keep which matrices read the same inputs."""
        weights = model.weights()
        repeated = {name for name, weight in weights.items() if weight.sharing}
        inputs = _Inputs(repeated, state, model.widest)
        with model.observe(inputs.add):
            model.run(reference)
        return inputs.state()

    def finish(self, model: ModelView, state: State) -> Mapping[str, Tensor]:
        """Return w² / [H⁻¹]ⱼⱼ of every weight, in [0, ∞)."""
        import torch

        from sparc3_bench import row_parts, zeros_for

        inputs = _Inputs(set(), state, model.widest)
        state.clear()
        errors = {first: self._errors(inputs.grams.pop(first)) for first in list(inputs.grams)}
        matrices = {name: weight.matrix for name, weight in model.weights().items()}
        scores = zeros_for(matrices, torch.float32)
        for name, matrix in matrices.items():
            error = errors[inputs.first[name]]
            for rows in row_parts(matrix):
                wide = matrix[rows].to(model.widest, copy=True)
                scores[name][rows].copy_(wide.square_().mul_(error))
        return scores

    def _errors(self, gram: Tensor) -> Tensor:
        """Return 1 / [H⁻¹]ⱼⱼ of every feature, 0 where it is always zero; `gram` is spent."""
        diagonal = gram.diagonal()
        dead = diagonal == 0
        diagonal += self.damping * diagonal.mean()
        diagonal[dead] = 1
        # Of the inverse L⁻ᵀ L⁻¹ the diagonal alone is needed: sums of squares of columns.
        inverse = _inverse_factor(gram).square_().sum(0)
        return inverse.reciprocal_().masked_fill_(dead, 0)


def _inverse_factor(gram: Tensor) -> Tensor:
    """Return L⁻¹ with L Lᵀ what is on and below the diagonal; on the host in its place."""
    import torch

    if gram.device.type != "cpu":
        one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        lower = torch.linalg.cholesky(gram)
        found: Tensor = torch.linalg.solve_triangular(lower, one, upper=False)
        return found
    from scipy.linalg import lapack

    # To LAPACK, which counts columns first, this is an upper triangle. Torch copies it, and forms
    # twice the products that the inverse of a triangle needs.
    factor, info = lapack.dpotrf(gram.numpy().T, lower=0, overwrite_a=1)
    inverse, failed = lapack.dtrtri(factor, lower=0, overwrite_c=1)
    if info or failed:
        raise Sparc3Error(
            "Scorer 'sparsegpt' found inputs whose products have no factor; give a larger "
            "`damping`."
        )
    return torch.from_numpy(inverse.T)


class _Inputs:
    """XᵀX of the inputs of every matrix, kept once for those that read the same.

    Matrices that are `repeated`, used by several modules, have inputs of their own. What `state` of
    other inputs returned can be gone on from; its tensors are taken over. By name, `grams` are
    ``[in_features, in_features]``, filled below the diagonal, and `first` is the first matrix, in
    order of use, that reads the same inputs. Sums over batches are kept in `dtype`.
    """

    def __init__(self, repeated: set[str], state: State, dtype: dtype) -> None:
        self._repeated, self._dtype = repeated, dtype
        self._last: tuple[str, Tensor] | None = None
        self.grams: dict[str, Tensor] = {}
        self.first: dict[str, str] = {}
        for place, value in state.items():
            kind, *names = place.split(_BETWEEN)
            if kind == "gram":
                self.grams[names[0]] = value
            else:
                self.first[names[0]] = names[1]

    def state(self) -> State:
        """Return all sums, and as empty tensors which matrix reads the inputs of which first."""
        import torch

        found = {_BETWEEN.join(("gram", name)): gram for name, gram in self.grams.items()}
        return found | {
            _BETWEEN.join(("reads", name, first)): torch.zeros(0)
            for name, first in self.first.items()
        }

    def add(self, name: str, inputs: Tensor) -> None:
        """Add ``[tokens, in_features]``."""
        if name not in self.first:
            self.first[name] = self._reads(name, inputs)
        if name not in self._repeated:
            self._last = (self.first[name], inputs)
        if self.first[name] != name:
            return
        count = inputs.shape[1]
        if name not in self.grams:
            self.grams[name] = inputs.new_zeros(count, count, dtype=self._dtype)
        for start in range(0, count, _STRIPE):
            stop = start + _STRIPE
            stripe = self.grams[name][start:stop, :stop]
            stripe.add_(inputs[:, start:stop].T @ inputs[:, :stop])

    def _reads(self, name: str, inputs: Tensor) -> str:
        if self._last is None or name in self._repeated:
            return name
        first, last = self._last
        is_same = last is inputs or last.equal(inputs)
        return first if is_same and bool(inputs.any()) else name


@hookimpl
def sparc3_register_scorers() -> list[type[Scorer]]:
    """Register the scorer."""
    return [SparseGpt]
