"""`sparc3 correct`: remove what makes a model answer in an undesired way, and save it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.responses import Written
    from sparc3_bench.types.conventions import Unit


def _count(unit: str) -> Any:
    return typer.Option(min=1, help=f"How many {unit}s to remove.", show_default=False)


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
    task: Annotated[
        str | None,
        typer.Option(
            help="Task that says what is undesired; may be left out where only one that is "
            "installed fits."
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
            "numbers are tried and the best one taken [default: neuron].",
            show_default=False,
        ),
    ] = None,
    scorer: Annotated[str, typer.Option(help="Scorer that ranks what to remove.")] = "lrp",
    scope: common.Scope = "all",
    objective: common.Objective = None,
    scorer_option: common.ScorerOptions = [],  # noqa: B006
    task_option: common.TaskOptions = [],  # noqa: B006
    controls: Annotated[
        int, typer.Option(min=0, max=1000, help="Random removals of as many, to compare with.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the reference samples and the scorer.")] = 0,
    dtype: common.Dtype = "auto",
    device: common.Device = "cpu",
    batch_size: common.BatchSize = 1,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Also keep the result there, with all responses beside it, like `sparc3 run`; "
            "`sparc3 rejudge` needs them.",
            show_default=False,
        ),
    ] = None,
    cache: common.Cache = None,
) -> None:
    """Correct a model: find what its undesired responses need, remove it, and save the model.

    The folder gets the model for plain transformers, the mask, the record, a report with a plot.
    Every weight that stays keeps its bits and its number format. The same command goes on where it
    was interrupted. Exit code 0 when the model is there, 1 when the run failed or nothing was
    better than the model as it is, 2 for wrong input.
    """
    from sparc3_bench.circuit import correct, report
    from sparc3_bench.circuit.rebuild import Rebuilt
    from sparc3_bench.host import default_host
    from sparc3_bench.run.options import parse_pairs
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.plan import Request, plan
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.results import check_writable
    from sparc3_bench.run.worker import run_cell

    removed, count = _removed({"neuron": neurons, "head": heads, "weight": weights}, unit)
    correct.KIND.check_free(out)
    folder = common.cache_folder(cache)
    for place in (folder, results):
        if place is not None:
            check_writable(place)
    host = default_host()
    name = task or correct.find_task(host, judged=judge is not None or bool(judge_option))
    options = _with_prompts(host, name, parse_pairs(task_option), undesired)
    request = Request(
        scorers=[(scorer, [seed])],
        task=name,
        model=model,
        amounts=None if count is None else [count],
        amount_kind=None if count is None else "count",
        unit=removed,
        scope=scope,
        controls=controls,
        objective=objective,
        scorer_options=parse_pairs(scorer_option),
        task_options=options,
        judge=judge,
        judge_options=parse_pairs(judge_option),
        dtype=dtype,
        batch_size=batch_size,
        device=device,
    )
    (cell,) = plan(request, host, folder)
    if cell.task.choice is None:
        raise Sparc3Error(
            f"Task '{name}' does not say what a correction is to reach; choose another with "
            "`--task`."
        )
    said = Reporter()
    at = Place(folder, said)
    result, written = run_cell(cell, at, scorer)
    if results is not None:
        _keep(result, written, results)
    if result.found is None:
        said.say(f"{scorer}  failed: {result.error}")
        raise typer.Exit(1)
    amount = result.found.point.amount.requested if count is None else float(count)
    rebuilt = Rebuilt(result, cell, at)
    outcome = correct.outcome_of(rebuilt, amount)
    correct.write_correction(rebuilt, outcome, out)
    for warning in result.warnings:
        said.say(f"warning: {warning}")
    if amount == 0:
        said.say(
            f"Nothing that was tried was better within the limits than the model as it is; {out} "
            "tells what was tried and has no model."
        )
        raise typer.Exit(1)
    if not outcome.is_choice:
        said.say(
            "warning: On the selection prompts this was not better, within the limits, than the "
            "model as it is."
        )
    typer.echo(f"{out}: {outcome.removed} removed. {report.outcome_line(outcome)}")


def _removed(counts: Mapping[Unit, int | None], unit: str | None) -> tuple[Unit, int | None]:
    """Return what is removed, and how many; None for the task's default numbers.

    Raises
    ------
    Sparc3Error
        When more than one is named.
    """
    given = [(each, count) for each, count in counts.items() if count is not None]
    named = [f"--{each}s" for each, _ in given] + (["--unit"] if unit is not None else [])
    if len(named) > 1:
        raise Sparc3Error(
            f"`{named[0]}` and `{named[1]}` both say what is removed; give one of them."
        )
    return given[0] if given else (unit or "neuron", None)  # type: ignore[return-value]


def _with_prompts(
    host: PluginHost, task: str, options: dict[str, str], undesired: str | None
) -> dict[str, str]:
    """Return the options of the task with the prompts under the name that they have there."""
    option = host.get("task", task).cls.prompts_option
    if undesired is None:
        return options
    if option is None:
        raise Sparc3Error(
            f"Task '{task}' does not say which of its options takes prompts; leave `--undesired` "
            "out, or choose another with `--task`."
        )
    if option in options:
        raise Sparc3Error(
            f"`--undesired` and `--task-option {option}=…` both name the prompts; give one of them."
        )
    return {**options, option: undesired}


def _keep(result: Result, written: Written, results: Path) -> None:
    """Write the result and its responses, as `sparc3 run` does."""
    from sparc3_bench.record.files import write_result
    from sparc3_bench.run.responses import write_responses

    path = results / result.spec.path
    if result.responses is not None:
        write_responses(path, written.to_json())
    write_result(path, result)
