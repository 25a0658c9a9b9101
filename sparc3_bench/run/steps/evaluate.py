"""Measuring a task on the dense model, or on what a circuit leaves of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Hold, Inputs
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.run.memory import remembering
from sparc3_bench.run.responses import Evaluated
from sparc3_bench.run.steps.facts import ReadsGeneral, general_reference
from sparc3_bench.run.steps.mask import DENSE, Circuit, CircuitStep
from sparc3_bench.run.steps.model import CellStep, DenseModel
from sparc3_bench.types.values import Evaluation

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.contracts import PreparedTask
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.conventions import Part
    from sparc3_bench.types.values import Texts

_PHASES = {"test": "evaluation", "selection": "search"}
"""By part of the data, where a record counts what measuring on it costs; else it is a control."""


@dataclass(frozen=True, eq=False)
class Evaluate(CellStep[Evaluated]):
    """Per-sample measurements on a part of the data, without what a circuit does not keep.

    Two circuits that are the same, whoever made them, are measured once. Judges come later.
    """

    part: Part
    circuit: CircuitStep | None = None
    codec = AsJson(Evaluated)
    unnamed = frozenset({"model", "dense"})

    @property
    def phase(self) -> str:
        return _PHASES.get(self.part, "controls")

    @property
    def recipe(self) -> dict[str, Any]:
        ablation = self.cell.spec.ablation
        changed = {"ablation": ablation} if self.circuit and ablation != "zero" else {}
        return {"part": self.cell.part(self.part), **self._about, **changed}

    @property
    def inputs(self) -> Inputs:
        found: dict[str, Any] = {"model": DenseModel(self.cell)}
        if self.circuit is not None:
            found["circuit"] = self.circuit
            if self.cell.spec.ablation == "mean":
                found["means"] = MeanInputs(self.cell)
            if self._data.compares:
                found["dense"] = self._dense
        return found

    def also(self, at: Place) -> str | None:
        """Name it by what is removed, and by what is read in its place."""
        if self.circuit is None:
            return None
        content = self.circuit.content(at)
        if content == DENSE:
            return Evaluate(self.cell, self.part).key
        return self.named({**self.recipe, **self._removed(at, content)})

    def make(self, at: Place, got: Mapping[str, Any]) -> Evaluated:
        view, circuit = got["model"], got.get("circuit")
        if circuit is not None and circuit.removes_nothing:
            return at.get(Evaluate(self.cell, self.part))
        with ablated(view, circuit, self.cell.spec.ablation, got.get("means")):
            found = self.measured(at, view, got.get("dense"))
        if circuit is None and self._data.compares:
            at.put(self._dense, found)
        found = self._data.after(view, found)
        return Evaluated(
            samples={name: tuple(map(float, values)) for name, values in found.samples.items()},
            has_memory=found.memory is not None,
            texts={kind: tuple(map(tuple, some)) for kind, some in found.texts.items()},
        )

    def measured(self, at: Place, view: ModelView, dense: Evaluation | None) -> Evaluation:
        """Measure the model as it is; parts of a long evaluation are kept as they are measured."""
        content = self.circuit.content(at) if self.circuit else DENSE
        # Values have names of their own, which say what of data and options they depend on.
        task = {**self._about["measure"], "options": {}}
        state = {**self._about, "data": None, "measure": task, **self._removed(at, content)}
        memory = remembering(view, at.store, self.named(state), at.passed, at.meter)
        with at.progress(self.title) as step, memory:
            return self._data.evaluate(view, dense, step)

    def like(self) -> Mapping[str, Any]:
        """All of one task and part on one model; zeros cost what weights cost."""
        how = self.cell.spec.ablation if self.is_dearer else "dense"
        return {"part": self.cell.part(self.part), "how": how, **self._about}

    @property
    def is_dearer(self) -> bool:
        """Whether it may take longer than on the dense model."""
        is_changed = self.cell.spec.ablation != "zero" or self._data.compares
        return self.circuit is not None and is_changed

    @property
    def title(self) -> str:
        """What is going on."""
        if self.circuit is None:
            return f"dense {self.cell.spec.model.id}"
        what = {"test": "", "selection": "selection part · "}.get(self.part, "random controls · ")
        return f"{what}{self.cell.spec.removal} {self.circuit.amount:g}"

    def texts(self, value: Evaluated) -> Texts:
        """Return what the model wrote."""
        return value.texts

    @property
    def _dense(self) -> DenseEvaluation:
        return DenseEvaluation(self.cell, self.cell.part(self.part))

    @property
    def _data(self) -> PreparedTask:
        return self.cell.prepared.part(self.part)

    @property
    def _about(self) -> dict[str, Any]:
        code = self.cell.made_by("task", "adapter")
        return {**self.cell.named("model", "measure", "data"), "code": code}

    def _removed(self, at: Place, content: str) -> dict[str, Any]:
        removed, ablation = {"mask": content}, self.cell.spec.ablation
        if content != DENSE and ablation != "zero":
            removed["ablation"] = ablation
        if content != DENSE and ablation == "mean":
            removed["means"] = at.also(MeanInputs(self.cell))
        return removed


@dataclass(frozen=True, eq=False)
class DenseEvaluation(CellStep[Evaluation]):
    """What the task wants back of the dense model when it measures a pruned one."""

    part: Part
    hold = Hold.SESSION
    with_model, unnamed = True, frozenset({"model"})

    @property
    def inputs(self) -> Inputs:
        return {**super().inputs, "numbers": Evaluate(self.cell, self.part)}

    def make(self, at: Place, got: Mapping[str, Any]) -> Evaluation:
        if not got["numbers"].has_memory:
            return Evaluation(got["numbers"].samples)
        return Evaluate(self.cell, self.part).measured(at, got["model"], None)

    def like(self) -> Mapping[str, Any]:
        """As for the evaluation."""
        return Evaluate(self.cell, self.part).like()

    def units(self, at: Place) -> float:
        """Once, where the evaluation was kept before and what is wanted back of it is not."""
        numbers = Evaluate(self.cell, self.part)
        kept = None if numbers.key in at.promised else at.find(numbers)
        return float(kept is not None and kept.value.has_memory)


class MeanInputs(ReadsGeneral["Mapping[str, Tensor]"]):
    """The mean inputs of every weight over the reference samples: the general ones of several."""

    hold = Hold.SESSION
    with_model, spec = True, ("model", "reference")
    alike = ("model", "scope", "reference")

    def also(self, at: Place) -> str:
        """Name it by the tokens of the reference."""
        return general_reference(self.cell, at).digest

    def make(self, at: Place, got: Mapping[str, Any]) -> Mapping[str, Tensor]:
        with at.progress("mean inputs") as step:
            reference = general_reference(self.cell, at)
            return mean_inputs(got["model"], at.ready(reference, self.cell, step))


def ablated(
    view: ModelView, circuit: Circuit | None, ablation: str, means: Mapping[str, Tensor] | None
) -> AbstractContextManager[None]:
    """Remove what a circuit does not keep, in one of the ways of `Ablation`."""
    if circuit is None or circuit.removes_nothing:
        return nullcontext()
    if ablation == "zero":
        return view.masked(circuit.mask, circuit.values)
    if ablation == "resample":
        return view.resample_ablated(circuit.mask)
    assert means is not None
    return view.mean_ablated(circuit.mask, means)
