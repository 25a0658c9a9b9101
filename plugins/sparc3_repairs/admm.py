"""ADMM: the weights that are kept are set anew so that outputs change the least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sparc3_bench import NewValues, Repair, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import KeepMask, ModelView, ReferenceSamples


@dataclass(frozen=True)
class Admm(Repair):
    """Least squares of the outputs over what is kept, by alternating directions [boza2024].

    Parameters
    ----------
    steps
        Of alternation; with ever more it comes to the least squares.
    penalty
        ρ, with features scaled so that the diagonal of XᵀX is 1.
    damping
        λ as a fraction of the mean diagonal of XᵀX; above 0.
    """

    name = "admm"
    title = "ADMM"
    citation = "boza2024"

    steps: Annotated[int, Field(ge=1)] = 20
    penalty: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    damping: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1

    def repair(self, model: ModelView, keep: KeepMask, reference: ReferenceSamples) -> NewValues:
        """Return the new weights."""
        from sparc3_repairs.grams import of_each

        return NewValues(
            {
                name: self._solved(weights, keep.weights[name], *made)
                for name, weights, made in of_each(
                    model, keep, reference, self.damping, self._scaled
                )
            }
        )

    def _scaled(self, gram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features' lengths, XᵀX of features of length 1, and its inverse with a penalty."""
        import torch

        lengths = gram.diagonal().sqrt()
        gram = gram / lengths[:, None] / lengths
        eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram + self.penalty * eye))
        return lengths, gram, inverse

    def _solved(
        self, weights: Tensor, keep: Tensor, lengths: Tensor, gram: Tensor, inverse: Tensor
    ) -> Tensor:
        import torch

        scaled = weights * lengths
        wanted = scaled @ gram
        dual, kept = torch.zeros_like(scaled), scaled * keep
        for _ in range(self.steps):
            free = (wanted + self.penalty * (kept - dual)) @ inverse
            kept = (free + dual) * keep
            dual += free - kept
        return (kept / lengths).float()


@hookimpl
def sparc3_register_repairs() -> list[type[Repair]]:
    """Register the repair."""
    return [Admm]
