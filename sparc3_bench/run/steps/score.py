"""Importance scores of all weights in scope, kept; from zero or on from a snapshot."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from sparc3_bench.attribution.scores import checked, from_tensors, to_tensors
from sparc3_bench.graph.cost import NOTHING, metered, total
from sparc3_bench.graph.step import Step
from sparc3_bench.graph.store import AsTensors, Codec, Entry
from sparc3_bench.incremental import IncrementalScorer
from sparc3_bench.record.spec import content_key
from sparc3_bench.run.steps.facts import learned
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.contracts import Scorer
    from sparc3_bench.incremental import State
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.samples import ReferenceSamples

_SNAPSHOT = "Snapshot"


@dataclass(frozen=True, eq=False)
class Score(Step[ScoreMap]):
    """The scores of a cell under the reference samples of one purpose."""

    cell: Cell
    purpose: str

    @property
    def phase(self) -> str:  # type: ignore[override]
        """As the cell says."""
        return self.cell.phase

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Scorer, objective, seed and reference; the digest of its tokens where it is known."""
        cell, told = self.cell, dict[str, Any]()
        if not cell.learns:
            told["content"] = cell.references(None)[self.purpose].digest
        return {**told, **self._about}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The model, and the task where it must know that first."""
        return {"model": DenseModel(self.cell), **self._learned}

    @property
    def codec(self) -> Codec | None:
        """Scores of a scorer that needs a reference; others are made faster than read."""
        if not self.cell.scorer.needs_reference:
            return None
        # The file is in order of the alphabet; ties are broken in that of the model.
        names = list(self.cell.blank.weights())
        return AsTensors(to_tensors, lambda tensors: from_tensors(tensors, names))

    def also(self, at: Place) -> str | None:
        """Name it by the tokens of the reference, where the model had a say in them."""
        if not self._learned:
            return None
        reference = self.cell.references(at.get(self._learned["learned"]))[self.purpose]
        return content_key({**self._about, "content": reference.digest})

    def make(self, at: Place, got: Mapping[str, Any]) -> ScoreMap:
        """Let the scorer score."""
        cell, view = self.cell, got["model"]
        reference = cell.references(got.get("learned"))[self.purpose]
        which = f" · {self.purpose}" if len(cell.purposes) > 1 else ""
        with at.progress(f"attribution{which}") as step, reference.altering(view):
            ready = at.ready(reference, cell, step)
            if cell.snapshots and goes_on(cell.scorer):
                found = self._gone_on(at, view, cell.scorer, reference, ready)
            else:
                found = cell.scorer.score(view, ready)
            return checked(found, view.weights(), cell.scorer.name)

    def _gone_on(
        self,
        at: Place,
        view: ModelView,
        scorer: IncrementalScorer,
        reference: ReferenceSamples,
        ready: ReferenceSamples,
    ) -> Mapping[str, Tensor]:
        """Score the samples that are in no snapshot; the cost of the others counts all the same."""
        count, keys = len(reference.samples), self.snapshots(reference)
        # A copy: what is read lies in the file, and sums are added to in place.
        codec = AsTensors(
            dict, lambda read: {n: v.to(view.device, copy=True) for n, v in read.items()}
        )
        state: State = {}
        before, cost = 0, NOTHING
        for index in reversed(range(count)):
            if kept := at.store.read(_SNAPSHOT, keys[index], codec):
                before, state, cost = index + 1, kept.value, kept.cost
                break
        at.meter.recall(cost)
        if before < count:
            told = ready.progress
            rest = dataclasses.replace(
                ready.part(before), progress=lambda done, _: told(before + done, count)
            )
            with metered(at.tokens) as meter:
                state = scorer.accumulate(view, rest, state)
            at.store.write(_SNAPSHOT, keys[-1], codec, Entry(state, total([cost, meter.phase])))
        if before:
            new = sum(len(sample) for sample in reference.samples[before:])
            at.say(f"{before} of {count} samples came from a snapshot; {new:,} tokens were new")
        return scorer.finish(view, state)

    def like(self) -> Mapping[str, Any]:
        """All scoring by one scorer of one model."""
        return self.cell.named("scorer", "model", "objective", "scope")

    def units(self, at: Place) -> float:
        """Return how many tokens of the reference are in no snapshot."""
        known = at.get(self._learned["learned"]) if self._learned else None
        reference = self.cell.references(known)[self.purpose]
        return float(sum(map(len, reference.samples)))

    def snapshots(self, reference: ReferenceSamples) -> list[str]:
        """Name all that was added up after the first, the second, … the last sample.

        Two references have a name in common for as long as their samples are the same.
        """
        texts = [(one["source"], one["digest"]) for one in self.cell.data(steers=True)]
        altered = reference.alteration.name if reference.alteration else None
        about = {**self._about, "reference": texts, "model": DenseModel(self.cell).key}
        named = [about, reference.variant, reference.seed, altered]
        digest, keys = hashlib.sha256(content_key(named).encode()), []
        for index, sample in enumerate(reference.samples):
            given = (one and one[index] for one in (reference.targets, reference.starts))
            digest.update(json.dumps([sample, *given]).encode())
            keys.append(digest.hexdigest()[:24])
        return keys

    @property
    def _learned(self) -> Mapping[str, Step[Any]]:
        return learned(self.cell) if self.purpose else {}

    @property
    def _about(self) -> dict[str, Any]:
        plugins = ("scorer", "task", "adapter") if self.purpose else ("scorer", "adapter")
        return {
            **self.cell.named("scorer", "model", "objective", "scope", "seed"),
            "reference": self.cell.data(steers=True) if self.purpose else [],
            "purpose": self.purpose,
            "code": self.cell.made_by(*plugins),
        }


def goes_on(scorer: Scorer) -> TypeGuard[IncrementalScorer]:
    """Return whether a scorer can go on from a snapshot under its options."""
    return isinstance(scorer, IncrementalScorer) and scorer.resumes
