"""What is kept, with the new values that a repair gives it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import PluginError
from sparc3_bench.graph.step import DIGITS
from sparc3_bench.pruning import NewValues
from sparc3_bench.record.spec import content_key
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.steps.facts import ReadsGeneral, general_reference
from sparc3_bench.run.steps.mask import DENSE, Circuit, CircuitStep

if TYPE_CHECKING:
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.masks import KeepMask
    from sparc3_bench.types.samples import ReferenceSamples


@dataclass(frozen=True, eq=False)
class Repaired(ReadsGeneral[Circuit], CircuitStep):
    """A circuit whose kept weights are repaired."""

    circuit: CircuitStep
    with_model = True
    spec, code = ("model", "scope", "repair"), ("repair", "adapter")
    alike = ("model", "scope", "unit", "repair")

    @property
    def phase(self) -> str:
        return self.cell.phase

    def content(self, at: Place) -> str:
        """Name it by what it is made of, without making it."""
        before = self.circuit.content(at)
        if before == DENSE:
            return DENSE
        about = {**self.recipe, "reference": general_reference(self.cell, at).digest}
        return content_key({**about, "mask": before}, DIGITS)

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        circuit: Circuit = got["circuit"]
        if circuit.removes_nothing:
            return circuit
        with at.progress(f"repair · {self.amount:g}") as step:
            reference = at.ready(general_reference(self.cell, at), self.cell, step)
            found = repaired_values(self.cell, got["model"], circuit.mask, reference)
        return dataclasses.replace(circuit, values=found)


def repaired_values(
    cell: Cell, view: ModelView, keep: KeepMask, reference: ReferenceSamples
) -> NewValues:
    """Return what the repair of a cell makes of what is kept; without one nothing new.

    Raises PluginError as `check_values`; or `Disturbance`, see `guarded`.
    """
    if cell.repair is None:
        return NewValues()
    with guarded(view, f"Repair '{cell.repair.name}'"):
        found = cell.repair.repair(view, keep, reference)
    check_values(found, view, cell.repair.name)
    return found


def check_values(found: NewValues, view: ModelView, who: str) -> None:
    """Refuse new values that do not fit the model."""
    weights = view.weights()
    shapes = {
        "weights": {name: one.matrix.shape for name, one in weights.items()},
        "biases": {n: one.bias.shape for n, one in weights.items() if one.bias is not None},
    }
    for kind, values in (("weights", found.weights), ("biases", found.biases)):
        for name, value in values.items():
            if shapes[kind].get(name) != value.shape or not bool(value.isfinite().all()):
                raise PluginError(
                    f"Repair '{who}' returned {kind} of `{name}` as {list(value.shape)}, which do "
                    "not fit the model or are not finite; return what is, in the same shape."
                )
