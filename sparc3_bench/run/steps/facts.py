"""What a task asks of the dense model, and the task as it stands when it knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import JsonValue

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Hold, Inputs
from sparc3_bench.run.steps.judge import Verdict
from sparc3_bench.run.steps.model import CellStep

if TYPE_CHECKING:
    from sparc3_bench.contracts import PreparedTask
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.parts import Facts
    from sparc3_bench.types.samples import ReferenceSamples
    from sparc3_bench.types.values import Texts


T = TypeVar("T")


class Asked(CellStep[JsonValue]):
    """What the dense model answers to a task."""

    phase, codec = "meeting", AsJson(JsonValue)
    spec, code = ("model", "measure", "datasets"), ("task", "adapter")
    with_model, unnamed = True, frozenset({"model"})

    def make(self, at: Place, got: Mapping[str, Any]) -> JsonValue:
        with at.progress(f"{self.cell.task.name} asks {self.cell.spec.model.id}") as progress:
            answers: JsonValue = _facts(self.cell).ask(self.cell.prepared, got["model"], progress)
            return answers

    def like(self) -> Mapping[str, Any]:
        """No other: it decides what comes after it, so that a plan makes it."""
        return {"key": self.key}

    def texts(self, value: JsonValue) -> Texts:
        """Return what of the answers a judge must read."""
        return _facts(self.cell).texts(self.cell.prepared, value)


class Learned(CellStep["PreparedTask"]):
    """The task as it stands for the dense model."""

    hold = Hold.SESSION
    spec = ("task",)

    @property
    def inputs(self) -> Inputs:
        asked = Asked(self.cell)
        judge = {"verdict": Verdict(self.cell, asked, "meeting")} if self.cell.judge else {}
        return {"asked": asked, **judge}

    def make(self, at: Place, got: Mapping[str, Any]) -> PreparedTask:
        known: PreparedTask = _facts(self.cell).learned(
            self.cell.prepared, got["asked"], got.get("verdict", {})
        )
        return known


class AfterFacts(CellStep[T]):
    """A step that needs the references of its cell's task."""

    @property
    def inputs(self) -> Inputs:
        return {**super().inputs, **learned(self.cell)}


class ReadsGeneral(AfterFacts[T]):
    """A step that reads the samples of `general_reference`."""

    @property
    def recipe(self) -> dict[str, Any]:
        return {**super().recipe, **general_content(self.cell)}


def general_reference(cell: Cell, at: Place | None) -> ReferenceSamples:
    """Return the reference samples, whether or not a scorer needs any: the general of several.

    Without a place they must not follow from what the dense model answers.
    """
    known = at.get(Learned(cell)) if at is not None and cell.learns else None
    return next(iter(cell.general_references(known).values()))


def general_content(cell: Cell) -> dict[str, Any]:
    """Return as part of a recipe which samples `general_reference` gives, where that is known."""
    return {} if cell.learns else {"content": general_reference(cell, None).digest}


def learned(cell: Cell) -> dict[str, Learned]:
    """Return the input of a step that needs the references of a cell's task."""
    return {"learned": Learned(cell)} if cell.learns else {}


def reference_of(cell: Cell, purpose: str, at: Place | None = None) -> ReferenceSamples:
    """Return the reference samples, which may follow from what the dense model answers."""
    known = at.get(Learned(cell)) if at is not None and purpose and cell.learns else None
    return cell.references(known)[purpose]


def _facts(cell: Cell) -> Facts[Any]:
    assert cell.task.facts is not None
    return cell.task.facts
