"""The model in memory, and what there is to say of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.step import Hold, Step
from sparc3_bench.graph.store import AsJson

if TYPE_CHECKING:
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place


@dataclass(frozen=True, eq=False)
class DenseModel(Step["ModelView"]):
    """The model of a cell, as its adapter shows what is in scope."""

    cell: Cell
    hold = Hold.SESSION

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The model and what is in scope."""
        return {**self.cell.named("model", "scope"), **self.cell.made_by("adapter")}

    def like(self) -> Mapping[str, Any]:
        """All loading of one model is alike."""
        return self.cell.named("model")

    def make(self, at: Place, got: Mapping[str, Any]) -> ModelView:
        """Load it."""
        return at.load(self.cell)


@dataclass(frozen=True, eq=False)
class WeightNotes(Step[tuple[str, ...]]):
    """What a reader of results must know of the model's weights."""

    cell: Cell
    codec = AsJson(tuple[str, ...])

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Nothing beside the model."""
        return {}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The model."""
        return {"model": DenseModel(self.cell)}

    def make(self, at: Place, got: Mapping[str, Any]) -> tuple[str, ...]:
        """Read the notes that were made when it was loaded."""
        return tuple(got["model"].notes)
