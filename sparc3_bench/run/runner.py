"""run_cell: score once, evaluate many; every step is kept, so that a run can be resumed."""

from __future__ import annotations

import dataclasses
import datetime
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from sparc3_bench.attribution.reference import ReferenceSamples
from sparc3_bench.attribution.scores import ScoreMap, checked, load_scores, save_scores
from sparc3_bench.contracts import Evaluation
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.blockwise import walk
from sparc3_bench.model.masking import KeepMask
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.result import (
    SCHEMA_VERSION,
    Amount,
    MetricRecord,
    Phase,
    Point,
    Result,
    write_atomically,
)
from sparc3_bench.record.spec import OnDisk, RunSpec, content_key
from sparc3_bench.run.environment import describe_environment, metered, source_digest
from sparc3_bench.run.plan import Cell, Plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.selection.select import select


class MeasuredPoint(OnDisk):
    """A point of the curve with its cost, as kept in the cache."""

    point: Point
    evaluation: Phase
    attribution: Phase | None = None
    """Set where the scores depend on the sparsity (schedule `blockwise`)."""


class Session:
    """The runs of one plan: one model in memory, one dense evaluation, one cache.

    Parameters
    ----------
    plan
        What to run.
    cache
        Keeps score artefacts and finished points.
    reporter
        Told what is going on.
    batch_size
        Reference samples run at once.
    """

    def __init__(self, plan: Plan, cache: Path, reporter: Reporter, batch_size: int = 1) -> None:
        self.plan = plan
        self._cache = cache
        self._report = reporter
        self._batch_size = batch_size
        self._dense: dict[str, Evaluation] = {}

    @cached_property
    def view(self) -> ModelView:
        """The model, loaded on first use."""
        self._report.say(f"Loading {self.plan.model.ref.id} in {self.plan.model.ref.dtype} …")
        return self.plan.model.load(self.plan.cells[0].spec.scope)

    def run(self, cell: Cell, label: str) -> Result:
        """Run one cell; an unexpected error becomes a failed result, never a traceback."""
        try:
            points, cost = self._points(cell, label)
            return self._result(cell, points=points, cost=cost, status="ok")
        except Exception as error:  # a stranger's scorer may raise anything
            reason = f"{type(error).__name__}: {error}"
            if not isinstance(error, Sparc3Error):
                self._report.say(traceback.format_exc().rstrip())
            return self._result(cell, points=(), cost={}, status="failed", error=reason)

    def scores(self, cell: Cell, label: str) -> tuple[ScoreMap, Phase]:
        """Return the ranking of one cell and what its attribution cost, from the cache if there."""
        references = cell.prepared.references(cell.spec.objective or _any_objective(self.plan))
        maps: dict[str, ScoreMap] = {}
        cost = Phase(seconds=0, peak_bytes=0)
        for purpose, reference in references.items():
            path = self._cache / "scores" / f"{_attribution_key(cell.spec, purpose)}.safetensors"
            if kept := _read_scores(path):
                maps[purpose] = kept[0]
                cost = _added(cost, kept[1])
                continue
            view = self.view
            with self._report.steps(f"{label} · attribution") as step, metered() as meter:
                maps[purpose] = checked(
                    cell.scorer.score(view, self._ready(reference, cell, step)),
                    view.weights(),
                    cell.scorer.name,
                )
            cost = _added(cost, meter.phase)
            if cell.scorer.needs_reference:  # the others are made faster than read
                about = {"spec": cell.spec.model_dump(mode="json"), "purpose": purpose}
                about["cost"] = meter.phase.model_dump()
                save_scores(maps[purpose], path, about)
        return self.plan.task.importance(maps), cost

    def _points(self, cell: Cell, label: str) -> tuple[tuple[Point, ...], dict[str, Phase]]:
        ranking: tuple[ScoreMap, Phase] | None = None
        attribution = evaluation = Phase(seconds=0, peak_bytes=0)
        points = []
        for amount in cell.spec.amounts:
            path = self._cache / "points" / f"{_point_key(cell.spec, amount)}.json"
            measured = _read_point(path)
            if measured is None:
                here = f"{label} · sparsity {amount:g}"
                if amount == 0:
                    measured = self._dense_point(cell)
                elif cell.spec.schedule == "blockwise":
                    measured = self._blockwise_point(cell, amount, here)
                else:
                    ranking = ranking or self.scores(cell, label)
                    measured = self._one_shot_point(cell, amount, here, ranking[0])
                write_atomically(path, measured.model_dump_json(indent=1) + "\n")
            if measured.attribution:
                attribution = _added(attribution, measured.attribution)
            evaluation = _added(evaluation, measured.evaluation)
            points.append(measured.point)
        if cell.spec.schedule == "one-shot":
            # Of a run that was resumed the cost is that of its first attribution.
            attribution = (ranking or self.scores(cell, label))[1]
        return tuple(points), {"attribution": attribution, "evaluation": evaluation}

    def _dense_point(self, cell: Cell) -> MeasuredPoint:
        dense, phase = self._measure(cell, None, f"dense {self.plan.model.ref.id}")
        self._dense[_dense_key(cell.spec)] = dense
        whole = KeepMask({})
        return MeasuredPoint(point=self._point(0.0, whole, dense), evaluation=phase)

    def _one_shot_point(
        self, cell: Cell, amount: float, label: str, ranking: ScoreMap
    ) -> MeasuredPoint:
        dense = self._dense_evaluation(cell)
        spec = cell.spec
        keep = select(ranking, amount, self.view, unit=spec.unit, group=spec.group)
        with self.view.masked(keep):
            found, phase = self._measure(cell, dense, label)
        return MeasuredPoint(point=self._point(amount, keep, found), evaluation=phase)

    def _blockwise_point(self, cell: Cell, amount: float, label: str) -> MeasuredPoint:
        dense = self._dense_evaluation(cell)
        spec, view = cell.spec, self.view
        references = cell.prepared.references(spec.objective or _any_objective(self.plan))
        if set(references) != {"task"}:
            raise Sparc3Error(
                "Schedule 'blockwise' needs a task with one reference, as later blocks are scored "
                "on what earlier ones were pruned for; choose 'one-shot'."
            )
        weights: dict[str, Tensor] = {}
        biases: dict[str, Tensor] = {}
        with ExitStack() as stack:
            with self._report.steps(f"{label} · blockwise attribution") as step, metered() as meter:
                reference = self._ready(references["task"], cell, lambda done, total: None)
                for index, block in enumerate(walk(view, reference)):
                    scores = checked(
                        cell.scorer.score(block, reference), block.weights(), cell.scorer.name
                    )
                    keep = select(scores, amount, block, unit=spec.unit, group=spec.group)
                    stack.enter_context(block.masked(keep))
                    weights.update(keep.weights)
                    biases.update(keep.biases)
                    step(index + 1, len(view.blocks))
            found, phase = self._measure(cell, dense, label)
        return MeasuredPoint(
            point=self._point(amount, KeepMask(weights, biases), found),
            evaluation=phase,
            attribution=meter.phase,
        )

    def _dense_evaluation(self, cell: Cell) -> Evaluation:
        """Return the dense evaluation, made again when only its numbers were in the cache."""
        key = _dense_key(cell.spec)
        if key not in self._dense:
            self._dense[key] = self._measure(cell, None, f"dense {self.plan.model.ref.id}")[0]
        return self._dense[key]

    def _measure(
        self, cell: Cell, dense: Evaluation | None, label: str
    ) -> tuple[Evaluation, Phase]:
        with self._report.steps(label) as step, metered() as meter:
            found = cell.prepared.evaluate(self.view, dense, step)
        return found, meter.phase

    def _ready(
        self, reference: ReferenceSamples, cell: Cell, step: Callable[[int, int], None]
    ) -> ReferenceSamples:
        return dataclasses.replace(
            reference, seed=cell.spec.seed, batch_size=self._batch_size, progress=step
        )

    def _point(self, amount: float, keep: KeepMask, found: Evaluation) -> Point:
        scope = sum(weight.matrix.numel() for weight in self.view.weights().values())
        return Point(
            amount=Amount(
                requested=amount,
                in_scope=keep.removed / scope,
                in_model=(keep.removed + keep.removed_biases) / self.view.parameters,
                weights_removed=keep.removed,
            ),
            metrics=dict(found.metrics),
            samples={name: tuple(values) for name, values in found.samples.items()},
        )

    def _result(self, cell: Cell, **parts: Any) -> Result:
        now = datetime.datetime.now(datetime.UTC)
        return Result(
            schema_version=SCHEMA_VERSION,
            key=cell.spec.key,
            created=now.isoformat(timespec="seconds"),
            is_control=cell.scorer.is_control,
            spec=cell.spec,
            metrics=tuple(
                MetricRecord(**dataclasses.asdict(metric)) for metric in self.plan.task.metrics
            ),
            environment=describe_environment(),
            warnings=tuple(cell.prepared.warnings),
            **parts,
        )


