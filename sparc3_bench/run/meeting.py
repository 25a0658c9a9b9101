"""Meeting: let a task see the dense model before it gives its references."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sparc3_bench.contracts import PreparedTask, Texts, Verdicts
from sparc3_bench.run import store
from sparc3_bench.run.judging import remembered

if TYPE_CHECKING:
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.runner import Session


def meet(session: Session, cell: Cell) -> PreparedTask:
    """Return a cell's task as it stands for the dense model; what it wants is remembered."""
    plan, label = session.plan, f"{session.plan.task.name} meets {session.plan.model.ref.id}"

    def judge(texts: Texts) -> Verdicts:
        assert plan.judge is not None
        return remembered(plan.judge, texts, session.cache, step).scores

    def remember(name: str, make: Callable[[], Any]) -> Any:
        key = store.meeting_key(cell.spec, name, plan.task.steering)
        path = session.cache / "meetings" / f"{key}.json"
        if (kept := store.read(store.Kept, path)) is None:
            kept = store.Kept(value=make())
            store.write(kept, path)
        return kept.value

    with session.report.steps(label) as step:
        return cell.prepared.met(session.view, judge, remember, step)
