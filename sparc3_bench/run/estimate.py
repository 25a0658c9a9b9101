"""Estimate: what the runs of plans will cost on this machine, from their steps and a few probes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sparc3_bench.record.spec import content_key
from sparc3_bench.run import store
from sparc3_bench.run.environment import metered
from sparc3_bench.run.found import candidates_of
from sparc3_bench.run.handling import Handling, handled, noise
from sparc3_bench.run.probing import (
    Cost,
    Watch,
    averaged,
    flops_of_token,
    measured,
    scored,
    walked,
)
from sparc3_bench.run.runner import Session
from sparc3_bench.run.steps import Averaging, Measuring, Scoring, Walking, steps_of
from sparc3_bench.selection.units import ranked
from sparc3_bench.statistics.curve import curve_numbers
from sparc3_bench.types.scores import Ranking

if TYPE_CHECKING:
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.plan import Cell, Plan
    from sparc3_bench.run.steps import Step
    from sparc3_bench.types.scores import ScoreMap


_Made = TypeVar("_Made")


@dataclass
class Estimate:
    """What the runs of one plan will cost.

    Attributes
    ----------
    plan
        The plan.
    phases
        By the phase of a record, the cost of what no earlier run makes; "handling" is all that
        is neither scored nor measured.
    steps
        How many steps there are; `shared` of them an earlier run makes, or these do twice.
    """

    plan: Plan
    phases: dict[str, Cost] = field(default_factory=dict)
    steps: int = 0
    shared: int = 0

    @property
    def cost(self) -> Cost:
        """All phases together."""
        return sum(self.phases.values(), Cost())

    def add(self, phase: str, cost: Cost) -> None:
        """Add to a phase."""
        self.phases[phase] = self.phases.get(phase, Cost()) + cost


class Estimator:
    """Estimates plans in order, a kind of step tried once.

    Parameters
    ----------
    cache
        Where models, and whole dense evaluations, are kept.
    watch
        Told what is going on.
    batch_size
        Reference samples run at once.

    Attributes
    ----------
    kinds
        The kinds of steps that were tried.
    in_part
        How many evaluations among them were tried in part only.
    """

    def __init__(self, cache: Path, watch: Watch, batch_size: int = 1) -> None:
        self._cache, self._watch, self._batch_size = cache, watch, batch_size
        self._session: Session | None = None
        self._found: dict[str, Any] = {}
        self._made: set[str] = set()
        self._noise_of: tuple[ModelView, ScoreMap] | None = None
        self.kinds: set[str] = set()
        self.in_part = 0

    def of(self, plan: Plan) -> Estimate:
        """Return what a plan will cost after those before it.

        Raises
        ------
        Sparc3Error
            When the model cannot do what is asked of it, or a scorer not score it.
        """
        start = time.perf_counter()
        session = Session(plan, self._cache, self._watch, self._batch_size, self._session)
        is_new = self._session is None or self._session.view is not session.view
        self._session, self._watch.view = session, session.view
        session.check()
        found = Estimate(plan)
        if is_new:
            found.add("handling", Cost(time.perf_counter() - start))
        for cell in plan.cells:
            self._add(found, session, cell)
        return found

    def _add(self, found: Estimate, session: Session, cell: Cell) -> None:
        if cell.spec.objective is not None and self._is_new(f"meeting {id(cell.prepared)}"):
            phase = session.met(cell).phase
            if phase.seconds:
                found.add("meeting", self._with_flops(Cost.of(phase), session))
        handling = self._handling(session, cell)
        for step in steps_of(session, cell, self._candidates(session, cell)):
            is_new = self._is_new(step.key)
            found.steps += 1
            found.shared += not is_new
            found.add("handling", Cost(handling.of(step, is_new=is_new)))
            if is_new:
                found.add(step.phase, self._tried(session, cell, step))
        for name, cost in self._ending(session, cell).items():
            found.add(name, cost)

    def _tried(self, session: Session, cell: Cell, step: Step) -> Cost:
        """Return what a step costs, tried unless one of its kind was."""
        self.kinds.add(step.kind)
        limit = self._watch.limit
        if isinstance(step, Scoring | Walking) and step.kind not in self._found:
            self._watch.say(f"Trying scorer '{cell.spec.scorer.name}' …")
        if isinstance(step, Scoring):
            line = self._once(step.kind, lambda: scored(session, step, limit))
            left = [place for place, key in enumerate(step.snapshots, 1) if key in self._made]
            self._made.update(step.snapshots[-1:])
            return line.at(sum(map(len, step.reference.samples[max(left, default=0) :])))
        if isinstance(step, Walking):
            return self._once(step.kind, lambda: walked(session, step, limit))

        def evaluation() -> Cost:
            if isinstance(step, Averaging):
                return self._with_flops(averaged(session, cell), session)
            assert isinstance(step, Measuring)
            found, is_whole = measured(session, cell, step, self._watch)
            self.in_part += not is_whole
            return self._with_flops(found, session)

        return self._once(step.kind, evaluation)

    def _ending(self, session: Session, cell: Cell) -> dict[str, Cost]:
        """Return what follows the last step: intervals, and what the scores are worth."""
        spec = cell.spec

        def make() -> dict[str, Cost]:
            view, made = session.view, dict[str, Cost]()
            dense = store.read(store.Evaluated, session.place(cell, "test", store.DENSE)[1])
            if dense is not None:
                samples = session.judged(dense, "").samples
                with metered() as meter:
                    curve_numbers(
                        session.plan.task,
                        spec.amounts,
                        [samples] * len(spec.amounts),
                        cell.prepared.clusters,
                        spec.removal,
                    )
                made["handling"] = Cost(meter.phase.seconds)
            assessment = session.plan.task.assessment
            if spec.schedule == "one-shot" and assessment is not None:
                scores = dict.fromkeys(session.references(cell), self._noise(session))
                with metered(view) as meter:
                    assessment.assess(cell.prepared, view, scores, spec.unit, spec.group)
                made["assessment"] = Cost.of(meter.phase)
            return made

        steering = session.plan.task.steering
        named: list[Any] = [
            "ending",
            store.dense_key(spec, steering),
            spec.amounts,
            spec.unit,
            spec.group,
        ]
        return self._once(content_key(named), make)

    def _handling(self, session: Session, cell: Cell) -> Handling:
        spec = cell.spec
        named: list[Any] = ["handling", spec.model.model_dump(mode="json"), spec.scope]
        named += [spec.unit, spec.group, spec.amount_kind, spec.amounts]
        return self._once(content_key(named), lambda: handled(session, cell, self._noise(session)))

    def _candidates(self, session: Session, cell: Cell) -> list[str]:
        """Return the names of what a task chooses from: asked once, with rankings at random."""
        task, spec = session.plan.task, cell.spec
        if task.choice is None:
            return []
        purposes = list(session.references(cell))
        parts = spec.model_dump(mode="json", include={"task", "model", "scope", "unit"})
        return self._once(
            content_key(["candidates", parts, purposes]),
            lambda: [*candidates_of(task, dict.fromkeys(purposes, self._ranking(session, cell)))],
        )

    def _ranking(self, session: Session, cell: Cell) -> Ranking:
        """Return a ranking at random, with all that a scorer may keep of units."""
        scores = ranked(self._noise(session), session.view, cell.spec.unit).scores
        if cell.spec.unit == "weight":
            return Ranking(scores)
        samples = {name: values.expand(2, -1) for name, values in scores.items()}
        return Ranking(scores, scores, samples)

    def _noise(self, session: Session) -> ScoreMap:
        if self._noise_of is None or self._noise_of[0] is not session.view:
            self._noise_of = session.view, noise(session.view)
        return self._noise_of[1]

    def _with_flops(self, cost: Cost, session: Session) -> Cost:
        spec = session.plan.cells[0].spec
        named = content_key(["forward", spec.model.model_dump(mode="json")])
        each = self._once(named, lambda: flops_of_token(session.view))
        return replace(cost, flops=cost.tokens * each)

    def _is_new(self, key: str) -> bool:
        is_new = key not in self._made
        self._made.add(key)
        return is_new

    def _once(self, kind: str, make: Callable[[], _Made]) -> _Made:
        if kind not in self._found:
            self._found[kind] = make()
        return cast("_Made", self._found[kind])
