"""Objectives: which scalar is attributed for a scorer where the user asks for none."""

from __future__ import annotations

from sparc3_bench.attribution.objectives import OBJECTIVES
from sparc3_bench.contracts import Scorer, Task


def offered(task: Task) -> tuple[str, ...]:
    """Return the names of the objectives that a task takes."""
    if task.objectives:
        return task.objectives
    default = task.default_objective
    return tuple(OBJECTIVES) if default in OBJECTIVES else (default,)


def objective_for(scorer: Scorer, task: Task) -> str:
    """Return the objective that a scorer is defined for, or else the task's default one."""
    own = scorer.default_objective
    return own if own is not None and own in offered(task) else task.default_objective


def objective_remarks(scorer: Scorer, objective: str | None) -> tuple[str, ...]:
    """Return what a reader must know when a scorer is not defined for what was attributed."""
    own = scorer.default_objective
    if objective is None or own is None or own == objective:
        return ()
    return (
        f"Scorer '{scorer.name}' is defined for objective '{own}', but '{objective}' was "
        "attributed: its constants and its meaning need not hold.",
    )
