"""`sparc3 rejudge`: have another judge read what models wrote in finished runs."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.errors import Sparc3Error, describe

if TYPE_CHECKING:
    from sparc3_bench.run.rejudge import Case


class JudgedAgain(Part):
    """A result whose responses another judge has read."""

    judged: Path
    """The result that was judged again."""
    path: Path
    """The new result; it is not there where the judge failed."""
    main: str
    """What came out, in words; empty where the result was there already, or the judge failed."""
    failed: str | None
    """Why the judge failed; null where it did not."""


class Rejudged(Answer):
    """What `sparc3 rejudge` made."""

    command: Literal["rejudge"] = "rejudge"
    results: list[JudgedAgain]
    """One for each result."""


def command(
    result: common.ResultNames,
    judge: Annotated[
        str, common.named("judge", "Judge that reads the responses. See `sparc3 list judges`.")
    ],
    judge_option: common.JudgeOptions = [],  # noqa: B006  # typer wants a list
    results: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the new result files.",
            show_default="the one that each file is in",
        ),
    ] = None,
    cache: common.Cache = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge the responses of finished runs again; no model is loaded and nothing is generated.

    The responses lie beside the results. Each gives a new result with its own copy of them.
    Everything that needs the judge is computed again: points, intervals, controls, what was found.
    Ranking and amount stay those that the first judge chose, and a warning in the result says so.
    Exit code 0 when all results are there, 1 when the judge failed on one, 2 for wrong input.
    """
    from sparc3_bench.record.files import write_result
    from sparc3_bench.run.options import parse_pairs
    from sparc3_bench.run.plan import ready_judge
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.run.rejudge import check_other, metric_told, opened, rejudged
    from sparc3_bench.run.responses import write_responses
    from sparc3_bench.run.results import check_writable

    paths = common.result_files(result, None)
    host, folder = common.installed(), common.cache_folder(cache)
    check_writable(folder)
    cases = [opened(path, host) for path in paths]
    sitting = ready_judge(judge, parse_pairs(judge_option), host, folder)
    targets = _targets(cases, [case.target(sitting, results) for case in cases])
    standing = {path: check_other(case, sitting.ref, path) for path, case in targets.items()}
    for path in targets:
        check_writable(path.parent)
    report = Reporter()
    done = []
    for path, case in targets.items():
        if standing[path] is not None:
            report.say(f"{case.path}: already there, with this judge from the start, {path}")
            done.append(JudgedAgain(judged=case.path, path=path, main="", failed=None))
            continue
        try:
            again = rejudged(case, sitting, folder, report)
        except Exception as error:  # a stranger's judge may raise anything
            if not isinstance(error, Sparc3Error):
                report.say(traceback.format_exc().rstrip())
            why = describe(error)
            report.say(f"{case.path}  failed: {why}.")
            done.append(JudgedAgain(judged=case.path, path=path, main="", failed=why))
            continue
        write_responses(path, case.written.to_json())
        write_result(path, again)
        main = metric_told(again)
        done.append(JudgedAgain(judged=case.path, path=path, main=main, failed=None))
        if not as_json:
            typer.echo(f"{path}: {main}")
        for warning in again.warnings:
            report.say(f"{path}: warning: {warning}")
    if as_json:
        Rejudged(results=done).tell()
    if any(one.failed for one in done):
        raise typer.Exit(1)


def _targets(cases: list[Case], paths: list[Path]) -> dict[Path, Case]:
    """Return the cases by where their new results belong; no two may share a place."""
    found: dict[Path, Case] = {}
    for path, case in zip(paths, cases, strict=True):
        if path in found:
            raise Sparc3Error(
                f"{found[path].path} and {case.path} would become the same result, {path}, as "
                "they differ in nothing but their judge; judge one of them."
            )
        found[path] = case
    return found
