"""One-shot: the points of a run's curve, its random controls, and what follows from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sparc3_bench.record.parts import Amount, EstimateRecord, Found, Phase, Point
from sparc3_bench.run import store
from sparc3_bench.run.controls import NO_CONTROLS, Beside, beside, control_curve, versus
from sparc3_bench.run.environment import added, metered
from sparc3_bench.run.found import Chosen, choose_candidate, found_by_bar, found_choice
from sparc3_bench.run.responses import Written
from sparc3_bench.run.sketch import Likeness, Sketcher
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask, choose
from sparc3_bench.statistics.curve import CurveNumbers, curve_numbers
from sparc3_bench.types.conventions import Part
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.values import Estimate

if TYPE_CHECKING:
    from sparc3_bench.run.judging import Measured
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.runner import Session


class CellRun:
    """What both schedules share: amounts, samples, and the making of points."""

    def __init__(self, session: Session, cell: Cell, label: str) -> None:
        self.session, self.cell, self.spec, self.label = session, cell, cell.spec, label
        self.amounts: list[Amount] = []
        self.kept: list[dict[str, tuple[int, ...]]] = []
        self.measured: list[Measured] = []
        self.paired: list[Measured] = []
        self.cost: dict[str, Phase] = {}

    def spend(self, phase: str, cost: Phase) -> None:
        """Add to what a phase cost."""
        self.cost[phase] = added(self.cost[phase], cost) if phase in self.cost else cost

    def charge(self, phase: str, at: Measured) -> None:
        """Add what a measurement cost to a phase, and what the judge cost to its own."""
        self.spend(phase, at.raw.phase)
        if at.raw.texts:
            self.spend("judging", at.judging)

    @property
    def samples(self) -> list[dict[str, tuple[float, ...]]]:
        """Per-sample numbers of every point so far."""
        return [dict(at.samples) for at in self.measured]

    def add(self, amount: Amount, kept: dict[str, tuple[int, ...]], at: Measured) -> None:
        """Add a point of the curve."""
        self.amounts.append(amount)
        self.kept.append(kept)
        self.measured.append(at)
        self.charge("evaluation", at)

    def evaluated(self, keep: KeepMask, label: str, part: Part = "test") -> Measured:
        """Return the measurements of the model without what `keep` removes."""
        session, digest = self.session, store.mask_digest(keep)
        return session.evaluate(
            self.cell, part, digest, lambda: session.ablated(self.cell, keep), label
        )

    def curve(self) -> CurveNumbers:
        """Return the metrics of all points so far."""
        return curve_numbers(
            self.session.plan.task,
            self.spec.amounts,
            self.samples,
            self.cell.prepared.clusters,
            self.spec.removal,
        )

    @staticmethod
    def removed(kept: Mapping[str, Tensor]) -> int:
        """Return how many units `kept` leaves out."""
        return sum(mask.numel() - int(mask.count_nonzero()) for mask in kept.values())

    def points(
        self,
        curve: CurveNumbers,
        controls: Sequence[CurveNumbers] = (),
        beside: Beside = NO_CONTROLS,
    ) -> tuple[Point, ...]:
        """Return the points as they are recorded."""
        return recorded(self.amounts, self.kept, self.samples, curve, controls, beside)

    def amount(self, requested: float, keep: KeepMask, units: int) -> Amount:
        """Return how much a mask removes."""
        view = self.session.view
        scope = sum(weight.matrix.numel() for weight in view.weights().values())
        removed = keep.removed
        return Amount(
            requested=requested,
            in_scope=removed / scope,
            in_model=(removed + keep.removed_biases) / view.parameters,
            weights_removed=removed,
            units_removed=units,
        )

    def counted(self, keep: KeepMask) -> dict[str, tuple[int, ...]]:
        """Return how many weights are kept, by role and block."""
        view = self.session.view
        counts: dict[str, list[int]] = {}
        for name, weight in view.weights().items():
            mask = keep.weights.get(name)
            row = counts.setdefault(str(weight.role), [0] * len(view.blocks))
            row[weight.block] += (
                weight.matrix.numel() if mask is None else int(mask.count_nonzero())
            )
        return {role: tuple(row) for role, row in counts.items()}


class OneShot(CellRun):
    """Scores of the dense model, pruned at every amount."""

    ranking: Mapping[str, Tensor]

    def fields(self) -> dict[str, Any]:
        """Return the measured fields of the result."""
        scores, attribution = self.session.scores(self.cell, self.label)
        if self.spec.objective is not None and (met := self.session.met(self.cell)).phase.seconds:
            self.spend("meeting", met.phase)
        self.spend("attribution", attribution)
        candidates = self.session.candidates(self.cell, scores)
        choice = choose_candidate(self, candidates)
        ranking = self.ranking = candidates[choice.candidate]
        sketcher = Sketcher(ranking)
        likenesses = self._likenesses(choice.candidate)
        drawn: list[list[Measured]] = [[] for _ in range(self.spec.controls)]
        for amount in self.spec.amounts:
            kept = self.chosen(ranking, amount)
            keep = as_mask(kept, self.session.view, self.spec.unit)
            at = self.evaluated(keep, f"{self.label} · {self.spec.removal} {amount:g}")
            self.add(self.amount(amount, keep, self.removed(kept)), self.counted(keep), at)
            sketcher.add(kept)
            for likeness in likenesses:
                likeness.add(kept, self.chosen(likeness.ranking, amount))
            self._control(drawn, kept, amount)
        curve = self.curve()
        controls = [
            control_curve(self.session.plan.task, self.spec, [at.samples for at in one])
            for one in drawn
        ]
        beside = self._beside(drawn)
        points = self.points(curve, controls, beside)
        assessed: Mapping[str, Estimate] = {}
        if (assessment := self.session.plan.task.assessment) is not None:
            with metered(self.session.view) as meter:
                assessed = assessment.assess(
                    self.cell.prepared, self.session.view, scores, self.spec.unit, self.spec.group
                )
            self.spend("assessment", meter.phase)
        whole = estimates(curve, controls, beside) | {
            name: EstimateRecord(**dataclasses.asdict(estimate))
            for name, estimate in assessed.items()
        }
        return {
            "points": points,
            "curve": whole,
            "measured": curve,
            "found": self._found(choice, points),
            "tried": choice.tried,
            "candidate": choice.candidate,
            "stability": tuple(likeness.record() for likeness in likenesses),
            "sketch": sketcher.record() if self.spec.removal == "lowest" else None,
            "remarks": self.session.remarks(self.cell, curve.points[0]),
            "cost": self.cost,
            "written": Written(
                points=tuple(at.raw for at in self.measured),
                controls=tuple(tuple(at.raw for at in one) for one in drawn),
                paired=tuple(at.raw for at in self.paired),
            ),
        }

    def chosen(self, ranking: Mapping[str, Tensor], amount: float) -> dict[str, Tensor]:
        """Return what a ranking keeps at an amount."""
        spec = self.spec
        return choose(
            ranking,
            amount,
            unit=spec.unit,
            group=spec.group,
            removal=spec.removal,
            kind=spec.amount_kind,
        )

    def masked(self, ranking: Mapping[str, Tensor], amount: float) -> KeepMask:
        """Return the mask of what a ranking keeps at an amount."""
        return as_mask(self.chosen(ranking, amount), self.session.view, self.spec.unit)

    def _found(self, choice: Chosen, points: Sequence[Point]) -> Found | None:
        bar, spec = self.session.plan.task.bar, self.spec
        if choice.amount is not None:
            return found_choice(self, choice.amount, points)
        if bar is not None and spec.removal == "lowest" and spec.amount_kind == "fraction":
            return found_by_bar(self, self.ranking, bar)
        return None

    def _control(self, drawn: list[list[Measured]], kept: dict[str, Tensor], amount: float) -> None:
        """Measure random circuits with the counts of `kept`."""
        spec, view = self.spec, self.session.view
        label = f"{self.label} · {spec.removal} {amount:g} · random controls"
        digests = store.counts_digests(kept, spec)
        for seed, evaluations in enumerate(drawn):
            digest = store.DENSE if amount == 0 else digests[seed]

            def random(seed: int = seed) -> AbstractContextManager[None]:
                keep = as_mask(matched(kept, spec.group, seed), view, spec.unit)
                return self.session.ablated(self.cell, keep)

            at = self.session.evaluate(self.cell, "control", digest, random, label)
            self.charge("controls", at)
            evaluations.append(at)

    def _beside(self, drawn: Sequence[Sequence[Measured]]) -> Beside:
        """Return the curve beside its controls, where those are of the same samples."""
        spec, task = self.spec, self.session.plan.task
        controls = [[at.samples for at in one] for one in drawn]
        return beside(task, spec, self.samples, controls, self.cell.prepared.clusters)

    def _likenesses(self, candidate: str) -> list[Likeness]:
        found = []
        for seed, other in self.cell.others:
            label = f"{self.label} · reference seed {seed}"
            scores, cost = self.session.scores(other, label)
            self.spend("stability", cost)
            ranking = self.session.candidates(other, scores)[candidate]
            found.append(Likeness(seed, self.ranking, ranking))
        return found


def recorded(
    amounts: Sequence[Amount],
    kept: Sequence[dict[str, tuple[int, ...]]],
    samples: Sequence[dict[str, tuple[float, ...]]],
    curve: CurveNumbers,
    controls: Sequence[CurveNumbers],
    beside: Beside = NO_CONTROLS,
) -> tuple[Point, ...]:
    """Return the points of a curve as they are recorded, each with what its controls have there."""
    return tuple(
        Point(
            amount=amount,
            metrics=curve.points[index],
            intervals=curve.intervals[index],
            samples=samples[index],
            control={
                name: tuple(control.points[index][name] for control in controls)
                for name in (controls[0].points[index] if controls else ())
            },
            # The dense model is its own control.
            versus={
                name: versus(one)
                for name, one in (beside[0][index] if beside[0] else {}).items()
                if amount.requested > 0
            },
            kept=kept[index],
        )
        for index, amount in enumerate(amounts)
    )


def estimates(
    curve: CurveNumbers, controls: Sequence[CurveNumbers] = (), beside: Beside = NO_CONTROLS
) -> dict[str, EstimateRecord]:
    """Return the numbers of a whole curve, with those of its controls."""
    return {
        name: EstimateRecord(
            **dataclasses.asdict(estimate),
            control=tuple(control.whole[name].value for control in controls),
            versus=versus(beside[1][name]) if name in beside[1] else None,
        )
        for name, estimate in curve.whole.items()
    }
