"""What is kept when every block is scored behind the blocks already pruned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sparc3_bench.attribution.scores import checked
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.graph.step import Step
from sparc3_bench.graph.store import AsTensors, Codec
from sparc3_bench.model.blockwise import walk
from sparc3_bench.run.steps.facts import learned
from sparc3_bench.run.steps.mask import Circuit, CircuitStep, selection_of
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.steps.score import Score
from sparc3_bench.selection.select import as_mask, choose, rankable
from sparc3_bench.selection.units import unit_shapes

if TYPE_CHECKING:
    from sparc3_bench.run.place import Place


@dataclass(frozen=True, eq=False)
class Blockwise(CircuitStep):
    """What is kept when every block is scored behind the blocks already pruned."""

    phase = "attribution"

    @property
    def recipe(self) -> Mapping[str, Any]:
        """How much goes, in which set, and all that scores depend on."""
        score = Score(self.cell, self.cell.purposes[0])
        return {"amount": self.amount, **selection_of(self.cell), "score": score.recipe}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The model, and the task where it must know that first."""
        return {"model": DenseModel(self.cell), **learned(self.cell)}

    @property
    def codec(self) -> Codec:
        """Bits, eight a byte."""
        return AsTensors(lambda circuit: _packed(circuit.kept), self._unpacked)

    def like(self) -> Mapping[str, Any]:
        """All walks of one model by one scorer over the same texts."""
        named = self.cell.named("scorer", "model", "objective", "scope", "schedule")
        return {**named, "reference": self.cell.data(steers=True)}

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        """Walk the model; it is as it was when the last block is decided."""
        cell, view = self.cell, got["model"]
        references = cell.references(got.get("learned"))
        if len(references) != 1:
            raise Sparc3Error(
                "Schedule 'blockwise' needs a task with one reference, as later blocks are scored "
                "on what earlier ones were pruned for; choose 'one-shot'."
            )
        spec, whole = cell.spec, dict[str, Tensor]()
        reference = at.ready(next(iter(references.values())), cell, lambda done, total: None)
        with at.progress(f"sparsity {self.amount:g} · blockwise") as step, ExitStack() as stack:
            for index, block in enumerate(walk(view, reference)):
                scores = checked(
                    cell.scorer.score(block, reference), block.weights(), cell.scorer.name
                )
                kept = choose(
                    rankable(scores, block, spec.unit),
                    self.amount,
                    unit=spec.unit,
                    group=spec.group,
                )
                stack.enter_context(block.masked(as_mask(kept, block, spec.unit)))
                whole |= kept
                step(index + 1, len(view.blocks))
        return Circuit(whole, as_mask(whole, cell.blank, spec.unit))

    def _unpacked(self, tensors: Mapping[str, Tensor]) -> Circuit:
        shapes = unit_shapes(self.cell.blank, self.cell.spec.unit)
        kept = {
            name: torch.from_numpy(
                np.unpackbits(tensors[name].numpy(), count=math.prod(shape)).astype(bool)
            ).view(shape)
            for name, shape in shapes.items()
        }
        return Circuit(kept, as_mask(kept, self.cell.blank, self.cell.spec.unit))


def _packed(kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.packbits(one.cpu().numpy())) for name, one in kept.items()}
