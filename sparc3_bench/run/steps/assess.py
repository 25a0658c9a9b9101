"""What scores themselves are worth, as a task assesses them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Inputs
from sparc3_bench.record.parts import EstimateRecord
from sparc3_bench.run.steps.combined import scores_of
from sparc3_bench.run.steps.model import CellStep

if TYPE_CHECKING:
    from sparc3_bench.run.place import Place


class Assess(CellStep[dict[str, EstimateRecord]]):
    """The numbers that a task gives scores of all its references."""

    phase, codec = "assessment", AsJson(dict[str, EstimateRecord])
    with_model, spec, code = True, ("task", "unit", "group"), ("task",)
    alike = ("task", "unit", "group", "model", "scope")

    @property
    def inputs(self) -> Inputs:
        scores = [scores_of(self.cell, purpose) for purpose in self.cell.purposes]
        return {**super().inputs, "scores": scores}

    def make(self, at: Place, got: Mapping[str, Any]) -> dict[str, EstimateRecord]:
        cell = self.cell
        assert cell.task.assessment is not None
        scores = dict(zip(cell.purposes, got["scores"], strict=True))
        found = cell.task.assessment.assess(
            cell.prepared, got["model"], scores, cell.spec.unit, cell.spec.group
        )
        return {name: EstimateRecord(**dataclasses.asdict(one)) for name, one in found.items()}
