"""What a run decides by numbers: the best of what was tried, and whether a bar is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Inputs, Step
from sparc3_bench.record.parts import Tried
from sparc3_bench.record.spec import OnDisk
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.statistics.curve import curve_numbers

if TYPE_CHECKING:
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.responses import Evaluated
    from sparc3_bench.types.parts import Choice


class Chosen(OnDisk):
    """A ranking and an amount, with everything that they were chosen from."""

    contrast: str
    amount: float
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True, eq=False)
class Best(CellStep[Chosen]):
    """The best of all contrasts at all amounts on the selection part, within the limits.

    The smaller amount wins a tie, and the dense model always keeps the limits. Where that wins, the
    contrast is the one that goes least beyond them at the smallest amount.
    """

    tried: Mapping[str, Sequence[Step[Evaluated]]]
    """By contrast, the measurements at every amount of the run."""
    codec = AsJson(Chosen)
    spec, code = ("task", "amounts", "removal"), ("task",)

    @property
    def inputs(self) -> Inputs:
        return self.tried

    def make(self, at: Place, got: Mapping[str, Any]) -> Chosen:
        task, spec = self.cell.task, self.cell.spec
        choice = task.choice
        assert choice is not None
        tried = []
        for contrast in self.tried:
            samples = [one.samples for one in got[contrast]]
            found = curve_numbers(
                task, spec.amounts, samples, {}, spec.removal, with_intervals=False
            )
            tried += [
                Tried(
                    candidate=contrast,
                    requested=amount,
                    metrics=point,
                    passes=_excess(choice, point) <= 0,
                )
                for amount, point in zip(spec.amounts, found.points, strict=True)
            ]
        directions = {m.name: m.direction for m in task.metrics_for(spec.removal)}
        sign = 1.0 if directions[choice.metric] == "higher" else -1.0
        best = max(
            (one for one in tried if one.passes or one.requested == 0),
            key=lambda one: (sign * one.metrics[choice.metric], -one.requested),
        )
        contrast = best.candidate
        if best.requested == 0:
            smallest = min((one.requested for one in tried if one.requested > 0), default=0.0)
            first = [one for one in tried if one.requested == smallest]
            contrast = min(first, key=lambda one: _excess(choice, one.metrics)).candidate
        return Chosen(contrast=contrast, amount=best.requested, tried=tuple(tried))

    def guess(self) -> Chosen:
        return Chosen(contrast=next(iter(self.tried)), amount=self.cell.spec.amounts[-1])


@dataclass(frozen=True, eq=False)
class Reaches(CellStep[bool]):
    """Whether a circuit reaches the task's bar on the selection part."""

    amount: float
    points: Sequence[Step[Evaluated]]
    """The dense model, the circuit and, where the task needs it, what is left when all goes."""
    codec = AsJson(bool)
    spec, code = ("task",), ("task",)

    def make(self, at: Place, got: Mapping[str, Any]) -> bool:
        task, bar = self.cell.task, self.cell.task.bar
        assert bar is not None
        samples = [one.samples for one in got["points"]]
        amounts = (0.0, self.amount, 1.0)[: len(samples)]
        found = curve_numbers(task, amounts, samples, {}, "lowest", with_intervals=False)
        return found.points[1][bar.metric] >= bar.at_least

    def guess(self) -> bool:
        return False  # the search goes on


def _excess(choice: Choice, metrics: Mapping[str, float]) -> float:
    return max((metrics[name] - most for name, most in choice.limits.items()), default=0.0)
