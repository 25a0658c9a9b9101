"""`sparc3 new`: write the plugin that an author starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparc3_bench.host import default_host
from sparc3_bench.scaffold.write import write_plugin


def command(
    kind: Annotated[str, typer.Argument(help="scorer, task or adapter.", show_default=False)],
    name: Annotated[
        str,
        typer.Argument(
            help="What users will type, kebab-case; of an adapter the model type, with hyphens.",
            show_default=False,
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", help="Folder to write to [default: sparc3-NAME].", show_default=False
        ),
    ] = None,
) -> None:
    """Write a small distribution with a plugin that works, its tests, packaging and README.

    The next steps are printed: install, check, run.
    """
    chosen = folder if folder is not None else Path(f"sparc3-{name}")
    written = write_plugin(kind, name, chosen, default_host())
    run = {
        "scorer": f"sparc3 run --scorer {name}",
        "task": f"sparc3 run --task {name} --scorer wanda",
        "adapter": "sparc3 run --model FOLDER --scorer wanda",
    }[kind]
    for path in written:
        typer.echo(path)
    typer.echo(f"Next: pip install -e {chosen}; sparc3 check {name}; {run}")
