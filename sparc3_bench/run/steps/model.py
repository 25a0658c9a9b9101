"""The model in memory, and the base of all that is made with or without it for a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Hold, Inputs, Step

if TYPE_CHECKING:
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CellStep(Step[T]):
    """A step of a cell, or of all cells that agree in what its recipe names."""

    cell: Cell

    spec: ClassVar[tuple[str, ...]] = ()
    """What of the spec its recipe has; see `Cell.named`."""
    code: ClassVar[tuple[str, ...]] = ()
    """The plugins whose code it rests on: scorer, task, adapter."""
    alike: ClassVar[tuple[str, ...]] = ()
    """What of the spec its cost depends on; nothing where that is not worth counting."""
    with_model: ClassVar[bool] = False
    """Whether it takes the model in memory."""

    @property
    def recipe(self) -> dict[str, Any]:
        return {
            **super().recipe,
            **self.cell.named(*self.spec),
            "code": self.cell.made_by(*self.code),
        }

    @property
    def inputs(self) -> Inputs:
        model = {"model": DenseModel(self.cell)} if self.with_model else {}
        return {**model, **super().inputs}

    def like(self) -> Mapping[str, Any] | None:
        if not self.alike:
            return None
        streamed = {"streamed": True} if self.cell.model.streams else {}
        return {**self.cell.named(*self.alike), **streamed}


class DenseModel(CellStep["ModelView"]):
    """The model of a cell, as its adapter shows what is in scope."""

    hold = Hold.SESSION
    spec, code, alike = ("model", "scope"), ("adapter",), ("model",)

    def make(self, at: Place, got: Mapping[str, Any]) -> ModelView:
        return at.load(self.cell)


class WeightNotes(CellStep[tuple[str, ...]]):
    """What a reader of results must know of the model's weights."""

    codec = AsJson(tuple[str, ...])
    with_model = True

    def make(self, at: Place, got: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(got["model"].notes)
