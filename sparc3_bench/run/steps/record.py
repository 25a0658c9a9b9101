"""The record of a run, from the values of all its steps."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.cost import total
from sparc3_bench.graph.step import Inputs, Step
from sparc3_bench.printable import abridged
from sparc3_bench.record.parts import Found, Point, Stability
from sparc3_bench.record.result import SCHEMA_VERSION, Result
from sparc3_bench.run.environment import command_line, describe_environment
from sparc3_bench.run.intervals import metrics_read
from sparc3_bench.run.objectives import objective_remarks
from sparc3_bench.run.responses import Written
from sparc3_bench.run.steps.judge import Judged
from sparc3_bench.run.steps.model import CellStep

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.responses import Evaluated
    from sparc3_bench.run.steps.assess import Assess
    from sparc3_bench.run.steps.curve import BesideChoice, Curve, PointValues
    from sparc3_bench.run.steps.decide import Chosen
    from sparc3_bench.run.steps.model import WeightNotes
    from sparc3_bench.run.steps.size import (
        CircuitOverlap,
        CircuitSize,
        Membership,
        RankLikeness,
        Size,
    )

Measured = Step["Evaluated"]

_MOST_WARNINGS = 100


@dataclass(frozen=True)
class Operating:
    """The amount that was chosen, or found by a bar, with the steps that say what it is worth."""

    # how much, measured on the test part, and its size
    amount: float
    point: Measured
    size: CircuitSize
    # of a choice: random controls on the same samples, and the comparison
    controls: Sequence[Measured] = ()
    beside: BesideChoice | None = None
    curve: Curve | None = None  # of a bar: the curve of which it is the second point

    @property
    def steps(self) -> list[Step[Any]]:
        """All of them."""
        rest = [one for one in (self.beside, self.curve) if one is not None]
        return [self.point, self.size, *self.controls, *rest]


@dataclass(frozen=True, eq=False)
class Record(CellStep["tuple[Result, Written]"]):
    """What is written of a run: its result, and the texts beside it."""

    chosen: Chosen
    points: Sequence[Measured]
    sizes: Sequence[CircuitSize]
    curve: Curve
    controls: Sequence[Sequence[Measured]]
    operating: Operating | None
    stability: Sequence[tuple[int, RankLikeness, Sequence[CircuitOverlap | None]]]
    membership: Membership | None
    assessment: Assess | None
    notes: WeightNotes
    learned: Step[Any] | None = None

    @property
    def inputs(self) -> Inputs:
        one_each: dict[str, Step[Any] | None] = {
            "curve": self.curve,
            "notes": self.notes,
            "membership": self.membership,
            "assessment": self.assessment,
            "learned": self.learned,
        }
        return {
            "points": self.points,
            "sizes": self.sizes,
            "controls": [one for drawn in self.controls for one in drawn],
            "operating": self.operating.steps if self.operating else [],
            "spearman": [one for _, one, _ in self.stability],
            "jaccard": [one for _, _, some in self.stability for one in some if one],
            **{name: step for name, step in one_each.items() if step is not None},
        }

    def make(self, at: Place, got: Mapping[str, Any]) -> tuple[Result, Written]:
        fields, written = self.measured(at), self._written(at)
        prepared = got.get("learned") or self.cell.prepared
        result = recorded(
            self.cell,
            status="ok",
            **fields,
            tried=self.chosen.tried,
            candidate=self.chosen.contrast,
            stability=self._stability(at),
            sketch=got.get("membership"),
            remarks=(*got["notes"], *prepared.remarks(fields["points"][0].metrics)),
            cost={phase: total(costs) for phase, costs in at.costs().items()},
            responses=written.record() if written.texts else None,
        )
        return result, written

    def measured(self, at: Place) -> dict[str, Any]:
        """Return the fields that follow from what was measured; `measured` is the curve."""
        curve = at.get(self.curve)
        points = tuple(
            _point(amount, at.get(size), numbers, at.get(measured))
            for amount, size, numbers, measured in zip(
                self.cell.spec.amounts, self.sizes, curve.points, self.points, strict=True
            )
        )
        assessed = at.get(self.assessment) if self.assessment else {}
        return {
            "points": points,
            "curve": curve.whole | assessed,
            "measured": curve,
            "found": self.operating and self._found(at, self.operating, points),
        }

    def _written(self, at: Place) -> Written:
        """Return what was measured and written before any judge."""

        def raw(step: Measured) -> Evaluated:
            return at.get(step.of if isinstance(step, Judged) else step)  # type: ignore[no-any-return]

        operating = self.operating
        return Written(
            points=tuple(map(raw, self.points)),
            controls=tuple(tuple(map(raw, drawn)) for drawn in self.controls),
            paired=tuple(map(raw, operating.controls)) if operating else (),
            at_bar=raw(operating.point) if operating and operating.curve else None,
        )

    def _found(self, at: Place, operating: Operating, points: Sequence[Point]) -> Found:
        task, amounts = self.cell.task, self.cell.spec.amounts
        if operating.curve is not None:
            assert task.bar is not None
            numbers = at.get(operating.curve).points[1]
            return Found(
                metric=task.bar.metric,
                at_least=task.bar.at_least,
                limits={},
                title=task.bar.title,
                point=_point(
                    operating.amount, at.get(operating.size), numbers, at.get(operating.point)
                ),
            )
        choice = task.choice
        assert choice is not None
        drawn, versus = at.get(operating.beside) if operating.beside else ({}, {})
        own = points[amounts.index(operating.amount)]
        return Found(
            metric=choice.metric,
            limits=dict(choice.limits),
            title=choice.title,
            point=own.model_copy(update={"control": drawn, "versus": versus}),
            versus=versus.get(choice.metric),
        )

    def _stability(self, at: Place) -> tuple[Stability, ...]:
        return tuple(
            Stability(
                seed=seed,
                spearman=at.get(likeness),
                # Where nothing is removed, or everything, both keep the same.
                jaccard=tuple(at.get(one) if one else 1.0 for one in overlaps),
            )
            for seed, likeness, overlaps in self.stability
        )


def recorded(cell: Cell, **parts: Any) -> Result:
    """Return the result of a cell, from the fields of it that were measured.

    Of `parts`, `measured` is the curve that they are of, and `remarks` join the warnings.
    """
    now = datetime.datetime.now(datetime.UTC)
    error = parts.pop("error", None)
    remarks, curve = parts.pop("remarks", ()), parts.pop("measured", None)
    replay_of = cell.asked.get("replay_of")
    return Result(
        schema_version=SCHEMA_VERSION,
        key=cell.spec.key,
        origin="replayed" if replay_of else "run",
        replay_of=replay_of,
        created=now.isoformat(timespec="seconds"),
        is_control=cell.scorer.is_control,
        spec=cell.spec,
        asked=dict(cell.asked),
        command=command_line(),
        **metrics_read(cell.task, cell.spec.removal, curve, parts.get("curve", ())),
        clusters={name: tuple(ids) for name, ids in cell.prepared.clusters.items()},
        streamed=cell.model.streams,
        environment=describe_environment(*cell.model.devices.names),
        warnings=_bounded(
            [
                *cell.model.adapter.warnings,
                *cell.model.notes,
                *cell.prepared.warnings,
                *cell.remarks,
                *objective_remarks(cell.scorer, cell.spec.objective),
                *remarks,
            ]
        ),
        error=None if error is None else abridged(error),
        **parts,
    )


def _bounded(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return warnings of plugins as a record may hold them."""
    more = len(warnings) - _MOST_WARNINGS
    told = tuple(map(abridged, warnings[:_MOST_WARNINGS]))
    return (*told, f"{more} more warnings are left out.") if more > 0 else told


def _point(amount: float, size: Size, numbers: PointValues, measured: Evaluated) -> Point:
    return Point(
        amount=size.amount(amount),
        **dict(numbers),
        samples=dict(measured.samples),
        kept=size.kept,
    )
