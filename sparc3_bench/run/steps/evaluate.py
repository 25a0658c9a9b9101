"""Measuring a task on the dense model, or on what a circuit leaves of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.step import Hold, Step
from sparc3_bench.graph.store import AsJson
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.record.spec import content_key
from sparc3_bench.run.memory import remembering
from sparc3_bench.run.responses import Evaluated
from sparc3_bench.run.steps.facts import learned
from sparc3_bench.run.steps.mask import DENSE, Circuit, CircuitStep
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.types.values import Evaluation

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.conventions import Part
    from sparc3_bench.types.samples import ReferenceSamples
    from sparc3_bench.types.values import Texts

_PHASES = {"test": "evaluation", "selection": "search"}
"""By part of the data, where a record counts what measuring on it costs; else it is a control."""


@dataclass(frozen=True, eq=False)
class Evaluate(Step[Evaluated]):
    """Per-sample measurements on a part of the data, without what a circuit does not keep.

    Two circuits that are the same, whoever made them, are measured once. Judges come later.
    """

    cell: Cell
    part: Part
    circuit: CircuitStep | None = None
    codec = AsJson(Evaluated)

    @property
    def phase(self) -> str:  # type: ignore[override]
        """By what is measured on."""
        return _PHASES.get(self.part, "controls")

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Model, task and data; and what removed weights read."""
        ablation = self.cell.spec.ablation
        changed = {"ablation": ablation} if self.circuit and ablation != "zero" else {}
        return {"part": self.cell.part(self.part), **self._about, **changed}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The model, the circuit, and what the task and the ablation want beside them."""
        found: dict[str, Step[Any]] = {"model": DenseModel(self.cell)}
        if self.circuit is not None:
            found |= self.named_by
            if self.cell.prepared.part(self.part).compares:
                found["dense"] = DenseEvaluation(self.cell, self.part)
        return found

    @property
    def named_by(self) -> Mapping[str, Step[Any]]:
        """The circuit, and the mean inputs where those are read."""
        if self.circuit is None:
            return {}
        means = {"means": MeanInputs(self.cell)} if self.cell.spec.ablation == "mean" else {}
        return {"circuit": self.circuit, **means}

    def also(self, at: Place) -> str | None:
        """Name it by what is removed, and by what is read in its place."""
        if self.circuit is None:
            return None
        content = self.circuit.content(at)
        if content == DENSE:
            return Evaluate(self.cell, self.part).key
        return content_key({**self.recipe, **self._removed(at, content)})

    def make(self, at: Place, got: Mapping[str, Any]) -> Evaluated:
        """Remove, measure, and put back."""
        view, prepared = got["model"], self.cell.prepared.part(self.part)
        circuit: Circuit | None = got.get("circuit")
        if circuit is not None and circuit.removes_nothing:
            return at.get(Evaluate(self.cell, self.part))
        with ablated(view, circuit, self.cell.spec.ablation, got.get("means")):
            found = self.measured(at, view, got.get("dense"))
        if circuit is None and prepared.compares:
            at.put(DenseEvaluation(self.cell, self.part), found)
        found = prepared.after(view, found)
        return Evaluated(
            samples={name: tuple(map(float, values)) for name, values in found.samples.items()},
            has_memory=found.memory is not None,
            texts={kind: tuple(map(tuple, some)) for kind, some in found.texts.items()},
        )

    def measured(self, at: Place, view: ModelView, dense: Evaluation | None) -> Evaluation:
        """Measure the model as it is; parts of a long evaluation are kept as they are measured."""
        content = self.circuit.content(at) if self.circuit else DENSE
        state = {**self._about, "data": None, "task": {**self._about["task"], "options": {}}}
        name = content_key({**state, **self._removed(at, content)})
        path = at.store.root / "memories" / f"{name}.jsonl"
        with at.progress(self.title) as step, remembering(view, path, at.meter):
            return self.cell.prepared.part(self.part).evaluate(view, dense, step)

    @property
    def title(self) -> str:
        """What is going on."""
        if self.circuit is None:
            return f"dense {self.cell.spec.model.id}"
        what = {"test": "", "selection": "selection part · "}.get(self.part, "random controls · ")
        return f"{what}{self.cell.spec.removal} {self.circuit.amount:g}"

    def like(self) -> Mapping[str, Any]:
        """All of one task and part on one model; zeros cost what weights cost."""
        how = self.cell.spec.ablation if self.is_dearer else "dense"
        return {"part": self.cell.part(self.part), "how": how, **self._about}

    @property
    def is_dearer(self) -> bool:
        """Whether it may take longer than on the dense model."""
        compares = self.cell.prepared.part(self.part).compares
        return self.circuit is not None and (self.cell.spec.ablation != "zero" or compares)

    def texts(self, value: Evaluated) -> Texts:
        """Return what the model wrote."""
        return value.texts

    @property
    def _about(self) -> dict[str, Any]:
        cell = self.cell
        return {
            **cell.named("model"),
            "task": cell.task_as_measured(),
            "data": cell.data(steers=False),
            "code": cell.made_by("task", "adapter"),
        }

    def _removed(self, at: Place, content: str) -> dict[str, Any]:
        ablation = self.cell.spec.ablation
        removed: dict[str, Any] = {"mask": content}
        if content != DENSE and ablation != "zero":
            removed["ablation"] = ablation
        if content != DENSE and ablation == "mean":
            removed["means"] = at.also(MeanInputs(self.cell))
        return removed


@dataclass(frozen=True, eq=False)
class DenseEvaluation(Step[Evaluation]):
    """What the task wants back of the dense model when it measures a pruned one."""

    cell: Cell
    part: Part
    hold = Hold.SESSION

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Nothing beside the evaluation."""
        return {}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The evaluation, and the model to make again what of it is never kept."""
        return {"numbers": Evaluate(self.cell, self.part), "model": DenseModel(self.cell)}

    @property
    def named_by(self) -> Mapping[str, Step[Any]]:
        """The evaluation."""
        return {"numbers": Evaluate(self.cell, self.part)}

    def like(self) -> Mapping[str, Any]:
        """As for the evaluation."""
        return Evaluate(self.cell, self.part).like()

    def units(self, at: Place) -> float:
        """Once, where the evaluation is kept and what is wanted back of it is not."""
        kept = at.find(Evaluate(self.cell, self.part))
        return float(kept is not None and kept.value.has_memory)

    def make(self, at: Place, got: Mapping[str, Any]) -> Evaluation:
        """Take the numbers where those are all; else measure again."""
        if not got["numbers"].has_memory:
            return Evaluation(got["numbers"].samples)
        return Evaluate(self.cell, self.part).measured(at, got["model"], None)


@dataclass(frozen=True, eq=False)
class MeanInputs(Step["Mapping[str, Tensor]"]):
    """The mean inputs of every weight over the reference samples: the general ones of several."""

    cell: Cell
    hold = Hold.SESSION

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Texts and objective; the digest of their tokens where it is known."""
        cell, told = self.cell, dict[str, Any]()
        if not cell.learns:
            told["content"] = _first(cell.general_references(None)).digest
        return {**told, **cell.named("model"), "reference": cell.data(steers=True)}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The model, and the task where it must know that first."""
        return {"model": DenseModel(self.cell), **learned(self.cell)}

    def also(self, at: Place) -> str:
        """Name it by the tokens of the reference."""
        known = at.get(learned(self.cell)["learned"]) if self.cell.learns else None
        return _first(self.cell.general_references(known)).digest

    def like(self) -> Mapping[str, Any]:
        """All of one model over the same texts."""
        return {**self.cell.named("model", "scope"), "reference": self.cell.data(steers=True)}

    def make(self, at: Place, got: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Run the model over the reference samples."""
        reference = _first(self.cell.general_references(got.get("learned")))
        with at.progress("mean inputs") as step:
            return mean_inputs(got["model"], at.ready(reference, self.cell, step))


def ablated(
    view: ModelView, circuit: Circuit | None, ablation: str, means: Mapping[str, Tensor] | None
) -> AbstractContextManager[None]:
    """Remove what a circuit does not keep, in one of the ways of `Ablation`."""
    if circuit is None or circuit.removes_nothing:
        return nullcontext()
    if ablation == "zero":
        return view.masked(circuit.mask)
    if ablation == "resample":
        return view.resample_ablated(circuit.mask)
    assert means is not None
    return view.mean_ablated(circuit.mask, means)


def _first(references: Mapping[str, ReferenceSamples]) -> ReferenceSamples:
    return next(iter(references.values()))
