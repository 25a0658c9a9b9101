"""One-shot: the points of a run's curve, its random controls, and what follows from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sparc3_bench.contracts import Part
from sparc3_bench.model.masking import KeepMask
from sparc3_bench.record.result import (
    Amount,
    EstimateRecord,
    Found,
    Phase,
    Point,
)
from sparc3_bench.run import store
from sparc3_bench.run.curve import Curve, measured
from sparc3_bench.run.search import largest_amount
from sparc3_bench.run.sketch import Likeness, Sketcher
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask, choose, rankable

if TYPE_CHECKING:
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.runner import Session


class CellRun:
    """What both schedules share: amounts, samples, and the making of points."""

    def __init__(self, session: Session, cell: Cell, label: str) -> None:
        self.session, self.cell, self.spec, self.label = session, cell, cell.spec, label
        self.amounts: list[Amount] = []
        self.kept: list[dict[str, tuple[int, ...]]] = []
        self.samples: list[dict[str, tuple[float, ...]]] = []
        self.cost: dict[str, Phase] = {}

    def spend(self, phase: str, cost: Phase) -> None:
        """Add to what a phase cost."""
        before = self.cost.get(phase, Phase(seconds=0, peak_bytes=0))
        self.cost[phase] = Phase(
            seconds=round(before.seconds + cost.seconds, 3),
            peak_bytes=max(before.peak_bytes, cost.peak_bytes),
        )

    def add(self, amount: Amount, kept: dict[str, tuple[int, ...]], at: store.Evaluated) -> None:
        """Add a point of the curve."""
        self.amounts.append(amount)
        self.kept.append(kept)
        self.samples.append(at.samples)
        self.spend("evaluation", at.phase)

    def evaluated(self, keep: KeepMask, label: str, part: Part = "test") -> store.Evaluated:
        """Return the measurements of the model without what `keep` removes."""
        session, digest = self.session, store.mask_digest(keep)
        return session.evaluate(
            self.cell, part, digest, lambda: session.ablated(self.cell, keep), label
        )

    def curve(self) -> Curve:
        """Return the metrics of all points so far."""
        return measured(
            self.session.plan.task,
            self.spec.amounts,
            self.samples,
            self.cell.prepared.clusters,
            self.spec.removal,
        )

    def points(self, curve: Curve, controls: Sequence[Curve] = ()) -> tuple[Point, ...]:
        """Return the points as they are recorded."""
        return tuple(
            Point(
                amount=amount,
                metrics=curve.points[index],
                intervals=curve.intervals[index],
                samples=self.samples[index],
                control={
                    name: tuple(control.points[index][name] for control in controls)
                    for name in (controls[0].points[index] if controls else ())
                },
                kept=self.kept[index],
            )
            for index, amount in enumerate(self.amounts)
        )

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

    def fields(self) -> dict[str, Any]:
        """Return the measured fields of the result."""
        scores, attribution = self.session.scores(self.cell, self.label)
        self.spend("attribution", attribution)
        ranking = rankable(scores, self.session.view, self.spec.unit)
        sketcher = Sketcher(ranking)
        likenesses = self._likenesses(ranking)
        drawn: list[list[store.Evaluated]] = [[] for _ in range(self.spec.controls)]
        for amount in self.spec.amounts:
            kept = self._chosen(ranking, amount)
            keep = as_mask(kept, self.session.view, self.spec.unit)
            units = removed_units(kept)
            at = self.evaluated(keep, f"{self.label} · {self.spec.removal} {amount:g}")
            self.add(self.amount(amount, keep, units), self.counted(keep), at)
            sketcher.add(kept)
            for likeness in likenesses:
                likeness.add(kept, self._chosen(likeness.ranking, amount))
            self._control(drawn, kept, amount)
        curve = self.curve()
        controls = [self._control_curve(evaluations) for evaluations in drawn]
        judged = self.cell.prepared.judge(self.session.view, scores, self.spec.unit)
        whole = estimates(curve, controls) | {
            name: EstimateRecord(**dataclasses.asdict(estimate))
            for name, estimate in judged.items()
        }
        return {
            "points": self.points(curve, controls),
            "curve": whole,
            "found": self._found(ranking),
            "stability": tuple(likeness.record() for likeness in likenesses),
            "sketch": sketcher.record() if self.spec.removal == "lowest" else None,
            "remarks": self.cell.prepared.remarks(curve.points[0]),
            "cost": self.cost,
        }

    def _chosen(self, ranking: Mapping[str, Tensor], amount: float) -> dict[str, Tensor]:
        spec = self.spec
        return choose(
            ranking,
            amount,
            unit=spec.unit,
            group=spec.group,
            removal=spec.removal,
            kind=spec.amount_kind,
        )

    def _control(
        self, drawn: list[list[store.Evaluated]], kept: dict[str, Tensor], amount: float
    ) -> None:
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
            self.spend("controls", at.phase)
            evaluations.append(at)

    def _control_curve(self, evaluations: Sequence[store.Evaluated]) -> Curve:
        return measured(
            self.session.plan.task,
            self.spec.amounts,
            [at.samples for at in evaluations],
            {},
            self.spec.removal,
            with_intervals=False,
        )

    def _likenesses(self, ranking: Mapping[str, Tensor]) -> list[Likeness]:
        found = []
        for seed, other in self.cell.others:
            label = f"{self.label} · reference seed {seed}"
            scores, cost = self.session.scores(other, label)
            self.spend("stability", cost)
            found.append(
                Likeness(seed, ranking, rankable(scores, self.session.view, self.spec.unit))
            )
        return found

    def _found(self, ranking: Mapping[str, Tensor]) -> Found | None:
        """Look for the largest amount that reaches the task's bar on its selection part."""
        search = self.session.plan.task.search
        if search is None or self.spec.removal != "lowest" or self.spec.amount_kind != "fraction":
            return None
        task, cell, view = self.session.plan.task, self.cell, self.session.view
        label = f"{self.label} · looking for {search.metric} ≥ {search.at_least:g}"

        def masked(amount: float) -> KeepMask:
            return as_mask(self._chosen(ranking, amount), view, self.spec.unit)

        def samples(amount: float) -> Mapping[str, Sequence[float]]:
            at = self.evaluated(masked(amount), label, "selection")
            self.spend("search", at.phase)
            return at.samples

        dense, empty = samples(0.0), samples(1.0)
        whole = self.evaluated(masked(1.0), label).samples

        def passes(amount: float) -> bool:
            curve = measured(
                task,
                (0.0, amount, 1.0),
                (dense, samples(amount), empty),
                {},
                "lowest",
                with_intervals=False,
            )
            return curve.points[1][search.metric] >= search.at_least

        amount = largest_amount(passes)
        keep = masked(amount)
        at = self.evaluated(keep, label)
        curve = measured(
            task,
            (0.0, amount, 1.0),
            (self.samples[0], at.samples, whole),
            cell.prepared.clusters,
            "lowest",
        )
        units = self._chosen(ranking, amount)
        point = Point(
            amount=self.amount(
                amount,
                keep,
                sum(mask.numel() - int(mask.count_nonzero()) for mask in units.values()),
            ),
            metrics=curve.points[1],
            intervals=curve.intervals[1],
            samples=at.samples,
            control={},
            kept=self.counted(keep),
        )
        return Found(
            metric=search.metric, at_least=search.at_least, title=search.title, point=point
        )


def estimates(curve: Curve, controls: Sequence[Curve] = ()) -> dict[str, EstimateRecord]:
    """Return the numbers of a whole curve, with those of its controls."""
    return {
        name: EstimateRecord(
            **dataclasses.asdict(estimate),
            control=tuple(control.whole[name].value for control in controls),
        )
        for name, estimate in curve.whole.items()
    }


def removed_units(kept: Mapping[str, Tensor]) -> int:
    """Return how many units `kept` leaves out."""
    return sum(mask.numel() - int(mask.count_nonzero()) for mask in kept.values())
