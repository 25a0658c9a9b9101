"""Probes: what a step of a kind takes here, tried on the real model, long ones in part."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparc3_bench.graph.cost import device_peak, metered, peak, settle
from sparc3_bench.graph.forecast import Cost, Rate
from sparc3_bench.graph.step import Step
from sparc3_bench.model.blockwise import walk
from sparc3_bench.model.passage import last_first
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.parts import Phase
from sparc3_bench.run.block_trials import by_blocks
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.place import Place
from sparc3_bench.run.steps.blockwise import Blockwise
from sparc3_bench.run.steps.curve import Curve
from sparc3_bench.run.steps.evaluate import DenseEvaluation, Evaluate, MeanInputs
from sparc3_bench.run.steps.facts import Asked, Learned, reference_of
from sparc3_bench.run.steps.judge import Verdict
from sparc3_bench.run.steps.mask import Circuit, CircuitStep
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.steps.score import Score
from sparc3_bench.run.steps.streamed import BlockScores
from sparc3_bench.run.watch import Enough, Watch
from sparc3_bench.selection.bits import put_down
from sparc3_bench.types.lazy import Lazy
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.samples import TOGETHER, Batch, ReferenceSamples
from sparc3_bench.types.scores import ScoreMap

_LEAST = 0.001
"""The share of weights that goes in a circuit that is only tried."""


class Sprinkled(CircuitStep):
    """A circuit from which few weights are missing, at random."""

    def content(self, at: Place) -> str:
        """Name it, as no two are alike."""
        return "sprinkled"

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        """Draw it."""
        weights, place = self.cell.blank.weights(), self.cell.model.place
        drawn = (
            (name, torch.rand(one.matrix.shape, device=place(name)) >= self.amount)
            for name, one in weights.items()
        )
        streams = self.cell.model.streams
        mask = put_down(drawn, weights, at.spill()) if streams else dict(drawn)
        return Circuit(mask, KeepMask(mask))


class TrialPlace(Place):
    """A place where steps are tried."""

    def __init__(self, cache: Path, watch: Watch) -> None:
        super().__init__(cache, watch)
        self.watch = watch
        watch.passed = self.passed
        self._alone: dict[str, tuple[float, float]] = {}

    def floor(self, cell: Cell, cost: Cost) -> float:
        """Return the seconds in which the model alone reads the tokens of a phase.

        It goes forward, and backward too where there are clearly more operations than for that.
        """
        if not cost.tokens:
            return 0.0
        model = DenseModel(cell)
        if model.key not in self._alone:
            self.say("Timing the model alone …")
            self._alone[model.key] = _alone(self.get(model))
        forward, both = self._alone[model.key]
        is_both = cost.flops > 1.5 * 2 * cell.blank.multiplied * cost.tokens
        return cost.tokens * (both if is_both else forward)

    @singledispatchmethod
    def probe(self, step: Step[Any]) -> Rate:
        """Return what a step of this kind takes: it is made of stand-ins, and not kept."""
        got = self._stand_ins(step)
        with metered(self.passed) as meter:
            step.make(self, got)
        return Rate(each=Cost.of(meter.phase))

    @probe.register(DenseModel | Asked | MeanInputs)
    def _for_real(self, step: DenseModel | Asked | MeanInputs) -> Rate:
        return Rate(each=Cost.of(self._entry(step).cost))

    @probe.register
    def _verdict(self, step: Verdict) -> Rate:
        """Let the judge read what the dense model writes, which is kept."""
        dense = Evaluate(step.cell, step.of.part) if isinstance(step.of, Evaluate) else step.of
        if self.find(dense) is None:
            return Rate(in_part=True)
        return Rate(each=Cost.of(self._entry(Verdict(step.cell, dense)).cost))

    @probe.register
    def _curve(self, step: Curve) -> Rate:
        dense = Evaluate(step.cell, "test")
        if self.find(dense) is None or step.cell.judge:
            return Rate(in_part=True)
        measured = self.get(dense)
        with metered() as meter:
            of_controls = {f"control {n}": [measured] * len(c) for n, c in enumerate(step.controls)}
            step.make(self, {"points": [measured] * len(step.points), **of_controls})
        return Rate(each=Cost.of(meter.phase))

    @probe.register(Evaluate | DenseEvaluation)
    def _evaluation(self, step: Evaluate | DenseEvaluation) -> Rate:
        """Measure, and keep it where it was not cut short.

        Where a pruned model takes longer than the dense one, few weights are removed at random: a
        model that says anything still.
        """
        dense = Evaluate(step.cell, step.part)
        try:
            with self.watch.cutting():
                if isinstance(step, Evaluate) and step.is_dearer:
                    found = self._pruned(step)
                else:
                    found = self._entry(dense).cost
        except Enough:
            most = {"peak_bytes": peak(), "device_bytes": device_peak() or 0}
            seen = self.watch.extrapolated().model_copy(update=most)
            return Rate(each=seen, in_part=True)
        return Rate(each=Cost.of(found))

    @probe.register
    def _score(self, step: Score) -> Rate:
        """Score one of the reference samples, and some more, as many as run at once.

        Of seconds that the limit allows a quarter is enough, as samples are much alike.
        """
        self.say(f"Trying scorer '{step.cell.scorer.name}' …")
        reference = reference_of(step.cell, step.purpose, self)
        one, most, limit = _some(reference, 1), len(reference.samples), self.watch.limit
        short = self._scored(step.cell, one)  # the first of anything takes longer
        if not step.cell.scorer.needs_reference:
            return Rate(fixed=Cost.of(self._scored(step.cell, one)))
        if most > 1 and short.seconds < limit:
            short = self._scored(step.cell, one)
        at_once, quick = TOGETHER // _length(one), int(limit / 4 / max(short.seconds, 1e-3))
        some = _some(reference, min(most, max(3, at_once, quick)))
        long = self._scored(step.cell, some) if most > 1 else short
        length, more = _length(one), _length(some) - _length(one)
        each = Cost(
            seconds=max(0.0, long.seconds - short.seconds) / more
            if more
            else short.seconds / length,
            tokens=(long.tokens or 0) / _length(some),
            flops=(long.flops or 0) / _length(some),
            peak_bytes=long.peak_bytes,
            device_bytes=long.device_bytes or 0,
        )
        fixed = Cost(seconds=max(0.0, short.seconds - each.seconds * length))
        return Rate(each=each, fixed=fixed)

    @probe.register
    def _walk(self, step: Blockwise) -> Rate:
        """Walk the first blocks, three at least, with nothing pruned."""
        reference = reference_of(step.cell, step.cell.purposes[0], self)
        return Rate(each=by_blocks(self, step.cell, reference, walk, self.watch.limit))

    @probe.register
    def _block(self, step: BlockScores) -> Rate:
        """Score the reference samples that run at once first, in the last blocks."""
        self.say(f"Trying scorer '{step.cell.scorer.name}', block by block …")
        reference = reference_of(step.cell, step.purpose, self)
        first = next(reference.together())
        some = reference.part(first.start, first.stop)
        reads, spill = step.cell.scorer.needs_reference, self.spill()

        def passing(view: Any, samples: ReferenceSamples) -> Any:
            return last_first(view, samples if reads else None, spill)

        whole = by_blocks(self, step.cell, some, passing, self.watch.limit)
        return Rate(each=whole.times(1 / _length(some)))

    def _stand_ins(self, step: Step[Any]) -> Mapping[str, Any]:
        return {
            name: self._stand_in(one) if isinstance(one, Step) else [*map(self._stand_in, one)]
            for name, one in step.inputs.items()
        }

    def _stand_in(self, step: Step[Any]) -> Any:
        """Return something like the value of a step, without its cost."""
        if isinstance(step, DenseModel | Learned | Asked):
            return self._entry(step).value
        if isinstance(step, Score):
            return self._noise(step.cell)
        return step.make(self, self._stand_ins(step))

    def _noise(self, cell: Cell) -> ScoreMap:
        """Return scores at random, for what depends on their number only."""
        generator, weights = torch.Generator(), cell.blank.weights()

        def drawn(name: str) -> Tensor:
            values = torch.rand(weights[name].matrix.shape, generator=generator.manual_seed(0))
            return values.to(cell.model.place(name))

        noise = Lazy(weights, drawn)
        return ScoreMap(noise if cell.model.streams else dict(noise))

    def _pruned(self, step: Evaluate) -> Phase:
        tried = Evaluate(step.cell, step.part, Sprinkled(step.cell, _LEAST))
        got = {name: self.get(one) for name, one in tried.inputs.items() if isinstance(one, Step)}
        with metered(self.passed) as meter:
            tried.make(self, got)
        return meter.phase

    def _scored(self, cell: Cell, reference: ReferenceSamples) -> Phase:
        view = self.get(DenseModel(cell))
        given = self.ready(reference, cell, lambda done, total: None)
        who = f"Scorer '{cell.scorer.name}'"
        with guarded(view, who), reference.altering(view), metered(self.passed) as meter:
            cell.scorer.score(view, given)
        return meter.phase


def _alone(view: ModelView) -> tuple[float, float]:
    """Return the seconds a token takes forward, and forward and backward, in a window of 512."""
    length = min(512, getattr(view.config, "max_position_embeddings", 512))
    ids = torch.ones(1, length, dtype=torch.long, device=view.device)
    batch = Batch(ids, torch.ones_like(ids), None)
    weights = [weight.parameter for weight in view.weights().values()]
    needed = [weight.requires_grad for weight in weights]

    def seconds(backward: bool) -> float:
        start = time.perf_counter()
        with torch.set_grad_enabled(backward):
            logits = view.forward(batch)[0]
            if backward:
                loss = torch.nn.functional.cross_entropy(logits[:-1].float(), ids[0, 1:])
                torch.autograd.grad(loss, weights, allow_unused=True)
        settle()
        return time.perf_counter() - start

    try:
        for weight in weights:
            weight.requires_grad_(True)
        # The first of anything takes longer.
        forward, both = (
            statistics.median([seconds(way) for _ in range(4)][1:]) / length
            for way in (False, True)
        )
    finally:
        for weight, was in zip(weights, needed, strict=True):
            weight.requires_grad_(was)
    return forward, both


def _length(reference: ReferenceSamples) -> int:
    return sum(map(len, reference.samples))


def _some(reference: ReferenceSamples, count: int) -> ReferenceSamples:
    """Return `count` samples, evenly spaced."""
    places = [index * len(reference.samples) // count for index in range(count)]

    def picked(values: Any) -> Any:
        return None if values is None else [values[place] for place in places]

    names = ("samples", "targets", "starts")
    return replace(reference, **{name: picked(getattr(reference, name)) for name in names})
