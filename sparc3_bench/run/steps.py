"""Steps: what a run is made of, each under a name for all it depends on, without making any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.record.spec import content_key
from sparc3_bench.run import store
from sparc3_bench.run.scoring import goes_on
from sparc3_bench.run.search import largest_amount
from sparc3_bench.types.conventions import Part

if TYPE_CHECKING:
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.runner import Session
    from sparc3_bench.types.samples import ReferenceSamples


@dataclass(frozen=True)
class Step:
    """Part of a run.

    Attributes
    ----------
    phase
        Where a result counts what it costs.
    key
        Names all that it depends on: steps of one key are made once.
    kind
        Names what its cost depends on: a kind is tried once.
    """

    phase: str
    key: str
    kind: str


@dataclass(frozen=True)
class Scoring(Step):
    """Scoring of the reference samples `reference` of one purpose for `cell`.

    `snapshots` names what may be left after every sample, where it can be gone on from.
    """

    cell: Cell
    reference: ReferenceSamples
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True)
class Averaging(Step):
    """Mean inputs of every weight, for ablation `mean`."""


@dataclass(frozen=True)
class Measuring(Step):
    """Evaluation on a part of the data, of the dense model or of a masked one.

    `as_dense` where that takes as long as on the dense model.
    """

    part: Part
    is_masked: bool
    is_control: bool
    as_dense: bool


@dataclass(frozen=True)
class Walking(Step):
    """One walk of schedule `blockwise`, without the evaluation at its end."""

    cell: Cell


def steps_of(session: Session, cell: Cell, candidates: Sequence[str]) -> Iterator[Step]:
    """Yield the steps of one run in order; what it chooses by its numbers is taken to be pruned.

    Parameters
    ----------
    session
        Of the cell's plan; a task that must meet the model first does.
    cell
        The run.
    candidates
        Names of the rankings that the task chooses from, where it chooses.
    """
    name = _Namer(session, cell)
    spec, task = cell.spec, session.plan.task
    if spec.schedule == "blockwise":
        for amount in spec.amounts:
            if amount > 0:
                key = store.walk_key(spec, amount)
                yield Walking("attribution", key, name.scoring("blockwise"), cell)
            yield name.measuring("evaluation", "test", amount)
        return
    for one, phase in ((cell, "attribution"), *((other, "stability") for _, other in cell.others)):
        for purpose, reference in session.references(one).items():
            key = store.attribution_key(one.spec, purpose, reference.digest)
            kind = name.scoring("one-shot")
            left: list[str] = []
            if session.plan.snapshots and goes_on(cell.scorer):
                left = store.snapshot_keys(one.spec, purpose, reference)
            yield Scoring(phase, key, kind, one, reference, tuple(left))
    if spec.ablation == "mean":
        digest = session.averaged(cell).digest
        yield Averaging("evaluation", content_key(["means", digest]), digest)
    if task.choice is not None:
        for candidate in candidates:
            for amount in spec.amounts:
                yield name.measuring("search", "selection", amount, candidate)
    for amount in spec.amounts:
        yield name.measuring("evaluation", "test", amount)
        for seed in range(spec.controls):
            yield name.control("controls", "control", amount, seed)
    if task.choice is not None:
        for seed in range(spec.controls):
            yield name.control("controls", "paired", spec.amounts[-1], seed)
    elif task.search and spec.removal == "lowest" and spec.amount_kind == "fraction":
        tried = [0.0, 1.0]
        largest_amount(lambda amount: tried.append(amount) or False)  # type: ignore[func-returns-value]
        for amount in tried:
            yield name.measuring("search", "selection", amount)
        yield name.measuring("evaluation", "test", 1.0)
        yield name.measuring("evaluation", "test", tried[-1])


@dataclass(frozen=True)
class _Namer:
    """Names the steps of one run."""

    session: Session
    cell: Cell

    def scoring(self, schedule: str) -> str:
        # Of the reference only its length counts, which is asked where the step is estimated.
        kept = {"scorer", "model", "objective", "scope"}
        return content_key([schedule, self.cell.spec.model_dump(mode="json", include=kept)])

    def measuring(self, phase: str, part: Part, amount: float, candidate: str = "") -> Measuring:
        spec = self.cell.spec
        removed: list[Any] = [spec.key, candidate, amount]
        if amount == 1 and spec.amount_kind == "fraction":
            removed = ["everything", spec.unit, spec.scope]  # whoever ranked it
        return self._measuring(phase, part, removed if amount else [], is_control=False)

    def control(self, phase: str, part: Part, amount: float, seed: int) -> Measuring:
        spec = self.cell.spec
        removed: list[Any] = [
            "random",
            spec.unit,
            spec.scope,
            spec.group == "row",
            spec.amount_kind,
            amount,
        ]
        if amount == 1 and spec.amount_kind == "fraction":
            removed.append("everything")  # where nothing is kept there is nothing to draw
        elif spec.group == "model":
            removed += [spec.key, seed]  # how many go of each matrix is the scorer's
        else:
            removed.append(seed)
        return self._measuring(phase, part, removed if amount else [], is_control=True)

    def _measuring(
        self, phase: str, part: Part, removed: list[Any], *, is_control: bool
    ) -> Measuring:
        spec, prepared = self.cell.spec, self.cell.prepared
        if prepared.part(part) is prepared:
            part = "test"
        steering = self.session.plan.task.steering
        named: dict[str, Any] = {"part": part, "removed": removed}
        if removed and spec.ablation != "zero":
            named["ablation"] = spec.ablation, spec.seed if spec.ablation == "mean" else 0
        key = content_key({"dense": store.dense_key(spec, steering), **named})
        task = spec.task.model_dump(mode="json", exclude={"options": set(steering)})
        # Zeros cost what weights cost, but a task may compare with the dense model.
        as_dense = not removed or (spec.ablation == "zero" and not prepared.part(part).compares)
        how = "dense" if as_dense else spec.ablation
        kind = content_key([spec.model.model_dump(mode="json"), task, part, how])
        return Measuring(phase, key, kind, part, bool(removed), is_control, as_dense)