def _any_objective(plan: Plan) -> str:
    """Return an objective for scorers that will not ask for it."""
    return plan.task.default_objective


def _added(left: Phase, right: Phase) -> Phase:
    return Phase(
        seconds=round(left.seconds + right.seconds, 3),
        peak_bytes=max(left.peak_bytes, right.peak_bytes),
    )


def _attribution_key(spec: RunSpec, purpose: str) -> str:
    """Name what determines the scores, and nothing else."""
    return content_key(
        {
            **_parts(spec, "scorer", "model", "objective", "scope", "seed"),
            "reference": [d for d in _parts(spec, "datasets")["datasets"] if _steers(d)],
            "purpose": purpose,
            "source": source_digest(),
        }
    )


def _point_key(spec: RunSpec, amount: float) -> str:
    """Name what determines one point; the dense one is the same for every scorer."""
    parts = {"dense": _dense_key(spec), "amount": amount}
    if amount > 0:
        parts |= _parts(spec, "unit", "group", "schedule")
        parts["attribution"] = _attribution_key(spec, "")
    return content_key(parts)


def _dense_key(spec: RunSpec) -> str:
    return content_key(
        {
            **_parts(spec, "task", "model"),
            "evaluation": [d for d in _parts(spec, "datasets")["datasets"] if not _steers(d)],
            "source": source_digest(),
        }
    )


def _parts(spec: RunSpec, *names: str) -> dict[str, Any]:
    return spec.model_dump(mode="json", include=set(names))


def _steers(dataset: Mapping[str, Any]) -> bool:
    return bool(dataset["purpose"] == "reference")


def _read_point(path: Path) -> MeasuredPoint | None:
    """Return a kept point; a damaged one counts as absent and is measured again."""
    try:
        return MeasuredPoint.model_validate_json(path.read_text())
    except (OSError, ValueError):
        return None


def _read_scores(path: Path) -> tuple[ScoreMap, Phase] | None:
    """Return kept scores and their cost; a damaged file counts as absent."""
    try:
        scores, about = load_scores(path)
        return scores, Phase.model_validate(about["cost"])
    except (OSError, KeyError, ValueError, SafetensorError):
        return None
