"""Importance scores that follow from those of other scorers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sparc3_bench.attribution.scores import checked
from sparc3_bench.combined import CombinedScorer
from sparc3_bench.graph.step import Inputs
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.run.steps.score import Score
from sparc3_bench.types.lazy import Lazy
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place


@dataclass(frozen=True, eq=False)
class Combined(CellStep[ScoreMap]):
    """The scores that a cell's scorer makes of those of others; made faster than read."""

    purpose: str
    spec, code = ("scorer",), ("scorer",)

    @property
    def phase(self) -> str:
        return self.cell.phase

    @property
    def inputs(self) -> Inputs:
        lenders = [self.cell.lenders[name] for name in self._scorer.scorers]
        of = [self.purpose if self.purpose in one.purposes else "" for one in lenders]
        return {"lent": [scores_of(*each) for each in zip(lenders, of, strict=True)]}

    def make(self, at: Place, got: Mapping[str, Any]) -> ScoreMap:
        scorer, weights = self._scorer, self.cell.blank.weights()
        lent = dict(zip(scorer.scorers, got["lent"], strict=True))

        def combined(name: str) -> Tensor:
            scores = {name: scorer.combine({who: one[name] for who, one in lent.items()})}
            return checked(scores, {name: weights[name]}, scorer.name)[name]

        found = Lazy(weights, combined)
        return ScoreMap(found if self.cell.model.streams else dict(found))

    @property
    def _scorer(self) -> CombinedScorer:
        assert isinstance(self.cell.scorer, CombinedScorer)
        return self.cell.scorer


def scores_of(cell: Cell, purpose: str) -> Score | Combined:
    """Return the step that makes the scores of a cell under the reference of one purpose."""
    return (Combined if isinstance(cell.scorer, CombinedScorer) else Score)(cell, purpose)
