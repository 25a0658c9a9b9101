"""Importance scores of all weights in scope, kept; from zero or on from a snapshot."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from sparc3_bench.attribution.scores import checked, from_tensors, to_tensors
from sparc3_bench.graph.codec import AsTensors, Codec
from sparc3_bench.graph.cost import NOTHING, metered, total
from sparc3_bench.graph.step import Inputs
from sparc3_bench.graph.store import Kept
from sparc3_bench.incremental import IncrementalScorer
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.steps.facts import learned, reference_of
from sparc3_bench.run.steps.model import CellStep, DenseModel
from sparc3_bench.run.steps.streamed import assembled, blocks_of
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from sparc3_bench.contracts import Scorer
    from sparc3_bench.incremental import State
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.samples import ReferenceSamples

_SNAPSHOT = "Snapshot"


@dataclass(frozen=True, eq=False)
class Score(CellStep[ScoreMap]):
    """The scores of a cell under the reference samples of one purpose; "" without a reference."""

    purpose: str
    with_model, unnamed = True, frozenset({"blocks"})
    alike = ("scorer", "model", "objective", "scope")

    @property
    def phase(self) -> str:
        return "" if self.cell.model.streams else self.cell.phase

    @property
    def recipe(self) -> dict[str, Any]:
        if self.cell.learns:
            return self._about
        return {"content": reference_of(self.cell, self.purpose).digest, **self._about}

    @property
    def inputs(self) -> Inputs:
        if self.cell.model.streams:
            of = self.named(self.recipe)
            return {**self._learned, "blocks": blocks_of(self.cell, of, self.purpose)}
        return {**super().inputs, **self._learned}

    @property
    def codec(self) -> Codec | None:
        if not self.cell.scorer.needs_reference or self.cell.model.streams:
            return None  # made faster than read
        # The file is in order of the alphabet; ties are broken in that of the model.
        names, place = list(self.cell.blank.weights()), self.cell.model.place
        return AsTensors(to_tensors, lambda tensors: from_tensors(tensors, names), place)

    def also(self, at: Place) -> str | None:
        """Name it by the tokens of the reference, where the model had a say in them."""
        if not self._learned:
            return None
        content = reference_of(self.cell, self.purpose, at).digest
        return self.named({**self._about, "content": content})

    def make(self, at: Place, got: Mapping[str, Any]) -> ScoreMap:
        if self.cell.model.streams:
            return assembled(got["blocks"], self.cell.blank.weights())
        cell, view, reference = self.cell, got["model"], reference_of(self.cell, self.purpose, at)
        which = f" · {self.purpose}" if len(cell.purposes) > 1 else ""
        with at.progress(f"attribution{which}") as step, reference.altering(view):
            ready = at.ready(reference, cell, step)
            if cell.snapshots and goes_on(cell.scorer):
                state = self._gone_on(at, view, cell.scorer, reference, ready)
                finish = partial(cell.scorer.finish, view, state)
            else:
                finish = partial(cell.scorer.score, view, ready)
            with guarded(view, f"Scorer '{cell.scorer.name}'"):
                return checked(finish(), view.weights(), cell.scorer.name)

    def like(self) -> Mapping[str, Any] | None:
        return None if self.cell.model.streams else super().like()

    def units(self, at: Place) -> float:
        """Return how many tokens of the reference no snapshot has, nor will have by then."""
        reference, before = reference_of(self.cell, self.purpose, at), 0
        if self.cell.snapshots and goes_on(self.cell.scorer):
            keys, codec = self.snapshots(reference), AsTensors(dict, dict)
            for count, key in enumerate(keys, 1):
                if key in at.promised or at.store.header(_SNAPSHOT, key, codec) is not None:
                    before = count
            at.promised.add(keys[-1])
        return float(sum(map(len, reference.samples[before:])))

    def _gone_on(
        self,
        at: Place,
        view: ModelView,
        scorer: IncrementalScorer,
        reference: ReferenceSamples,
        ready: ReferenceSamples,
    ) -> State:
        """Add the samples that are in no snapshot; the cost of the others counts all the same."""
        count, keys = len(reference.samples), self.snapshots(reference)
        # A copy: what is read lies in the file, and sums are added to in place.
        place = self.cell.model.place
        codec = AsTensors(
            dict, lambda read: {n: v.to(place(n), copy=True) for n, v in read.items()}
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
            with metered(at.passed) as meter, guarded(view, f"Scorer '{scorer.name}'"):
                state = scorer.accumulate(view, rest, state)
            at.store.write(_SNAPSHOT, keys[-1], codec, Kept(state, total([cost, meter.phase])))
        if before:
            new = sum(len(sample) for sample in reference.samples[before:])
            at.say(f"{before} of {count} samples came from a snapshot; {new:,} tokens were new")
        return state

    def snapshots(self, reference: ReferenceSamples) -> list[str]:
        """Name all that was added up after the first, the second, … the last sample.

        Two references have a name in common for as long as their samples are the same.
        """
        texts = [(one["source"], one["digest"]) for one in self._about["reference"]]
        altered = reference.alteration.name if reference.alteration else None
        about = {**self._about, "reference": texts, "model": DenseModel(self.cell).key}
        named = self.named({**about, "given": [reference.variant, reference.seed, altered]})
        digest, keys = hashlib.sha256(named.encode()), []
        for index, sample in enumerate(reference.samples):
            given = (one and one[index] for one in (reference.targets, reference.starts))
            digest.update(json.dumps([sample, *given]).encode())
            keys.append(digest.hexdigest()[:24])
        return keys

    @property
    def _learned(self) -> Mapping[str, Any]:
        return learned(self.cell) if self.purpose else {}

    @property
    def _about(self) -> dict[str, Any]:
        how = ["batch_size", "product_dtype"]
        fields = ["scorer", "model", "objective", "scope", "seed", *how]
        plugins = ["scorer", "adapter"]
        if self.purpose:
            fields, plugins = [*fields, "reference"], [*plugins, "task"]
        about = {"purpose": self.purpose, "code": self.cell.made_by(*plugins)}
        return {**about, **self.cell.named(*fields)}


def goes_on(scorer: Scorer) -> TypeGuard[IncrementalScorer]:
    """Return whether a scorer can go on from a snapshot under its options."""
    return isinstance(scorer, IncrementalScorer) and scorer.resumes
