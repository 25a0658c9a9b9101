"""Meeting: let a task see the dense model before it gives its references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.contracts import PreparedTask
from sparc3_bench.record.parts import Phase
from sparc3_bench.run import store
from sparc3_bench.run.environment import added, metered
from sparc3_bench.run.judging import NOTHING, remembered
from sparc3_bench.types.values import Texts, Verdicts

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
    """Let a cell's task meet the dense model; what it wants is remembered."""
    plan, label = session.plan, f"{session.plan.task.name} meets {session.plan.model.ref.id}"
    cost = NOTHING

    def judge(texts: Texts) -> Verdicts:
        nonlocal cost
        assert plan.judge is not None
        verdict = remembered(plan.judge, texts, session.cache, step)
        cost = added(cost, verdict.phase)
        return verdict.scores

    def remember(name: str, make: Callable[[], Any]) -> Any:
        nonlocal cost
        key = store.meeting_key(cell.spec, name, plan.task.steering)
        path = session.cache / "meetings" / f"{key}.json"
        if (kept := store.read(store.Kept, path)) is None:
            with metered(session.view) as meter:
                value = make()
            kept = store.Kept(value=value, phase=meter.phase)
            store.write(kept, path)
        cost = added(cost, kept.phase)
        return kept.value

    with session.report.steps(label) as step:
        task = cell.prepared.met(session.view, judge, remember, step)
    return Met(cell.prepared, task, cost)
