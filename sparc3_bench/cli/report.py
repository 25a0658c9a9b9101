"""`sparc3 report`: everything that results say of one scorer, to be read in a minute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.scorer_row import ScorerRow

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result

_FORMATS = (".md", ".html")


class ReportAnswer(Answer):
    """What `sparc3 report` says of scorers."""

    command: Literal["report"] = "report"
    scorers: tuple[str, ...]
    """Their names."""
    headlines: tuple[str, ...]
    """One sentence for every application."""
    rows: tuple[ScorerRow, ...]
    """Every row of theirs, with all numbers."""
    results: int
    """How many finished results it is made of."""
    not_run: tuple[str, ...]
    """What is missing, in a sentence each."""


def command(
    scorers: Annotated[
        list[str],
        typer.Argument(
            help="Names of scorers that have results.",
            autocompletion=common.completion.names_of("scorer"),
        ),
    ],
    results: Annotated[
        list[Path],
        typer.Option(
            help="Folder of result files; repeatable.",
            show_default="as for `sparc3 results list`",
        ),
    ] = [],  # noqa: B006  # typer wants a list
    against: Annotated[
        list[Path],
        typer.Option(
            help="Folder of results of others, which stand in where --results has none of the same "
            "run; repeatable."
        ),
    ] = [],  # noqa: B006
    out: Annotated[
        Path | None, typer.Option(help="File to write it to: Markdown (.md) or a page (.html).")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Report on a scorer: where it stands and how sure that is, at what cost, what to run next.

    Only what was measured on the same data under the same conventions stands side by side. A file
    that is no result is left out and named. Exit code 0, 1 when files were left out, 2 for wrong
    input, such as a scorer that has no results there.
    """
    if out is not None and out.suffix not in _FORMATS:
        raise Sparc3Error(f"`{out}` must end in {' or '.join(_FORMATS)}, which says what to write.")
    from sparc3_bench.leaderboard.scorer_report import report_on
    from sparc3_bench.record.files import read_results
    from sparc3_bench.record.reference import usual_folder

    left_out: list[str] = []
    folders = (*(results or [usual_folder()]), *against)
    found: dict[str, tuple[Path, Result]] = {}
    for folder in folders:
        for path, result in read_results(folder, left_out.append):
            found.setdefault(result.key, (path, result))
    if not found:
        raise Sparc3Error(
            f"No result is in {', '.join(map(str, folders))}; make some with "
            "`sparc3 run`, or name another folder with `--results`."
        )
    report = report_on(scorers, found.values(), common.installed())
    if out is not None:
        out.write_text(report.html() if out.suffix == ".html" else report.markdown(), "utf-8")
    if as_json:
        ReportAnswer.of(report).tell()
    elif out is not None:
        typer.echo(out)
    else:
        typer.echo(report.text(), nl=False)
    common.tell_left_out(left_out)
