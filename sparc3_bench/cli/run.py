"""`sparc3 run`: score, prune and measure, one result file a scorer and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from sparc3_bench.cli.asked import asks_for_runs
from sparc3_bench.cli.execution import Execution, carries_out_runs
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.run.typed import Typed

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.runner import RequestState

_MOST_ROWS = 200
"""Of a table; of more runs `sparc3 show` tells."""


@carries_out_runs
@asks_for_runs
def command(
    context: typer.Context,
    asked: Typed,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Runs described elsewhere: a name of `sparc3 list suites`, or a TOML file. Goes "
            "with --model, --dtype, --batch-size, --device, --task-option, --judge, --judge-option "
            "and all that does not say what is run; TASK.NAME=VALUE is an option of one task."
        ),
    ] = None,
    *,
    execution: Execution,
) -> None:
    """Compare scorers on a task: one attribution each, then every amount.

    Finished runs are kept: the same command again computes only what is missing. What cannot be
    run is named, and the rest goes on. Exit code 0 when all runs are there, 1 when one failed or
    cannot be run, 2 for wrong input, 130 when interrupted.
    """
    with execution.running() as running:
        standings = running.runner.plan(running.worker.requests(asked, suite))
        refused = [standing for standing in standings if standing.refusal]
        if len(refused) == len(standings) == 1:
            raise Sparc3Error(refused[0].refusal)
        _tell(refused, running.view.say)
        for standing in running.runner.run(standings):
            if len(standing.orders) > _MOST_ROWS:
                typer.echo(f"{standing.request.task}: {len(standing.orders):,} runs are over.")
            elif results := running.runner.results(standing):
                typer.echo(_table(results, len(standings) > 1))
    _tell(refused, running.view.say)  # again, where hours later someone looks
    missing = [why for standing in standings for why in standing.missing.values()]
    if [*map(_was_run, standings)] == [False] and len(missing) == 1:
        raise Sparc3Error(missing[0])
    if not all(standing.is_whole for standing in standings):
        raise typer.Exit(1 if any(_was_run(standing) for standing in standings) else 2)


def _was_run(standing: RequestState) -> bool:
    return any(status != "refused" for status in standing.statuses.values())


def _tell(refused: list[RequestState], say: Callable[[str], None]) -> None:
    for standing in refused:
        say(f"Task '{standing.request.task}' is not run: {standing.refusal}")


def _table(results: Mapping[str, Result], described: bool) -> str:
    """Return the main metric of every run over the amounts, as text."""
    outcomes = list(results.items())
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
