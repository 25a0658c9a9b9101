"""`sparc3 run`: score, prune and measure, one result file a scorer and seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result

_WITH_SUITE = (
    *("suite", "model", "dtype", "device", "batch_size", "results", "cache"),
    *("task_option", "judge", "judge_option"),
)


@common.with_conventions
def command(
    context: typer.Context,
    scorer: common.ScorerNames = [],  # noqa: B006  # typer wants a list
    suite: Annotated[
        str | None,
        typer.Option(
            help="Runs described elsewhere: a name of `sparc3 list suites`, or a TOML file. Goes "
            "with --model, --dtype, --device, --batch-size, --task-option, --judge, "
            "--judge-option, --results and --cache only; TASK.NAME=VALUE is an option of one task."
        ),
    ] = None,
    task: common.TaskName = "compression",
    model: common.ModelName = "smollm2-135m",
    amounts: Annotated[
        str | None,
        typer.Option(
            help="Fractions removed, e.g. 0,0.2,0.5, or with --count numbers of units; 0 is always "
            "added. Task's default if absent."
        ),
    ] = None,
    count: Annotated[
        bool, typer.Option("--count", help="Amounts are numbers of units of the whole model.")
    ] = False,
    conventions: common.Chosen = {},  # noqa: B006
    controls: Annotated[
        int, typer.Option(help="Random circuits with the same counts to measure.")
    ] = 0,
    stability_seeds: Annotated[
        int, typer.Option(help="Other reference seeds to compare the ranking with.")
    ] = 0,
    objective: common.Objective = None,
    scorer_option: common.ScorerOptions = [],  # noqa: B006
    task_option: common.TaskOptions = [],  # noqa: B006
    judge: common.JudgeName = None,
    judge_option: common.JudgeOptions = [],  # noqa: B006
    seed: common.Seed = 0,
    dtype: common.Dtype = "auto",
    device: common.Device = "cpu",
    batch_size: common.BatchSize = 1,
    snapshots: Annotated[
        bool,
        typer.Option(
            "--snapshots",
            help="Keep what scorers add up over the reference: a later run with the same samples "
            "and more behind them goes on from there. As large as scores, in the same cache.",
        ),
    ] = False,
    results: Annotated[Path, typer.Option(help="Folder for result files.")] = Path("results"),
    cache: common.Cache = None,
) -> None:
    """Compare scorers on a task: one attribution each, then every amount.

    Finished runs are kept: the same command again computes only what is missing. Of a suite what
    cannot be run is named, and the rest goes on. Exit code 0 when all runs are there, 1 when one
    failed or cannot be run, 2 for wrong input.
    """
    from sparc3_bench.host import default_host
    from sparc3_bench.run.options import parse_pairs
    from sparc3_bench.run.plan import Request, Shared, check_writable, checked_amounts, plan
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.running import Runs
    from sparc3_bench.run.seeds import with_seeds
    from sparc3_bench.run.suite import Changes, load_suite

    check_writable(results)
    folder = common.cache_folder(cache)
    check_writable(folder)
    host = default_host()
    if suite is not None:
        _check_alone(context)
        changes = Changes(
            every={n: context.params[n] for n in ("model", "dtype") if common.given(context, n)},
            task_options=parse_pairs(task_option),
            request={"device": device},
            judge=judge,
            judge_options=parse_pairs(judge_option),
        )
        requests = load_suite(suite, host, changes)
    elif not scorer:
        raise Sparc3Error("Nothing to run; name a scorer with `--scorer`, or a `--suite`.")
    else:
        asked = common.numbers(amounts, "--amounts")
        if asked is not None:
            checked_amounts(asked, "count" if count else "fraction")
        requests = [
            Request(
                scorers=with_seeds(scorer, seed),
                task=task,
                model=model,
                amounts=asked,
                amount_kind="count" if count else None if asked is None else "fraction",
                controls=controls,
                stability_seeds=stability_seeds,
                objective=objective,
                scorer_options=parse_pairs(scorer_option),
                task_options=parse_pairs(task_option),
                judge=judge,
                judge_options=parse_pairs(judge_option),
                dtype=dtype,
                device=device,
                snapshots=snapshots,
                **conventions,
            )
        ]
    report = Reporter()
    shared = Shared()
    plans, refused = [], []
    for request in requests:
        try:
            plans.append(plan(request, host, folder, shared))
        except Sparc3Error as error:
            if len(requests) == 1:
                raise
            refused.append(f"Task '{request.task}' is not run: {error}")
            report.say(refused[-1])
    runs = Runs(sum(map(len, plans)), results, folder, report, batch_size)
    failed = bool(refused)
    for made in plans:
        outcomes = runs.of(made)
        typer.echo(_table(outcomes, len(plans) > 1))
        failed |= any(result.status != "ok" for _, result in outcomes)
    for sentence in refused:  # again, where hours later someone looks
        report.say(sentence)
    if failed:
        raise typer.Exit(1 if plans else 2)


def _check_alone(context: typer.Context) -> None:
    typed = [name for name in context.params if common.given(context, name)]
    alone = [name for name in typed if name not in _WITH_SUITE]
    if alone:
        raise Sparc3Error(
            f"`--{alone[0].replace('_', '-')}` does not go with `--suite`, which says it itself; "
            "leave one of them out, or copy the suite's file and change it."
        )


def _table(outcomes: list[tuple[str, Result]], described: bool) -> str:
    """Return the main metric of every run over the amounts, as text."""
    first = outcomes[0][1]
    spec, metric = first.spec, first.metrics[0]
    width = max(len(name) for name, _ in outcomes) + 2
    what = "removed" if spec.removal == "lowest" else "removed from the top"
    lines = [f"{metric.title} by amount {what} ({metric.direction} is better)"]
    if described:
        # Scorers may have objectives of their own.
        objectives = {result.spec.objective for _, result in outcomes} - {None}
        objective = next(iter(objectives)) if len(objectives) == 1 else None
        parts = (spec.task.name, spec.unit, spec.group, objective or "", spec.ablation)
        lines.insert(0, " · ".join(part for part in parts if part))
    lines.append("".join([f"{'':<{width}}", *(f"{amount:>11g}" for amount in spec.amounts)]))
    for name, result in outcomes:
        if result.status != "ok":
            lines.append(f"{name:<{width}}  failed: {result.error}")
            continue
        cells = (f"{point.metrics[metric.name]:>11,.5g}" for point in result.points)
        lines.append("".join([f"{name:<{width}}", *cells]))
    for judged in first.curve_metrics:
        numbers = (
            f"{name} {found.value:.4g}" + (f" ({found.note})" if found.note else "")
            for name, result in outcomes
            if (found := result.curve.get(judged.name))
        )
        lines.append(f"{judged.title}: {', '.join(numbers)}")
    return "\n".join(lines) + ("\n" if described else "")
