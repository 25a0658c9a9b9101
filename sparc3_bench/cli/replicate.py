"""`sparc3 replicate`: run a paper's suite, and set what comes out beside what was published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.execution import Execution, carries_out_runs
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from rich.table import Table

    from sparc3_bench.replication.report import ReplicationReport

_DIFFERS, _MISSING = 1, 3


@carries_out_runs
def command(
    context: typer.Context,
    suite: Annotated[
        str, typer.Argument(help="A name of `sparc3 list suites`, or a TOML file of your own.")
    ],
    model: Annotated[
        list[str],
        typer.Option(
            help="NAME=MODEL: what to take for a model of the suite, a local folder or a hub id; "
            "repeatable."
        ),
    ] = [],  # noqa: B006  # typer wants a list
    only_existing: Annotated[
        bool, typer.Option("--only-existing", help="Run nothing; report what is there.")
    ] = False,
    task_option: Annotated[
        list[str],
        typer.Option(
            "--task-option",
            help="NAME=VALUE for every task that has it, TASK.NAME=VALUE for one; repeatable.",
        ),
    ] = [],  # noqa: B006
    judge: common.JudgeName = None,
    judge_option: common.JudgeOptions = [],  # noqa: B006
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or auto; the suite's when absent.")
    ] = None,
    device: common.Device = "cpu",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the report as JSON.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="File for the report as Markdown.")
    ] = None,
    *,
    execution: Execution,
) -> None:
    """Replicate a paper: run its suite as far as models and data can be had, then compare.

    Says of every published number whether ours matches it, differs, or was not run and why, and
    lists every deviation from the paper. Exit code 0 when all match, 1 when one differs, a run
    failed or a file of the folder is no result, 3 when some were not run, 2 for wrong input.
    """
    from sparc3_bench.host import default_host
    from sparc3_bench.record.files import write_atomically
    from sparc3_bench.replication.report import ReplicationReport, changes_asked, changes_found
    from sparc3_bench.replication.rows import rows
    from sparc3_bench.replication.work import Replication
    from sparc3_bench.run.options import parse_pairs
    from sparc3_bench.run.suite import Changes, read_suite

    host = default_host()
    changes = Changes(
        every={} if dtype is None else {"dtype": dtype},
        models=parse_pairs(model),
        task_options=parse_pairs(task_option),
        request={"device": device},
        judge=judge,
        judge_options=parse_pairs(judge_option),
    )
    content = read_suite(suite, host, changes)
    if not content.published and not content.deviations:
        raise Sparc3Error(
            f"The suite {suite} repeats no paper; run it with `sparc3 run --suite {suite}`."
        )
    for file in (json_file, markdown):
        _check_file(file, execution.results)
    rows(content, (), same_items=True)  # refuses what it names wrongly before anything is run
    work = Replication(content, execution.results, host)
    if not only_existing:
        with execution.running() as running:
            work.run(running.runner)
    outcomes = work.outcomes()
    compared = rows(content, outcomes, same_items=not changes.task_options)
    asked = changes_asked(changes, content)
    deviations = [*content.deviations, *changes_found(outcomes), *asked]
    report = ReplicationReport(suite, content, compared, outcomes, deviations)
    _show(report)
    if json_file is not None:
        text = json.dumps(report.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(json_file, text + "\n")
    if markdown is not None:
        write_atomically(markdown, report.to_markdown())
    common.tell_left_out(work.left_out)
    if work.failed or report.counts["differs"]:
        raise typer.Exit(_DIFFERS)
    if report.reasons:
        raise typer.Exit(_MISSING)


def _check_file(file: Path | None, results: Path) -> None:
    if file is None:
        return
    if file.is_dir() or not file.parent.is_dir():
        raise Sparc3Error(f"A report must be a file in a folder that is there, got '{file}'.")
    if file.resolve().is_relative_to(results.resolve()):
        raise Sparc3Error(
            f"The report {file} would be among the results in {results}; choose another folder."
        )


def _show(report: ReplicationReport) -> None:
    from rich.console import Console

    from sparc3_bench.replication.report import COLUMNS, CURVES, deviation
    from sparc3_bench.replication.verdict import DEFINITION

    console = Console()
    if report.rows:
        console.print(_table("Published and measured", COLUMNS, report.table()))
        console.print(f"\n{DEFINITION}", markup=False, highlight=False)
    elif curves := report.curves():
        console.print(_table("Measured", CURVES, curves))
    for why, number in report.reasons.items():
        console.print(f"\nNot run, {number}: {why}", markup=False, highlight=False)
    if report.deviations:
        console.print("\nDeviations from the paper")
    for one in report.deviations:
        console.print(f"- {deviation(one)}", markup=False, highlight=False)
    console.print(f"\n{report.summary}", markup=False, highlight=False)


def _table(title: str, head: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    from rich.text import Text

    table = common.table(head, len(head), title)
    for row in cells:
        table.add_row(*map(Text, row))
    return table
