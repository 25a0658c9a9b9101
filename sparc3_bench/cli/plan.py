"""`sparc3 plan`: what a suite will cost on this machine, before it is run."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.run.estimate import Estimate, Estimator
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.probing import Cost

_MINUTE_S = 60


def command(
    context: typer.Context,
    suite: Annotated[
        str, typer.Argument(help="A name of `sparc3 list suites`, or a TOML file of your own.")
    ],
    model: common.ModelName = "smollm2-135m",
    dtype: common.Dtype = "auto",
    device: common.Device = "cpu",
    batch_size: common.BatchSize = 1,
    task_option: common.TaskOptions = [],  # noqa: B006  # typer wants a list
    judge: common.JudgeName = None,
    judge_option: common.JudgeOptions = [],  # noqa: B006
    seconds: Annotated[
        float,
        typer.Option(min=0, help="An evaluation that takes longer is tried in part only."),
    ] = 20.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for it as JSON.")] = None,
    cache: common.Cache = None,
) -> None:
    """Estimate what a suite costs here: runs, tokens, operations, time and memory.

    Every kind of step is tried once on the model: scoring on a few reference samples, evaluation in
    full where it does not take too long. What an earlier table of the suite makes for a later one
    is counted once. Exit code 0, 1 when some runs cannot be
    planned, 2 for wrong input.
    """
    from sparc3_bench.host import default_host
    from sparc3_bench.record.files import write_atomically
    from sparc3_bench.run.estimate import Estimator
    from sparc3_bench.run.options import parse_pairs
    from sparc3_bench.run.plan import Shared, check_writable, plan
    from sparc3_bench.run.probing import Cost, Watch
    from sparc3_bench.run.suite import Changes, load_suite

    folder = common.cache_folder(cache)
    check_writable(folder)
    host = default_host()
    changes = Changes(
        every={
            name: context.params[name] for name in ("model", "dtype") if common.given(context, name)
        },
        task_options=parse_pairs(task_option),
        request={"device": device},
        judge=judge,
        judge_options=parse_pairs(judge_option),
    )
    requests = load_suite(suite, host, changes)
    watch = Watch(seconds)
    estimator = Estimator(folder, watch, batch_size)
    shared, estimates, refused = Shared(), [], list[str]()
    for number, request in enumerate(requests, 1):
        watch.say(f"[{number}/{len(requests)}] {request.task}, {request.model}")
        start = time.perf_counter()
        try:
            made = plan(request, host, folder, shared)
            prepared = time.perf_counter() - start
            estimates.append(estimator.of(made))
            estimates[-1].add("handling", Cost(prepared))
        except Exception as error:  # a stranger's scorer may raise anything
            why = error if isinstance(error, Sparc3Error) else f"{type(error).__name__}: {error}"
            refused.append(f"Task '{request.task}' on {request.model} is not planned: {why}")
    if estimates:
        _show(estimates, estimator)
    for sentence in dict.fromkeys(refused):
        watch.say(sentence)
    if json_file is not None:
        content = {"tables": [_as_json(one) for one in estimates], "not_planned": refused}
        write_atomically(json_file, json.dumps(content, indent=2) + "\n")
    if refused:
        raise typer.Exit(1 if estimates else 2)


def _show(estimates: list[Estimate], estimator: Estimator) -> None:
    import torch
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sparc3_bench.run.probing import Cost

    table = Table(box=None, pad_edge=False)
    table.add_column("runs of")
    for name in ("runs", "steps", "new", "tokens", "operations", "time", "memory"):
        table.add_column(name, justify="right")
    for one in estimates:
        cells = one.plan.cells
        spec = cells[0].spec
        groups = "/".join(dict.fromkeys(cell.spec.group for cell in cells))
        what = " · ".join((spec.task.name, spec.unit, groups))
        whole = f"{what}\n{spec.model.id}: {', '.join(_counted(cells))}"
        counts = (len(cells), one.steps, one.steps - one.shared)
        table.add_row(*map(Text, (whole, *map(str, counts), *_words(one.cost))))
    total = sum((one.cost for one in estimates), Cost())
    console = Console()
    console.print(table)
    number = sum(len(one.plan.cells) for one in estimates)
    runs = "1 run" if number == 1 else f"{number:,} runs"
    tokens, operations, duration, memory = _words(total)
    partly = f", {estimator.in_part} of them in part" if estimator.in_part else ""
    for line in (
        f"{runs}: about {duration} on {torch.get_num_threads()} threads, {tokens} tokens, "
        f"{operations} operations, {memory} of memory.",
        f"From {len(estimator.kinds):,} kinds of steps, each tried once{partly}. Runs that are "
        "finished, and scores and evaluations in the cache, are counted as if they were not there.",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _counted(cells: Sequence[Cell]) -> Iterator[str]:
    for name, number in Counter(cell.scorer.name for cell in cells).items():
        yield name if number == 1 else f"{number} {name}"


def _words(cost: Cost) -> tuple[str, str, str, str]:
    """Return tokens, operations, time and memory as they are read."""
    return (
        _short(cost.tokens),
        _short(cost.flops) if cost.flops else "-",
        _time(cost.seconds),
        f"{cost.peak_bytes / 1e9:.1f} GB",
    )


def _short(number: float) -> str:
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def _time(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / _MINUTE_S), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _as_json(estimate: Estimate) -> dict[str, Any]:
    spec = estimate.plan.cells[0].spec
    return {
        "asked": dict(estimate.plan.asked),
        "model": spec.model.id,
        "runs": len(estimate.plan.cells),
        "steps": estimate.steps,
        "shared": estimate.shared,
        "phases": {name: dataclasses.asdict(cost) for name, cost in estimate.phases.items()},
    }
