"""OBS: what is removed is made up for by the features that come after it, as SparseGPT does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sparc3_bench import NewValues, Repair, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import KeepMask, ModelView, ReferenceSamples


@dataclass(frozen=True)
class Obs(Repair):
    """SparseGPT's update of the weights that are kept [hassibi1992; frantar2023sparsegpt].

    From the first feature to the last: where w is removed, the weights of its row that read later
    features are set so that the outputs change the least.

    Parameters
    ----------
    damping
        λ as a fraction of the mean diagonal of XᵀX; above 0.
    block
        How many features are gone through before the others are brought up to date, which changes
        no number but by rounding.

    Notes
    -----
    With scorer `sparsegpt` and group `layer` it is SparseGPT, but that every block reads what the
    dense model hands it, and that the authors choose again in every block of 128 features, by
    weights that are set anew by then.
    """

    name = "obs"
    title = "OBS update"
    citation = "frantar2023sparsegpt"

    damping: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    block: Annotated[int, Field(ge=1)] = 128

    def repair(self, model: ModelView, keep: KeepMask, reference: ReferenceSamples) -> NewValues:
        """Return the new weights."""
        from sparc3_repairs.grams import of_each

        return NewValues(
            {
                name: self._updated(weights, factor, keep.weights[name])
                for name, weights, factor in of_each(model, keep, reference, self.damping, _factor)
            }
        )

    def _updated(self, weights: Tensor, factor: Tensor, keep: Tensor) -> Tensor:
        import torch

        # Features first: what is gone through step by step lies side by side, twice as fast.
        found, kept = weights.T.contiguous(), keep.T.contiguous()
        removed = kept.logical_not() / factor.diagonal()[:, None]
        for start in range(0, len(found), self.block):
            stop = min(start + self.block, len(found))
            here, part = found[start:stop], factor[start:stop, start:stop]
            errors = here.new_empty(here.shape)
            for at in range(stop - start):
                torch.mul(here[at], removed[start + at], out=errors[at])
                here[at + 1 :].addr_(part[at, at + 1 :], errors[at], alpha=-1)
            found[stop:].addmm_(factor[start:stop, stop:].T, errors, alpha=-1)
        return found.masked_fill_(~kept, 0).T.float().contiguous()


def _factor(gram: Tensor) -> Tensor:
    """Return U, upper, with UᵀU the inverse: row j is that over the features from j on, scaled."""
    from sparc3_bench import inverse_factor

    # Of features in the other order L⁻¹ is U in the other order.
    return inverse_factor(gram.flip(0, 1)).flip(0, 1)


@hookimpl
def sparc3_register_repairs() -> list[type[Repair]]:
    """Register the repair."""
    return [Obs]
