"""`sparc3 doctor`: what is installed, what is broken, what this machine can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.defaults import user_file
from sparc3_bench.errors import ExitCode


class Machine(Part):
    """What models run on."""

    processor: str
    """Name of the processor."""
    threads: int
    """Threads that torch uses."""
    idle_threads: str
    """How those without work wait, as OMP_WAIT_POLICY says: asleep where it is PASSIVE."""
    memory_bytes: int
    """Memory of the machine."""
    python: str
    """Version of Python."""
    packages: dict[str, str]
    """Versions of the packages that can move a number."""
    dtype_auto: str
    """What `--dtype auto` is here."""


class Diagnosis(Answer):
    """What `sparc3 doctor` found."""

    command: Literal["doctor"] = "doctor"
    plugins: dict[str, list[str]]
    """By kind, the names of what is installed."""
    broken: list[str]
    """Why plugins cannot be used, a sentence each."""
    defaults: Path | None
    """The file with the user's defaults; null where there is none."""
    cache: Path
    """The cache folder."""
    cache_files: int
    """How many files are in it."""
    cache_bytes: int
    """How large they are together."""
    missing: list[str]
    """Packages that are not installed and that running models needs."""
    machine: Machine | None
    """What models run on; null where packages are missing."""


def command(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 when something is broken.")
    ] = False,
    cache: common.Cache = None,
    as_json: JsonFlag = False,
) -> None:
    """Show plugins, broken ones with their reason, versions, processor, and the cache."""
    import importlib.util

    from sparc3_bench.host import KINDS

    host = common.installed()
    folder = common.cache_folder(cache)
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    needed = ("torch", "transformers", "safetensors")
    missing = [name for name in needed if not importlib.util.find_spec(name)]
    found = Diagnosis(
        plugins={kind: list(host.all(kind)) for kind in KINDS},
        broken=list(host.broken.values()),
        defaults=file if (file := user_file()).is_file() else None,
        cache=folder,
        cache_files=len(files),
        cache_bytes=sum(path.stat().st_size for path in files),
        missing=missing,
        machine=None if missing else _machine(),
    )
    found.tell(as_json, _told(found))
    if strict and (found.broken or missing):
        raise typer.Exit(ExitCode.NOT_WELL)


def _machine() -> Machine:
    from sparc3_bench.model.load import resolve_dtype
    from sparc3_bench.run.environment import describe_environment

    return Machine.of(describe_environment(), dtype_auto=str(resolve_dtype("auto")))


def _told(found: Diagnosis) -> Iterator[str]:
    for kind, names in found.plugins.items():
        yield f"{kind}s: {', '.join(names) or 'none'}"
    for text in found.broken:
        yield f"broken plugin: {text}"
    yield f"your defaults: {found.defaults or f'none, {user_file()} is not there'}"
    yield (f"cache: {found.cache} ({found.cache_files} files, {found.cache_bytes / 1e9:.2f} GB)")
    if found.machine is None:
        missing = ", ".join(found.missing)
        yield f"missing to run models: {missing}; pip install 'sparc3-bench[run]'"
        return
    machine = found.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    yield f"packages: {packages}"
    yield (
        f"machine: {machine.processor}, threads: {machine.threads}, "
        f"{machine.memory_bytes / 1e9:.1f} GB, Python {machine.python}"
    )
    yield f"idle threads wait as OMP_WAIT_POLICY={machine.idle_threads} says"
    yield f"dtype auto is {machine.dtype_auto}"
