"""What is kept when every block is scored behind the blocks already pruned."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sparc3_bench.attribution.scores import checked
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.graph.codec import AsTensors, Codec
from sparc3_bench.model.blockwise import walk
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.steps.facts import AfterFacts
from sparc3_bench.run.steps.mask import SELECTION, Circuit, CircuitStep
from sparc3_bench.run.steps.score import Score
from sparc3_bench.selection.bits import as_bits, from_bits
from sparc3_bench.selection.select import as_mask, choose, rankable
from sparc3_bench.selection.units import unit_shapes

if TYPE_CHECKING:
    from sparc3_bench.run.place import Place


class Blockwise(AfterFacts[Circuit], CircuitStep):
    """What is kept when every block is scored behind the blocks already pruned; dear, and kept."""

    phase = "attribution"
    with_model, spec = True, SELECTION
    alike = ("scorer", "model", "objective", "scope", "schedule", "reference")

    @property
    def recipe(self) -> dict[str, Any]:
        return {**super().recipe, "score": Score(self.cell, self.cell.purposes[0]).recipe}

    @property
    def codec(self) -> Codec:
        return AsTensors(
            lambda circuit: {name: as_bits(keep) for name, keep in circuit.kept.items()},
            self._unpacked,
        )

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        cell, view = self.cell, got["model"]
        references = cell.references(got.get("learned"))
        if len(references) != 1:
            raise Sparc3Error(
                "Schedule 'blockwise' needs a task with one reference, as later blocks are scored "
                "on what earlier ones were pruned for; choose 'one-shot'."
            )
        spec, whole = cell.spec, dict[str, Tensor]()
        reference = at.ready(next(iter(references.values())), cell, lambda done, total: None)
        # The model is back before what takes the dense one is asked.
        with (
            at.progress(f"sparsity {self.amount:g} · blockwise") as step,
            guarded(view, f"Scorer '{cell.scorer.name}'"),
            ExitStack() as stack,
        ):
            for index, block in enumerate(walk(view, reference)):
                found = cell.scorer.score(block, reference)
                scores = checked(found, block.weights(), cell.scorer.name)
                ranking = rankable(scores, block, spec.unit)
                kept = choose(ranking, self.amount, unit=spec.unit, group=spec.group)
                stack.enter_context(block.masked(as_mask(kept, block, spec.unit)))
                whole |= kept
                step(index + 1, len(view.blocks))
        return self.of(whole.items(), at)

    def _unpacked(self, tensors: Mapping[str, Tensor]) -> Circuit:
        shapes = unit_shapes(self.cell.blank, self.cell.spec.unit)
        place = self.cell.model.place
        kept = {n: from_bits(tensors[n], shape, place(n)) for n, shape in shapes.items()}
        return Circuit(kept, as_mask(kept, self.cell.blank, self.cell.spec.unit))
