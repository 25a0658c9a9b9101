"""What scores themselves are worth, as a task assesses them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.step import Step
from sparc3_bench.graph.store import AsJson
from sparc3_bench.record.parts import EstimateRecord
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.steps.score import Score

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place


@dataclass(frozen=True, eq=False)
class Assess(Step[dict[str, EstimateRecord]]):
    """The numbers that a task gives scores of all its references."""

    cell: Cell
    phase = "assessment"
    codec = AsJson(dict[str, EstimateRecord])

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The task, and what is ranked in which set."""
        return {**self.cell.named("task", "unit", "group"), "code": self.cell.made_by("task")}

    @property
    def inputs(self) -> Mapping[str, Step[Any] | Sequence[Step[Any]]]:
        """The model and the scores."""
        scores = [Score(self.cell, purpose) for purpose in self.cell.purposes]
        return {"model": DenseModel(self.cell), "scores": scores}

    def like(self) -> Mapping[str, Any]:
        """All of as many scores by one task."""
        return {**self.recipe, **self.cell.named("model", "scope")}

    def make(self, at: Place, got: Mapping[str, Any]) -> dict[str, EstimateRecord]:
        """Assess."""
        cell = self.cell
        assert cell.task.assessment is not None
        scores = dict(zip(cell.purposes, got["scores"], strict=True))
        found = cell.task.assessment.assess(
            cell.prepared, got["model"], scores, cell.spec.unit, cell.spec.group
        )
        return {name: EstimateRecord(**dataclasses.asdict(one)) for name, one in found.items()}
