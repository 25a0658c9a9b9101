"""`sparc3 migrate`: old result files anew, in the newest schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.errors import RecordError
from sparc3_bench.record.files import read_result, rendered, samples_path, write_result
from sparc3_bench.record.result import SCHEMA_VERSION, Result


class Migrated(Answer):
    """What `sparc3 migrate` wrote anew, or would."""

    command: Literal["migrate"] = "migrate"
    files: int
    """How many result files were read."""
    renewed: dict[str, str]
    """Files that are written anew, with the names that they have then."""
    schema_version: int
    """The newest schema."""
    is_written: bool
    """Whether they were written; with `--check` nothing is."""


def command(
    result: common.ResultNames,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with code 1 if something would be.")
    ] = False,
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Write result files of earlier schemas anew in the newest; no number changes.

    Per-sample measurements go to a file beside the result. Where a new field enters the key, the
    file is renamed. All files are read before the first is written.
    """
    files = common.result_files(result, results, to_change=True)
    old = {}
    for file in files:
        read = read_result(file)
        text, samples = rendered(read)
        beside = samples_path(file)
        is_new = file.read_text(encoding="utf-8") == text and _target(file, read) == file
        if not is_new or (samples is not None and beside.read_bytes() != samples):
            old[file] = read
    targets = [_target(file, read) for file, read in old.items()]
    for file, target in zip(old, targets, strict=True):
        if targets.count(target) > 1 or (target != file and target.exists()):
            raise RecordError(f"{file} would become {target}, which is another result.")
    for file, target in zip(old, targets, strict=True):
        if not check:
            write_result(target, old[file])
            if target != file:
                file.unlink()
        if not as_json:
            typer.echo(f"{file} → {target.name}" if target != file else str(file))
    done = "would be written" if check else "written"
    Migrated(
        files=len(files),
        renewed={str(f): target.name for f, target in zip(old, targets, strict=True)},
        schema_version=SCHEMA_VERSION,
        is_written=not check,
    ).tell(as_json, [f"{len(files)} result files, {len(old)} {done} in schema {SCHEMA_VERSION}"])
    if check and old:
        raise typer.Exit(1)


def _target(file: Path, result: Result) -> Path:
    """Return the name that a file should have; one that never had the key keeps its own."""
    stem, separator, key = file.stem.rpartition("--")
    if not separator or len(key) != len(result.key):
        return file
    return file.with_name(f"{stem}--{result.key}.json")
