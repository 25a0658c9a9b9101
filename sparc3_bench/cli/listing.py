"""`sparc3 list`: what is installed, and where it came from."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from sparc3_bench.configurable import option_fields
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.host import KINDS, default_host


def command(
    kind: Annotated[
        str | None, typer.Argument(help="Only scorers, tasks, adapters, models, suites or judges.")
    ] = None,
) -> None:
    """List scorers, tasks, adapters, named models, suites and judges, with options and origin.

    Broken plugins are listed last, one sentence each.
    """
    chosen = tuple(KINDS) if kind is None else (kind.removesuffix("s"),)
    if chosen[0] not in KINDS:
        raise UnknownNameError("kind", str(kind), [f"{k}s" for k in KINDS])
    host = default_host()
    for each in chosen:
        typer.echo(f"{each}s")
        for name, entry in host.all(each).items():
            summary = (entry.cls.__doc__ or "").strip().splitlines()[0]
            origin = f"{entry.origin.distribution} {entry.origin.version}"
            typer.echo(f"  {name:<16} {summary}  [{origin}]")
            if fields := option_fields(entry.cls):
                options = ", ".join(_shown(field) for field in fields)
                typer.echo(f"  {'':<16} options: {options}")
    for text in host.broken.values():
        typer.echo(f"broken plugin: {text}", err=True)


def _shown(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"{field.name}={field.default}"
    if field.default_factory is not dataclasses.MISSING:
        return f"{field.name}={field.default_factory()}"
    return f"{field.name} (required)"
