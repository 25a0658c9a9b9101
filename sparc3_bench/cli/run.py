"""`sparc3 run`: score, prune and measure, one result file a scorer and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.asked import asks_for_runs
from sparc3_bench.cli.defaults import take_run_file
from sparc3_bench.cli.execution import Execution, carries_out_runs
from sparc3_bench.cli.tables import print_table
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.run.typed import Typed

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.scorer_report import ScorerReport
    from sparc3_bench.record.result import Result
    from sparc3_bench.run.runner import RequestState, Runner
    from sparc3_bench.run.standins import StandIns

_MOST_ROWS = 200
"""Of a table; of more runs `sparc3 show` tells."""
_NOWHERE = "none"


class RunLine(Part):
    """One run that was asked for."""

    key: str
    """Of the run."""
    task: str
    """Its task."""
    model: str
    """Its model."""
    scorer: str
    """Its scorer."""
    seed: int
    """Its seed."""
    status: str | None
    """How it ended; None where it is not known."""
    error: str | None
    """Why it is not there, or has no numbers."""
    path: str | None
    """Of its result, or of that which stands in for it."""
    stands_in: Literal["same code", "earlier code"] | None
    """Whether an earlier result is taken in its place, and by which code that was measured."""


class RunAnswer(Answer):
    """What `sparc3 run` did."""

    command: Literal["run"] = "run"
    runs: tuple[RunLine, ...]
    """In the order that they were asked for in."""
    not_run: tuple[str, ...]
    """What could not be planned, or did not come to its end, a sentence each."""
    report: str | None
    """Path of the report on the scorers that were named beside a suite, as Markdown."""


@carries_out_runs
@asks_for_runs
def command(
    context: typer.Context,
    asked: Typed,
    what: Annotated[
        str | None,
        typer.Argument(
            help="Runs described elsewhere: a name of `sparc3 list suites`, or a TOML file. Goes "
            "with --model, --dtype, --batch-size, --device, --limit, options of tasks, scorers and "
            "judge, and all that does not say what is run.",
            metavar="SUITE",
            autocompletion=common.completion.names_of("suite"),
            is_eager=True,
            callback=take_run_file,
        ),
    ] = None,
    suite: Annotated[
        str | None,
        common.named(
            "suite",
            "The same as the argument.",
            rich_help_panel="Of a suite",
            is_eager=True,
            callback=take_run_file,
        ),
    ] = None,
    against: Annotated[
        list[str],
        typer.Option(
            help="Folder of earlier results that stand in for scorers that neither --with nor "
            "--only names, repeatable; `none` measures all anew.",
            rich_help_panel="Of a suite",
            show_default="with one of these, the results that come with sparc3-bench",
        ),
    ] = [],  # noqa: B006  # typer wants a list
    as_json: JsonFlag = False,
    *,
    execution: Execution,
) -> None:
    """Compare scorers on a task: one attribution each, then every amount.

    Finished runs are kept: the same command again computes only what is missing. What cannot be
    run is named, and the rest goes on. Exit code 0 when all runs are there, 1 when one failed or
    cannot be run, 2 for wrong input, 130 when interrupted.

    Two scorers, at three amounts: `sparc3 run --scorer wanda --scorer lrp --amounts 0,0.3,0.5`

    A scorer of yours beside those of a suite: `sparc3 run quick --with my-scorer`
    """
    if what is not None and suite is not None:
        raise Sparc3Error("Two suites are named; leave the argument or `--suite` out.")
    from sparc3_bench.run.intervals import read_renewed

    standins = _standins(against, asked, common.given(context, "against"))
    with execution.running() as running:
        say, runner = running.view.say, running.runner
        requests = running.worker.requests(asked, what or suite)
        standings = runner.plan(requests, standins, asked.only)
        refusals = {what: why for one in standings for what, why in one.refusals.items()}
        if len(standings) == 1 and not standings[0].orders and refusals:
            raise Sparc3Error(next(iter(refusals.values())))
        _tell(refusals, say)
        for standing in runner.run(standings):
            if not as_json:
                _show(standing, runner)
        lines = [line for standing in standings for line in _lines(standing, execution.results)]
        results = [pair for one in standings if asked.named for pair in runner.results(one)]
        draws = standins.draws([one for _, one in results])
        results += [(file, read_renewed(file)) for file in draws]
    _tell(refusals, say)  # again, where hours later someone looks
    not_run = [f"{what} is not run: {why}" for what, why in refusals.items()]
    not_run += [f"{one.scorer} on {one.task}: {one.error}" for one in lines if not one.path]
    if told := _stand_in(lines):
        say(told)
    notes = [told] if told else []
    if draws:
        notes.append(f"Other draws of the same controls, taken from there, too: {len(draws)}.")
    report = _report(asked.named, results, not_run, notes)
    file = None if report is None else _written(report, execution.results, asked.named)
    if as_json:
        RunAnswer(runs=tuple(lines), not_run=tuple(not_run), report=file).tell()
    elif report is not None:
        typer.echo(f"{report.text()}\nThis is in {file}, and beside it as a page.")
    if not all(standing.is_whole for standing in standings):
        if any(map(_was_run, standings)):
            raise typer.Exit(1)
        reasons = [one.error for one in lines if one.error]
        if len(standings) == len(reasons) == 1:
            raise Sparc3Error(reasons[0])
        raise typer.Exit(2)


def _standins(against: Sequence[str], asked: Typed, is_said: bool) -> StandIns:
    """Return what may stand in for scorers that the user did not name beside a suite."""
    from sparc3_bench.record.reference import brought_results
    from sparc3_bench.run.standins import StandIns

    folders = [Path(name) for name in against if name != _NOWHERE]
    if not against:
        folders = [folder for folder in (brought_results(),) if folder is not None]
    return StandIns(folders if is_said or asked.named else (), asked.named)


def _stand_in(lines: Sequence[RunLine]) -> str:
    """Return how many earlier results are taken in place of runs, in a sentence."""
    kinds = [one.stands_in for one in lines if one.stands_in]
    earlier = kinds.count("earlier code")
    by = f", {earlier} of them measured by earlier code" if earlier else ""
    return f"{len(kinds)} results of earlier runs stand in{by}." if kinds else ""


def _report(
    named: Sequence[str],
    results: Sequence[tuple[Path, Result]],
    not_run: Sequence[str],
    notes: Sequence[str],
) -> ScorerReport | None:
    """Return the report on the scorers that were named; None where none has numbers."""
    if not any(one.status == "ok" and one.spec.scorer.name in named for _, one in results):
        return None
    from sparc3_bench.leaderboard.scorer_report import report_on

    return report_on(named, results, common.installed(), not_run=not_run, notes=notes)


def _written(report: ScorerReport, results: Path, named: Sequence[str]) -> str:
    """Write a report beside the results; return the path of its Markdown."""
    from sparc3_bench.record.files import write_atomically

    stem = results / f"report-{'-'.join(named)}"
    for suffix, text in ((".html", report.html()), (".md", report.markdown())):
        write_atomically(Path(f"{stem}{suffix}"), text)
    return f"{stem}.md"


def _was_run(standing: RequestState) -> bool:
    return any(status != "refused" for status in standing.statuses.values())


def _tell(refusals: Mapping[str, str], say: Callable[[str], None]) -> None:
    for what, why in refusals.items():
        say(f"{what} is not run: {why}")


def _show(standing: RequestState, runner: Runner) -> None:
    """Print the numbers of a request."""
    from sparc3_bench.api.results import Results

    if len(standing.orders) > _MOST_ROWS:
        typer.echo(f"{standing.request.task}: {len(standing.orders):,} runs are over.")
        return
    for shown in Results(one for _, one in runner.results(standing)).tables():
        typer.echo(shown.title)
        print_table(shown.head, shown.rows)
        typer.echo(f"{shown.note}\n")


def _lines(standing: RequestState, results: Path) -> list[RunLine]:
    found = []
    for order in standing.orders:
        one, file = standing.standins.get(order.path), results / order.path
        by = None if one is None else "earlier code" if one.is_earlier else "same code"
        where = file if one is None else one.file
        found.append(
            RunLine.of(
                order,
                task=str(order.request["task"]),
                model=str(order.request["model"]),
                status=standing.statuses.get(order.path),
                error=standing.missing.get(order.path),
                path=str(where) if where.is_file() else None,
                stands_in=by,
            )
        )
    return found
