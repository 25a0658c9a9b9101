"""`sparc3 run`: score, prune and measure, one result file a scorer and seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparc3_bench.cli import common

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.plan import Cell


def command(
    scorer: common.ScorerNames,
    task: common.TaskName = "compression",
    model: common.ModelName = "smollm2-135m",
    amounts: Annotated[
        str | None,
        typer.Option(
            help="Sparsities, e.g. 0,0.2,0.5; 0 is always added. Task's default if absent."
        ),
    ] = None,
    unit: Annotated[
        str, typer.Option(help="Removed as a whole: weight, neuron or head.")
    ] = "weight",
    group: Annotated[
        str | None,
        typer.Option(help="Ranked together: row, layer or model; the scorer's default if absent."),
    ] = None,
    schedule: Annotated[
        str, typer.Option(help="one-shot, or blockwise: each block behind the pruned ones.")
    ] = "one-shot",
    scope: common.Scope = "all",
    objective: common.Objective = None,
    scorer_option: common.ScorerOptions = [],  # noqa: B006  # typer wants a list
    task_option: common.TaskOptions = [],  # noqa: B006
    seed: common.Seed = 0,
    dtype: common.Dtype = "auto",
    device: common.Device = "cpu",
    batch_size: common.BatchSize = 1,
    results: Annotated[Path, typer.Option(help="Folder for result files.")] = Path("results"),
    cache: common.Cache = None,
) -> None:
    """Compare scorers on a task: one attribution each, then every sparsity.

    Finished runs are kept: the same command again computes only what is missing. Exit code 0 when
    all runs are there, 1 when one failed, 2 for wrong input.
    """
    from sparc3_bench.host import default_host
    from sparc3_bench.record.result import write_atomically
    from sparc3_bench.run.plan import Request, check_writable, checked_amounts, plan
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.runner import Session

    report = Reporter()
    asked = common.numbers(amounts, "--amounts")
    if asked is not None:
        checked_amounts(asked)
    check_writable(results)
    request = Request(
        scorers=common.with_seeds(scorer, seed),
        task=task,
        model=model,
        amounts=asked,
        unit=unit,  # type: ignore[arg-type]  # checked by plan
        group=group,  # type: ignore[arg-type]
        schedule=schedule,  # type: ignore[arg-type]
        scope=scope,  # type: ignore[arg-type]
        objective=objective,
        scorer_options=_pairs(scorer_option),
        task_options=_pairs(task_option),
        dtype=dtype,
        device=device,
    )
    folder = common.cache_folder(cache)
    check_writable(folder)
    made = plan(request, default_host(), folder)
    session = Session(made, folder, report, batch_size)
    outcomes = []
    for index, cell in enumerate(made.cells):
        label = f"[{index + 1}/{len(made.cells)}] {_name(cell)}"
        path = results / cell.spec.path
        result = _finished(path)
        if result is None:
            result = session.run(cell, label)
            write_atomically(path, result.to_json())
            report.say(f"{label} → {path}" + (f"  failed: {result.error}" if result.error else ""))
        else:
            report.say(f"{label}: already there, {path}")
        outcomes.append((_name(cell), result))
    typer.echo(_table(outcomes))
    if any(result.status != "ok" for _, result in outcomes):
        raise typer.Exit(1)


def _pairs(options: list[str]) -> dict[str, str]:
    from sparc3_bench.run.options import parse_pairs

    return parse_pairs(options)


def _name(cell: Cell) -> str:
    seed = f" seed {cell.spec.seed}" if cell.scorer.is_control else ""
    return f"{cell.scorer.name}{seed}"


def _finished(path: Path) -> Result | None:
    """Return the result at `path` if it was made by this very code and did not fail."""
    from sparc3_bench.errors import RecordError
    from sparc3_bench.record.result import read_result
    from sparc3_bench.run.environment import source_digest

    if not path.is_file():
        return None
    try:
        result = read_result(path)
    except RecordError:
        return None
    current = result.environment.source_digest == source_digest()
    return result if current and result.status == "ok" else None


def _table(outcomes: list[tuple[str, Result]]) -> str:
    """Return the main metric of every run over the sparsities, as text."""
    first = outcomes[0][1]
    metric = first.metrics[0]
    amounts = first.spec.amounts
    width = max(len(name) for name, _ in outcomes) + 2
    lines = [
        f"{metric.title} by sparsity ({metric.direction} is better)",
        "".join([f"{'':<{width}}", *(f"{amount:>12g}" for amount in amounts)]),
    ]
    for name, result in outcomes:
        if result.status != "ok":
            lines.append(f"{name:<{width}}  failed: {result.error}")
            continue
        cells = (f"{point.metrics[metric.name]:>12,.5g}" for point in result.points)
        lines.append("".join([f"{name:<{width}}", *cells]))
    return "\n".join(lines)
