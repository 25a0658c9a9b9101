"""`sparc3 validate`: check result files against the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import RecordError
from sparc3_bench.record.files import read_each, result_files


def command(
    paths: Annotated[list[Path], typer.Argument(help="Result files, or folders of them.")],
) -> None:
    """Check result files; every bad one is named with the path of the offending field.

    Exit code 0 when all are valid, 1 when some are, 2 when none is.
    """
    files = result_files(paths)
    problems: list[str] = []
    valid = 0
    for file, result in read_each(files, problems.append):
        if file.name.endswith(f"--{result.key}.json"):
            valid += 1
        else:
            problems.append(f"{file}: the name must end in --{result.key}.json.")
    if not valid:
        raise RecordError("\n".join(problems))
    typer.echo(f"{valid} valid result file{'s' if valid > 1 else ''}")
    common.tell_left_out(problems)
