"""What is ranked: scores of units, as one contrast has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Inputs
from sparc3_bench.run.steps.combined import scores_of
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.selection.units import ranked

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.parts import Contrasts
    from sparc3_bench.types.scores import Ranking, ScoreMap


@dataclass(frozen=True, eq=False)
class Rank(CellStep[Mapping[str, Tensor]]):
    """The scores of what is ranked: of the first reference, or of all in contrast; lowest go."""

    contrast: str = ""
    alike = ("model", "scope", "unit")

    @property
    def recipe(self) -> dict[str, Any]:
        # A contrast is the task's, and may have options.
        return {**super().recipe, **self.cell.named("unit", *(["task"] if self.contrast else []))}

    @property
    def inputs(self) -> Inputs:
        purposes = self.cell.purposes if self.contrast else self.cell.purposes[:1]
        return {"scores": [scores_of(self.cell, one) for one in purposes]}

    def make(self, at: Place, got: Mapping[str, Any]) -> Mapping[str, Tensor]:
        rankings = _rankings(self.cell, got["scores"])
        if not self.contrast:
            return next(iter(rankings.values())).scores
        contrasted: Mapping[str, Tensor] = _declared(self.cell).ranking(self.contrast, rankings)
        return contrasted


class Usable(CellStep[tuple[str, ...]]):
    """The contrasts that a scorer's scores allow."""

    codec = AsJson(tuple[str, ...])
    spec, code = ("unit", "task"), ("task",)

    @property
    def inputs(self) -> Inputs:
        return {"scores": [scores_of(self.cell, one) for one in self.cell.purposes]}

    def make(self, at: Place, got: Mapping[str, Any]) -> tuple[str, ...]:
        rankings = _rankings(self.cell, got["scores"])
        return tuple(_declared(self.cell).usable(rankings))

    def guess(self) -> tuple[str, ...]:
        return tuple(_declared(self.cell).names)


def contrasts(cell: Cell) -> Contrasts | None:
    """Return the contrasts that a run chooses from; a scorer without a reference has none."""
    choice = cell.task.choice
    return choice.contrasts if choice and cell.spec.objective is not None else None


def _rankings(cell: Cell, scores: Sequence[ScoreMap]) -> dict[str, Ranking]:
    """Return what is ranked by purpose, of the first so many purposes."""
    pairs = zip(cell.purposes, scores, strict=False)
    return {purpose: ranked(one, cell.blank, cell.spec.unit) for purpose, one in pairs}


def _declared(cell: Cell) -> Contrasts:
    declared = contrasts(cell)
    assert declared is not None
    return declared
