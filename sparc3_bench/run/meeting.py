"""Meeting: let a task see the dense model before it gives its references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.contracts import PreparedTask
from sparc3_bench.record.parts import Phase
from sparc3_bench.run import store
from sparc3_bench.run.environment import added, metered
from sparc3_bench.run.judging import NOTHING, remembered

if TYPE_CHECKING:
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.runner import Session


@dataclass(frozen=True)
class Met:
    """A task that has met a dense model.

    Attributes
    ----------
    before
        The task as it was. While that is alive, no other one gets its place in memory.
    task
        The task as it stands for the model.
    phase
        What it made of the model, and had judged, cost; whoever made it.
    """

    before: PreparedTask
    task: PreparedTask
    phase: Phase


def meet(session: Session, cell: Cell) -> Met:
    """Let a cell's task learn the facts of the dense model; what it asked for is kept."""
    plan, facts = session.plan, session.plan.task.facts
    if facts is None:
        return Met(cell.prepared, cell.prepared, NOTHING)
    key = store.meeting_key(cell.spec, plan.task.steering)
    path = session.cache / "meetings" / f"{key}.json"
    with session.report.steps(f"{plan.task.name} meets {plan.model.ref.id}") as step:
        if (kept := store.read(store.Kept, path)) is None:
            with metered(session.view) as meter:
                value = facts.ask(cell.prepared, session.view, step)
            kept = store.Kept(value=value, phase=meter.phase)
            store.write(kept, path)
        cost, scores = kept.phase, dict[str, Any]()
        if (texts := facts.texts(cell.prepared, kept.value)) and plan.judge is not None:
            verdict = remembered(plan.judge, texts, session.cache, step)
            cost, scores = added(cost, verdict.phase), verdict.scores
    return Met(cell.prepared, facts.learned(cell.prepared, kept.value, scores), cost)
