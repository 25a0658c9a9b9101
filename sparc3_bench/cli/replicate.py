"""`sparc3 replicate`: run a paper's suite, and set what comes out beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.execution import Execution, carries_out_runs
from sparc3_bench.cli.tables import console, print_table
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.replication.report import ReplicationReport

_DIFFERS, _MISSING = 1, 3


class PublishedValue(Part):
    """A number as it was published."""

    value: float
    """The number."""
    error: float | None
    """Its standard error, where one was published."""


class OwnValue(Part):
    """A number as it was measured here."""

    value: float
    """The mean over seeds."""
    error: float | None
    """Its standard error over seeds; null of one seed."""
    seeds: int
    """How many seeds there are."""


class PublishedRow(Part):
    """A published number beside the one that was measured here."""

    source: str
    """Key of the work that has it."""
    where: str
    """The place in the work."""
    method: str
    """The method, as the work calls it."""
    metric: str
    """Name of the metric here."""
    data: str
    """What it was measured on."""
    removed: str
    """How much was removed, in words."""
    model: str
    """The model."""
    published: PublishedValue
    """As it was published."""
    run: str
    """The run of the suite that it is compared with; empty for the dense model."""
    here: OwnValue | None
    """As it was measured here; null where it was not."""
    difference: float | None
    """Ours minus theirs."""
    allowed: float | None
    """How large the difference may be."""
    verdict: str
    """Whether the two match."""
    reason: str | None
    """Why it was not run."""


class ReplicatedRun(Part):
    """One scorer of one run of the suite."""

    run: str
    """The run."""
    model: str
    """The model."""
    scorer: str
    """The scorer."""
    results: dict[str, str]
    """By seed, the path of the result in its folder."""
    not_run: dict[str, str]
    """By seed, why there is none."""


class Deviated(Part):
    """A deviation from the paper."""

    about: str
    """What differs."""
    paper: str
    """How the paper did it."""
    here: str
    """How it is done here."""
    why: str
    """Why."""


class Replicated(Answer):
    """What `sparc3 replicate` tells."""

    command: Literal["replicate"] = "replicate"
    suite: str
    """The suite."""
    counts: dict[str, int]
    """How many published numbers match, differ, and were not run."""
    definition: str
    """When a number matches, in words."""
    published: list[PublishedRow]
    """The published numbers."""
    runs: list[ReplicatedRun]
    """The runs."""
    results_of_other_code: int
    """How many results were made by another state of the suite's code."""
    deviations: list[Deviated]
    """All deviations from the paper."""


@carries_out_runs
def command(
    suite: Annotated[
        str,
        typer.Argument(
            help="A name of `sparc3 list suites`, or a TOML file of your own.",
            autocompletion=common.completion.names_of("suite"),
        ),
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
        str | None,
        typer.Option(help="float32, bfloat16 or auto.", show_default="the suite's"),
    ] = None,
    device: common.Device = "cpu",
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="File for the report as Markdown.")
    ] = None,
    as_json: JsonFlag = False,
    *,
    execution: Execution,
) -> None:
    """Replicate a paper: run its suite as far as models and data can be had, then compare.

    Says of every published number whether ours matches it, differs, or was not run and why, and
    lists every deviation from the paper. Exit code 0 when all match, 1 when one differs, a run
    failed or a file of the folder is no result, 3 when some were not run, 2 for wrong input.
    """
    from sparc3_bench.record.files import write_atomically
    from sparc3_bench.replication.report import ReplicationReport, changes_asked, changes_found
    from sparc3_bench.replication.rows import rows
    from sparc3_bench.replication.work import Replication
    from sparc3_bench.run.options import parse_pairs
    from sparc3_bench.run.suite import Changes, read_suite

    host = common.installed()
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
    _check_file(markdown, execution.results)
    rows(content, (), same_items=True)  # refuses what it names wrongly before anything is run
    work = Replication(content, execution.results, host)
    if not only_existing:
        with execution.running() as running:
            work.run(running.runner)
    outcomes = work.outcomes
    compared = rows(content, outcomes, same_items=not changes.task_options)
    asked = changes_asked(changes, content)
    deviations = [*content.deviations, *changes_found(outcomes), *asked]
    report = ReplicationReport(suite, content, compared, outcomes, deviations)
    if as_json:
        Replicated(**report.to_json()).tell()
    else:
        _show(report)
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
    from sparc3_bench.replication.report import COLUMNS, CURVES, deviation
    from sparc3_bench.replication.verdict import DEFINITION

    out = console()
    if report.rows:
        print_table(COLUMNS, report.table(), len(COLUMNS), "Published and measured")
        out.print(f"\n{DEFINITION}")
    elif curves := report.curves():
        print_table(CURVES, curves, len(CURVES), "Measured")
    for why, number in report.reasons.items():
        out.print(f"\nNot run, {number}: {why}")
    if report.deviations:
        out.print("\nDeviations from the paper")
    for one in report.deviations:
        out.print(f"- {deviation(one)}")
    out.print(f"\n{report.summary}")
