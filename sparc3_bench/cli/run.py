"""`sparc3 run`: score, prune and measure, one result file a scorer and seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.asked import Asked, asks_for_runs
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result


@asks_for_runs
def command(
    context: typer.Context,
    asked: Asked,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Runs described elsewhere: a name of `sparc3 list suites`, or a TOML file. Goes "
            "with --model, --dtype, --device, --batch-size, --task-option, --judge, "
            "--judge-option, --results and --cache only; TASK.NAME=VALUE is an option of one task."
        ),
    ] = None,
    batch_size: common.BatchSize = 1,
    results: Annotated[Path, typer.Option(help="Folder for result files.")] = Path("results"),
    cache: common.Cache = None,
) -> None:
    """Compare scorers on a task: one attribution each, then every amount.

    Finished runs are kept: the same command again computes only what is missing. Of a suite what
    cannot be run is named, and the rest goes on. Exit code 0 when all runs are there, 1 when one
    failed or cannot be run, 2 for wrong input.
    """
    from sparc3_bench.host import default_host
    from sparc3_bench.run.plan import Shared, check_writable, plan
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.running import Runs

    check_writable(results)
    folder = common.cache_folder(cache)
    check_writable(folder)
    host = default_host()
    requests = asked.requests(host, suite)
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
