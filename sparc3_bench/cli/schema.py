"""`sparc3 schema`: what result files are like, and what commands print with `--json`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from sparc3_bench.errors import UnknownNameError

_KINDS = ("result", "answers")


def command(
    kind: Annotated[
        str,
        typer.Argument(
            help="result: of result files; answers: of what `--json` prints.",
            autocompletion=lambda: _KINDS,
        ),
    ] = "result",
) -> None:
    """Print a JSON Schema, in which every field has a sentence."""
    if kind not in _KINDS:
        raise UnknownNameError("schema", kind, _KINDS)
    typer.echo(
        json.dumps(_result() if kind == "result" else _answers(), indent=2, ensure_ascii=False)
    )


def _result() -> dict[str, object]:
    from sparc3_bench.record.result import Result

    return Result.model_json_schema()


def _answers() -> dict[str, object]:
    from sparc3_bench.cli import Commands
    from sparc3_bench.cli.answers import answers_schema

    list(Commands().values())  # what is not loaded is not told
    return answers_schema()
