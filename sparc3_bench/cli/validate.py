"""`sparc3 validate`: check result files against the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparc3_bench.errors import RecordError
from sparc3_bench.record.files import read_result, result_files


def command(
    paths: Annotated[list[Path], typer.Argument(help="Result files, or folders of them.")],
) -> None:
    """Check result files; every bad one is named with the path of the offending field.

    Exit code 0 when all are valid, 2 otherwise.
    """
    files = result_files(paths)
    problems = []
    for file in files:
        try:
            result = read_result(file)
            if not file.name.endswith(f"--{result.key}.json"):
                raise RecordError(f"{file}: the name must end in --{result.key}.json.")
        except RecordError as error:
            problems.append(str(error))
    if problems:
        raise RecordError("\n".join(problems))
    typer.echo(f"{len(files)} valid result file{'s' if len(files) > 1 else ''}")
