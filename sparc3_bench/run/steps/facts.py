"""What a task asks of the dense model, and the task as it stands when it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from sparc3_bench.graph.step import Hold, Step
from sparc3_bench.graph.store import AsJson
from sparc3_bench.run.steps.judge import Verdict
from sparc3_bench.run.steps.model import DenseModel

if TYPE_CHECKING:
    from sparc3_bench.contracts import PreparedTask
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.parts import Facts
    from sparc3_bench.types.values import Texts


@dataclass(frozen=True, eq=False)
class Asked(Step[JsonValue]):
    """What the dense model answers to a task."""

    cell: Cell
    phase = "meeting"
    codec = AsJson(JsonValue)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The model, the task but for what only steers, and its texts."""
        cell = self.cell
        return {
            **cell.named("model", "datasets"),
            "task": cell.task_as_measured(),
            "code": cell.made_by("task", "adapter"),
        }

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The model."""
        return {"model": DenseModel(self.cell)}

    @property
    def named_by(self) -> Mapping[str, Step[Any]]:
        """Nothing: what is in scope does not matter."""
        return {}

    def make(self, at: Place, got: Mapping[str, Any]) -> JsonValue:
        """Let the task ask."""
        facts, model = _facts(self.cell), self.cell.spec.model.id
        with at.progress(f"{self.cell.task.name} asks {model}") as progress:
            answers: JsonValue = facts.ask(self.cell.prepared, got["model"], progress)
            return answers

    def like(self) -> Mapping[str, Any]:
        """Nothing: it decides what comes after it, so that a plan makes it."""
        return {"key": self.key}

    def texts(self, value: JsonValue) -> Texts:
        """Return what of the answers a judge must read."""
        return _facts(self.cell).texts(self.cell.prepared, value)


@dataclass(frozen=True, eq=False)
class Learned(Step["PreparedTask"]):
    """The task as it stands for the dense model."""

    cell: Cell
    hold = Hold.SESSION

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The task with all its options."""
        return self.cell.named("task")

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The model's answers, and what the judge says of them."""
        asked = Asked(self.cell)
        judge = {"verdict": Verdict(self.cell, asked, "meeting")} if self.cell.judge else {}
        return {"asked": asked, **judge}

    def make(self, at: Place, got: Mapping[str, Any]) -> PreparedTask:
        """Tell the task."""
        facts = _facts(self.cell)
        known: PreparedTask
        known = facts.learned(self.cell.prepared, got["asked"], got.get("verdict", {}))
        return known


def learned(cell: Cell) -> dict[str, Step[Any]]:
    """Return the input of a step that needs the references of a cell's task."""
    return {"learned": Learned(cell)} if cell.learns else {}


def _facts(cell: Cell) -> Facts[Any]:
    assert cell.task.facts is not None
    return cell.task.facts
