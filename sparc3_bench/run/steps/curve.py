"""Metrics and intervals of a curve, beside its random controls, from the samples of its points."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Inputs, Step
from sparc3_bench.record.parts import EstimateRecord, Versus
from sparc3_bench.record.spec import OnDisk
from sparc3_bench.run.controls import at_choice, beside, control_curve, versus
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.statistics.curve import curve_numbers

if TYPE_CHECKING:
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.responses import Evaluated


class PointValues(OnDisk):
    """The numbers of one point, each beside those of the random controls there."""

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    control: dict[str, tuple[float, ...]]
    versus: dict[str, Versus]


class CurveValues(OnDisk):
    """The numbers of a curve; `clusters` and `whole_clusters` say how many samples are behind."""

    points: tuple[PointValues, ...]
    whole: dict[str, EstimateRecord]
    clusters: dict[str, int]
    whole_clusters: dict[str, int]


@dataclass(frozen=True, eq=False)
class Curve(CellStep[CurveValues]):
    """What follows from the samples at several amounts, rising from 0."""

    amounts: Sequence[float]
    points: Sequence[Step[Evaluated]]
    controls: Sequence[Sequence[Step[Evaluated]]] = ()
    codec = AsJson(CurveValues)
    spec, code = ("removal", "measure", "data"), ("task",)

    @property
    def inputs(self) -> Inputs:
        drawn = {f"control {seed}": one for seed, one in enumerate(self.controls)}
        return {"points": self.points, **drawn}

    def make(self, at: Place, got: Mapping[str, Any]) -> CurveValues:
        task, removal, amounts = self.cell.task, self.cell.spec.removal, self.amounts
        clusters = self.cell.prepared.clusters
        samples, *controls = ([one.samples for one in some] for some in got.values())
        curve = curve_numbers(task, amounts, samples, clusters, removal)
        drawn = [control_curve(task, amounts, one, removal) for one in controls]
        of_points, of_whole = beside(task, amounts, samples, controls, clusters, removal)
        points = [
            PointValues(
                metrics=metrics,
                intervals=curve.intervals[index],
                control={
                    name: tuple(one.points[index][name] for one in drawn)
                    for name in (drawn[0].points[index] if drawn else ())
                },
                # The dense model is its own control.
                versus={
                    name: versus(one)
                    for name, one in (of_points[index] if of_points else {}).items()
                    if amounts[index] > 0
                },
            )
            for index, metrics in enumerate(curve.points)
        ]
        whole = {
            name: EstimateRecord(
                **dataclasses.asdict(estimate),
                control=tuple(one.whole[name].value for one in drawn),
                versus=versus(of_whole[name]) if name in of_whole else None,
            )
            for name, estimate in curve.whole.items()
        }
        return CurveValues(
            points=tuple(points),
            whole=whole,
            clusters=curve.clusters,
            whole_clusters=curve.whole_clusters,
        )

    def like(self) -> Mapping[str, Any]:
        """All of one task with as many points and controls."""
        return {**self.recipe, "controls": len(self.controls)}


@dataclass(frozen=True, eq=False)
class BesideChoice(CellStep["tuple[dict[str, tuple[float, ...]], dict[str, Versus]]"]):
    """The random controls of the chosen amount, and how the run differs from them.

    The points are those of the dense model and of the run, on the samples of the test part.
    """

    amount: float
    points: Sequence[Step[Evaluated]]
    controls: Sequence[Step[Evaluated]]
    codec = AsJson(tuple[dict[str, tuple[float, ...]], dict[str, Versus]])
    spec, code = ("removal", "measure", "data"), ("task",)

    def make(
        self, at: Place, got: Mapping[str, Any]
    ) -> tuple[dict[str, tuple[float, ...]], dict[str, Versus]]:
        own, drawn = ([one.samples for one in got[name]] for name in ("points", "controls"))
        clusters, removal = self.cell.prepared.clusters, self.cell.spec.removal
        return at_choice(self.cell.task, self.amount, own, drawn, clusters, removal)
