"""`sparc3 publish`: build the static leaderboard from result files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.errors import Sparc3Error


class Published(Answer):
    """The page of `sparc3 publish`."""

    command: Literal["publish"] = "publish"
    site: Path
    """Its folder with `--check`, which writes nothing; else its first file."""
    left_out: list[str]
    """Files that are no results, and why."""


def command(
    results: Annotated[Path, typer.Argument(help="Folder of result files.")],
    site: Annotated[Path, typer.Argument(help="Folder to write the page to.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when the page is stale.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Build the leaderboard page; it needs no server and opens from the file system.

    A file that is no result is left out of the page and named. Exit code 0, 1 when files were left
    out, 2 for wrong input.
    """
    from sparc3_bench.leaderboard import site as builder

    left_out: list[str] = []
    if check and not builder.is_fresh(results, site, left_out.append):
        raise Sparc3Error(
            f"The page in {site} is stale; rebuild it with `sparc3 publish {results} {site}`."
        )
    page = site if check else builder.publish(results, site, left_out.append)
    if as_json:
        Published(site=page, left_out=left_out).tell()
    else:
        typer.echo(f"{site} is fresh" if check else page)
    common.tell_left_out(left_out)
