"""Scores of a model that is read block by block: a step a block, kept as it is done."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sparc3_bench.attribution.scores import checked, from_tensors, to_tensors
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.graph.codec import AsLazyTensors, Codec
from sparc3_bench.graph.cost import metered
from sparc3_bench.graph.step import Inputs, Key
from sparc3_bench.model.passage import Passage
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.steps.facts import AfterFacts, learned, reference_of
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.types.lazy import Lazy
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from sparc3_bench.record.parts import Phase
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place

_BEHIND = "gradient#"
"""Before the number of a gradient in a file."""


@dataclass(frozen=True)
class ScoredBlock:
    """One block."""

    scores: ScoreMap  # of its weights
    gradients: Mapping[str, Tensor]  # by number of the pass back, of what entered it


@dataclass(frozen=True, eq=False)
class PassageStep(AfterFacts["tuple[Passage, Phase]"]):
    """What enters every block when the reference goes forward, and what that costs."""

    of: Key
    """The scores that it goes for."""
    purpose: str
    with_model = True

    def make(self, at: Place, got: Mapping[str, Any]) -> tuple[Passage, Phase]:
        reference = reference_of(self.cell, self.purpose, at)
        if reference.alteration is not None:
            raise Sparc3Error(
                f"Task '{self.cell.task.name}' scores altered models, and this one is read block "
                "by block as it does not fit into the memory; give more with `--memory`."
            )
        ready, title = partial(at.ready, reference, self.cell), "what enters the blocks"
        reads = self.cell.scorer.needs_reference
        with at.progress(title) as step, metered(at.passed) as meter:
            passage = Passage(got["model"], ready(step) if reads else None, at.spill())
        return passage, meter.phase


@dataclass(frozen=True, eq=False)
class BlockScores(CellStep[ScoredBlock]):
    """The scores of one block, and the gradients that the block before it goes on from."""

    of: Key
    """The scores that it is a part of."""
    purpose: str
    index: int
    phase, unnamed = "attribution", frozenset({"passage", "behind"})
    alike = ("scorer", "model", "objective", "scope")

    @property
    def inputs(self) -> Inputs:
        passage = PassageStep(self.cell, self.of, self.purpose)
        found: dict[str, Any] = {"passage": passage, **learned(self.cell)}
        if self.index + 1 < len(self.cell.blank.blocks):
            found["behind"] = replace(self, index=self.index + 1)
        return found

    @property
    def codec(self) -> Codec:
        return AsLazyTensors(_to_tensors, self._from_tensors, self.cell.model.place)

    def make(self, at: Place, got: Mapping[str, Any]) -> ScoredBlock:
        cell, (passage, forth), behind = self.cell, got["passage"], got.get("behind")
        if behind is None:  # where the way back begins, the way forth is counted
            at.meter.recall(forth)
        gc.collect()  # hooks and graphs of the block before hold one another, and its sums
        reference = reference_of(cell, self.purpose, at)
        ready = at.ready(reference, cell, lambda done, total: None)
        count = len(passage.view.blocks)
        with at.progress("attribution, block by block") as step:
            with passage.block(self.index, behind.gradients if behind else {}) as block:
                with guarded(passage.view, f"Scorer '{cell.scorer.name}'"):
                    found = cell.scorer.score(block, ready)
                scores = checked(found, block.weights(), cell.scorer.name)
            step(count - self.index, count)
        return ScoredBlock(scores, block.gradients)

    def units(self, at: Place) -> float:
        """Return its share of the tokens of the reference."""
        samples = reference_of(self.cell, self.purpose, at).samples
        return sum(map(len, samples)) / len(self.cell.blank.blocks)

    def _from_tensors(self, tensors: Mapping[str, Tensor]) -> ScoredBlock:
        behind = [key for key in tensors if key.startswith(_BEHIND)]
        own = Lazy((key for key in tensors if key not in behind), tensors.__getitem__)
        weights = self.cell.blank.weights().items()
        order = [name for name, weight in weights if weight.block == self.index]
        gradients = Lazy((key[len(_BEHIND) :] for key in behind), lambda n: tensors[_BEHIND + n])
        return ScoredBlock(from_tensors(own, order), gradients)


def blocks_of(cell: Cell, scores: Key, purpose: str) -> list[BlockScores]:
    """Return the steps of all blocks, the last block first."""
    count = len(cell.blank.blocks)
    return [BlockScores(cell, scores, purpose, index) for index in reversed(range(count))]


def assembled(blocks: Iterable[ScoredBlock], order: Iterable[str]) -> ScoreMap:
    """Return the scores of all blocks, which stay in their files until they are asked for."""
    parts = [one.scores for one in blocks]

    def joined(kind: str, order: Iterable[str] | None = None) -> Lazy:
        homes = {name: part for part in parts for name in getattr(part, kind)}
        names = homes if order is None else order
        return Lazy(names, lambda name: getattr(homes[name], kind)[name])

    return ScoreMap(
        joined("weights", order), joined("biases"), joined("standard_errors"), joined("by_sample")
    )


def _to_tensors(found: ScoredBlock) -> dict[str, Tensor]:
    gradients = {_BEHIND + number: values for number, values in found.gradients.items()}
    return to_tensors(found.scores) | gradients
