"""What the contract demands a task to leave as it was: the model it measures, and the process."""

from __future__ import annotations

from sparc3_bench.model.state import undoing
from sparc3_bench.model.view import ModelView
from sparc3_bench.testing.report import Breach, CheckFailure, CheckSkipped, demand
from sparc3_bench.testing.state import Interrupted, left_behind
from sparc3_bench.testing.task_runs import (
    Plugin,
    Trial,
    measure,
    meet_model,
    of_trials,
    prepared_once,
    trial,
)


@demand(
    "the next amounts, and the next runs, are measured on the same model",
    "use context managers or a `finally`, and generators of your own",
)
def check_leaves_model_and_process_unchanged(plugin: Plugin) -> None:
    """Demand weights, hooks, flags, classes and random states as they were after measuring."""
    found = trial(plugin)
    view = _prepared(found)

    def act() -> None:
        meet_model(found.task, prepared_once(plugin), view)
        measure(found.task, found.prepared, view)

    for section, names in left_behind(view, act)[0].items():
        if names:
            raise Breach(
                f"After measuring, {len(names)} {section} are not as before, the first "
                f"`{names[0]}`, {found}"
            )


@of_trials(
    "the model goes on being used after an interrupted run",
    "undo every change in a `finally` or a context manager",
)
def check_cleans_up_when_measuring_is_interrupted(found: Trial) -> None:
    """Demand the same also when control-C comes in the middle of an evaluation.

    The exception is raised from `progress`, and must come through.
    """
    view = _prepared(found)
    heard = False

    def progress(done: int, total: int) -> None:
        nonlocal heard
        heard = True
        raise Interrupted

    left, through = left_behind(
        view, lambda: measure(found.task, found.prepared, view, progress=progress)
    )
    if not heard:
        raise CheckSkipped("the task reports no progress, so it cannot be interrupted there")
    if not through:
        raise CheckFailure(
            f"The task goes on after an interruption, {found}",
            "users could not stop a run, and half an evaluation would be kept",
            "catch no more than you can handle, and never `BaseException`",
        )
    another = _prepared(found)
    always, _ = left_behind(another, lambda: measure(found.task, found.prepared, another))
    for section, names in left.items():
        # What stays behind after an evaluation that finishes, too, is told by the check above.
        new = [name for name in names if name not in always[section]]
        if new:
            raise Breach(
                f"When interrupted, the task leaves {len(new)} {section} changed, the first "
                f"`{new[0]}`"
            )


def _prepared(found: Trial) -> ModelView:
    view = found.ground.view()
    with undoing(view):  # what a model sets up on its first run is its own affair
        measure(found.task, found.prepared, view)
    return view
