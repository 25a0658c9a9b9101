"""`sparc3 suite`: what a suite asks, as it is written."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
import sparc3_bench.cli.listing as listing
from sparc3_bench.cli.answers import Answer, JsonFlag

app = typer.Typer(help="Show what suites ask.", no_args_is_help=True)


class SuiteAnswer(Answer):
    """A suite."""

    command: Literal["suite show"] = "suite show"
    name: str
    """What it was asked for by."""
    path: str
    """Its file."""
    toml: str
    """What is in it."""


@app.command("list")
def list_suites() -> None:
    """List the suites that are installed, with their origin."""
    listing.command("suites")


@app.command("show")
def show(
    name: Annotated[
        str, typer.Argument(help="A name of `sparc3 suite list`, or a TOML file of your own.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Print the TOML of a suite, to be read, or copied and changed; where it is goes to stderr."""
    from sparc3_bench.run.suite import read_suite, suite_file

    host = common.installed()
    read_suite(name, host)  # refuses what is none
    file = suite_file(name, host)
    text = file.read_text(encoding="utf-8")
    if as_json:
        SuiteAnswer(name=name, path=str(file), toml=text).tell()
        return
    origin = host.all("suite")[name].origin if name in host.all("suite") else None
    whose = f"  [{origin.distribution} {origin.version}]" if origin else ""
    typer.echo(f"{file}{whose}", err=True)
    typer.echo(text, nl=False)
