"""`sparc3 correct`: remove what makes a model answer in an undesired way, and save it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.changing import Change, changes_models, only_task
from sparc3_bench.errors import ExitCode, Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.contracts import Task


def _count(unit: str) -> Any:
    return typer.Option(min=1, help=f"How many {unit}s to remove.", show_default=False)


@changes_models(scorer="lrp", controls=5)
def command(
    model: common.ModelName,
    out: Annotated[
        Path, typer.Option(help="Folder to write: new, empty, or an earlier correction.")
    ],
    undesired: Annotated[
        str | None,
        typer.Option(
            help="Prompts whose responses are undesired: what the task takes, e.g. a file of them "
            "(text, JSON Lines, CSV, parquet) or a name; the task's own when absent."
        ),
    ] = None,
    judge: common.JudgeName = None,
    judge_option: common.JudgeOptions = [],  # noqa: B006  # typer wants a list
    neurons: Annotated[int | None, _count("neuron")] = None,
    heads: Annotated[int | None, _count("head")] = None,
    weights: Annotated[int | None, _count("weight")] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="Without a number: what to remove, neuron, head or weight; the task's default "
            "numbers are tried and the best one taken [default: neuron]."
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Also keep the result there, with all responses beside it, like `sparc3 run`; "
            "`sparc3 rejudge` needs them."
        ),
    ] = None,
    *,
    change: Change,
) -> None:
    """Correct a model: find what its undesired responses need, remove it, and save the model.

    The folder gets the model for plain transformers, the mask, the record, a report with a plot.
    Every weight that stays keeps its bits and its number format. The same command goes on where it
    was interrupted. Exit code 0 when the model is there, 1 when the run failed or nothing was
    better than the model as it is, 2 for wrong input.
    """
    from sparc3_bench.circuit.correct import Correction
    from sparc3_bench.circuit.rebuild import Rebuilt
    from sparc3_bench.run.options import parse_pairs

    removed, count = _removed({"neuron": neurons, "head": heads, "weight": weights}, unit)
    change.check_folders(Correction.kind, out, results)
    judged = judge is not None or bool(judge_option)
    does = "correct what a judge says of a model" if judged else "correct a model"
    task = change.task or only_task(change.host, lambda task: corrects(task, judged), does)
    option = change.host.get("task", task).cls.prompts_option
    if undesired is not None and option is None:
        raise Sparc3Error(
            f"Task '{task}' does not say which of its options takes prompts; leave `--undesired` "
            "out, or choose another with `--task`."
        )
    cell = change.cell(
        task=task,
        model=model,
        amounts=None if count is None else [count],
        amount_kind=None if count is None else "count",
        unit=removed,
        task_options=change.task_options | change.text("--undesired", option or "", undesired),
        judge=judge,
        judge_options=parse_pairs(judge_option),
    )
    if cell.task.choice is None:
        raise Sparc3Error(
            f"Task '{task}' does not say what a correction is to reach; choose another with "
            "`--task`."
        )
    result = change.run(cell, results)
    assert result.found is not None
    amount = result.found.point.amount.requested if count is None else float(count)
    correction = Correction(Rebuilt(result, cell, change.place), amount)
    change.write(correction, out, "correct")
    if amount == 0:
        change.say(
            f"Nothing that was tried was better within the limits than the model as it is; {out} "
            "tells what was tried and has no model."
        )
        raise typer.Exit(ExitCode.NOT_WELL)
    if not correction.is_choice:
        change.say(
            "warning: On the selection prompts this was not better, within the limits, than the "
            "model as it is."
        )
    change.tell(f"{out}: {correction.removed} removed. {correction.outcome}")


def corrects(task: type[Task], judged: bool) -> bool:
    """Return whether a task corrects what models answer; where `judged`, as a judge reads it."""
    if task.prompts_option is None:
        return False
    # Which judge it has may depend on its options.
    return not judged or task(**task.tiny_options).judging is not None


def _removed(counts: Mapping[str, int | None], unit: str | None) -> tuple[str, int | None]:
    """Return what is removed, and how many; None for the task's default numbers.

    Raises Sparc3Error when more than one is named.
    """
    given = [(each, count) for each, count in counts.items() if count is not None]
    named = [f"--{each}s" for each, _ in given] + (["--unit"] if unit is not None else [])
    if len(named) > 1:
        raise Sparc3Error(
            f"`{named[0]}` and `{named[1]}` both say what is removed; give one of them."
        )
    return given[0] if given else (unit or "neuron", None)
