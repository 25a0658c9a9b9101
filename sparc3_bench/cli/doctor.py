"""`sparc3 doctor`: what is installed, what is broken, what this machine can do."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.defaults import user_file
from sparc3_bench.host import KINDS, default_host


def command(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 when something is broken.")
    ] = False,
    cache: common.Cache = None,
) -> None:
    """Show plugins, broken ones with their reason, versions, processor, and the cache."""
    host, file = default_host(), user_file()
    for kind in KINDS:
        typer.echo(f"{kind}s: {', '.join(host.all(kind)) or 'none'}")
    for text in host.broken.values():
        typer.echo(f"broken plugin: {text}")
    typer.echo(f"your defaults: {file}{'' if file.is_file() else ' (not there)'}")
    folder = common.cache_folder(cache)
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    size = sum(path.stat().st_size for path in files)
    typer.echo(f"cache: {folder} ({len(files)} files, {size / 1e9:.2f} GB)")
    missing = [
        n for n in ("torch", "transformers", "safetensors") if not importlib.util.find_spec(n)
    ]
    if missing:
        typer.echo(f"missing to run models: {', '.join(missing)}; pip install 'sparc3-bench[run]'")
    else:
        _show_machine()
    if strict and (host.broken or missing):
        raise typer.Exit(1)


def _show_machine() -> None:
    from sparc3_bench.model.load import resolve_dtype
    from sparc3_bench.run.environment import describe_environment

    environment = describe_environment()
    packages = ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    typer.echo(f"packages: {packages}")
    typer.echo(
        f"machine: {environment.processor}, {environment.threads} threads, "
        f"{environment.memory_bytes / 1e9:.1f} GB, Python {environment.python}"
    )
    typer.echo(f"dtype auto is {resolve_dtype('auto')}")
