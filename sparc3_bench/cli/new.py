"""`sparc3 new`: write the plugin that an author starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag


class Scaffolded(Answer):
    """What `sparc3 new` wrote."""

    command: Literal["new"] = "new"
    files: list[Path]
    """The files."""
    next: list[str]
    """The commands to go on with."""


def command(
    kind: Annotated[str, typer.Argument(help="scorer, task or adapter.")],
    name: Annotated[
        str,
        typer.Argument(
            help="What users will type, kebab-case; of an adapter the model type, with hyphens."
        ),
    ],
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Folder to write to [default: sparc3-NAME].")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a small distribution with a plugin that works, its tests, packaging and README.

    The next steps are printed: install, check, run.
    """
    from sparc3_bench.scaffold.write import write_plugin

    chosen = folder if folder is not None else Path(f"sparc3-{name}")
    written = write_plugin(kind, name, chosen, common.installed())
    run = {
        "scorer": f"sparc3 run --suite quick --with {name}",
        "task": f"sparc3 run --task {name} --scorer wanda",
        "adapter": "sparc3 run --model FOLDER --scorer wanda",
    }[kind]
    then = [f"pip install -e {chosen}", f"sparc3 check {name}", run]
    told = [*written, f"Next: {'; '.join(then)}"]
    Scaffolded(files=list(written), next=then).tell(as_json, told)
