"""`sparc3 publish`: build the static leaderboard from result files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard import site as builder


def command(
    results: Annotated[Path, typer.Argument(help="Folder of result files.")],
    site: Annotated[Path, typer.Argument(help="Folder to write the page to.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when the page is stale.")
    ] = False,
) -> None:
    """Build the leaderboard page; it needs no server and opens from the file system."""
    if check:
        if not builder.is_fresh(results, site):
            raise Sparc3Error(
                f"The page in {site} is stale; rebuild it with `sparc3 publish {results} {site}`."
            )
        typer.echo(f"{site} is fresh")
        return
    typer.echo(builder.publish(results, site))
