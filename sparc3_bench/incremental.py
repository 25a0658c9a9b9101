"""IncrementalScorer: a scorer that can go on from what it added up before, with more samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc3_bench.contracts import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.types.model import Model
    from sparc3_bench.types.samples import ReferenceSamples
    from sparc3_bench.types.scores import ScoreMap

State = dict[str, "Tensor"]
"""All that a scorer has added up, by names of its own: sums, counts, and what is to come again."""


class IncrementalScorer(Scorer):
    """A scorer that adds up over samples in order, and can stop and go on between two of them.

    Runs that keep snapshots (`sparc3 run --snapshots`) score the samples that are new, and no
    others. Samples in two goes give the scores of all in one, bit for bit when each is a batch of
    its own; `sparc3 check` compares. `score` follows from the two methods here.
    """

    @property
    def resumes(self) -> bool:
        """Whether it can go on under these options; where not, `state` is empty at all times."""
        return True

    @abstractmethod
    def accumulate(self, model: Model, reference: ReferenceSamples, state: State) -> State:
        """Add the samples of `reference` to a state; leave model and process as they were.

        Parameters
        ----------
        model
            As for `score`.
        reference
            Samples that are not in the state. The scorer keeps their number, and draws what is
            random from `reference.seed` and the number of samples before.
        state
            What was returned for the samples before, in this process or another; empty at first.
            Its tensors may be changed in place.

        Returns
        -------
        dict
            The new state; of sums in float32 or better. No two tensors share memory.
        """

    @abstractmethod
    def finish(self, model: Model, state: State) -> ScoreMap | Mapping[str, Tensor]:
        """Return the scores of what was added up; `state` is spent.

        Returns
        -------
        mapping
            As of `score`.
        """

    def score(self, model: Model, reference: ReferenceSamples) -> ScoreMap | Mapping[str, Tensor]:
        """Score every weight in the scope of `model`: all samples in one go."""
        return self.finish(model, self.accumulate(model, reference, {}))
