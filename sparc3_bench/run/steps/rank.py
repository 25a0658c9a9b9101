"""What is ranked: scores of units, as one contrast has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sparc3_bench.graph.step import Step
from sparc3_bench.graph.store import AsJson
from sparc3_bench.run.steps.score import Score
from sparc3_bench.selection.units import ranked

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.parts import Contrasts
    from sparc3_bench.types.scores import Ranking, ScoreMap


@dataclass(frozen=True, eq=False)
class Rank(Step[Mapping[str, Tensor]]):
    """The scores of what is ranked, as one contrast has them; lowest go first."""

    cell: Cell
    contrast: str = ""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Unit and contrast, with all that the task is told of it."""
        told = {"contrast": self.contrast, **self.cell.named("unit")}
        return {**told, **self.cell.named("task")} if self.contrast else told

    @property
    def inputs(self) -> Mapping[str, Step[Any] | Sequence[Step[Any]]]:
        """The scores of the first reference, of all where they are contrasted."""
        purposes = self.cell.purposes if self.contrast else self.cell.purposes[:1]
        return {"scores": [Score(self.cell, one) for one in purposes]}

    def like(self) -> Mapping[str, Any]:
        """All rankings of as many scores."""
        return {"contrast": self.contrast, **self.cell.named("model", "scope", "unit")}

    def make(self, at: Place, got: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Rank units, and contrast."""
        if not self.contrast:
            (own,) = got["scores"]
            return ranked(own, self.cell.blank, self.cell.spec.unit).scores
        return _declared(self.cell).ranking(self.contrast, _rankings(self.cell, got["scores"]))


@dataclass(frozen=True, eq=False)
class Usable(Step[tuple[str, ...]]):
    """The contrasts that a scorer's scores allow."""

    cell: Cell
    codec = AsJson(tuple[str, ...])

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Unit, and all that the task is told."""
        return self.cell.named("unit", "task")

    @property
    def inputs(self) -> Mapping[str, Step[Any] | Sequence[Step[Any]]]:
        """The scores of all references."""
        return {"scores": [Score(self.cell, one) for one in self.cell.purposes]}

    def make(self, at: Place, got: Mapping[str, Any]) -> tuple[str, ...]:
        """Ask the task."""
        return tuple(_declared(self.cell).usable(_rankings(self.cell, got["scores"])))

    def guess(self) -> tuple[str, ...]:
        """Take all to be usable."""
        return _declared(self.cell).names


def contrasts(cell: Cell) -> Contrasts | None:
    """Return the contrasts that a run chooses from; a scorer without a reference has none."""
    choice = cell.task.choice
    return choice.contrasts if choice and len(cell.purposes) > 1 else None


def _declared(cell: Cell) -> Contrasts:
    declared = contrasts(cell)
    assert declared is not None
    return declared


def _rankings(cell: Cell, scores: Sequence[ScoreMap]) -> Mapping[str, Ranking]:
    return {
        purpose: ranked(one, cell.blank, cell.spec.unit)
        for purpose, one in zip(cell.purposes, scores, strict=True)
    }
