"""CombinedScorer: a scorer made of the scores of others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc3_bench.contracts import Scorer
from sparc3_bench.host import default_host

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.types.model import Model
    from sparc3_bench.types.samples import ReferenceSamples


class CombinedScorer(Scorer):
    """A scorer whose scores of a matrix follow from those that others give it.

    In runs these are scored on their own, each under its own objective unless the user asks for
    one, and what is known of them is used again. They have their default options, and combine none
    themselves.
    """

    @property
    @abstractmethod
    def scorers(self) -> tuple[str, ...]:
        """The others, by name."""

    @abstractmethod
    def combine(self, lent: Mapping[str, Tensor]) -> Tensor:
        """Return the scores of one matrix.

        Parameters
        ----------
        lent
            By name of the scorer its scores, float32 ``[out_features, in_features]``; not to be
            changed.

        Returns
        -------
        Tensor
            In the same shape, finite; higher means more important.
        """

    def score(self, model: Model, reference: ReferenceSamples) -> Mapping[str, Tensor]:
        """Score every weight in the scope of `model`, the others one after another first."""
        host = default_host()
        found = {
            name: host.get("scorer", name).cls().score(model, reference) for name in self.scorers
        }
        return {
            matrix: self.combine({name: one[matrix].float() for name, one in found.items()})
            for matrix in model.weights()
        }


def lenders_of(scorer: Scorer) -> tuple[str, ...]:
    """Return the names of the scorers that a scorer is combined of."""
    return scorer.scorers if isinstance(scorer, CombinedScorer) else ()
