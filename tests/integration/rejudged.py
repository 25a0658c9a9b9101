"""Results that are judged again: made once, copied, and looked at."""

from __future__ import annotations

import shutil
from pathlib import Path

from circuits import Outcome

from sparc3_bench.record.files import read_result, responses_path
from sparc3_bench.record.result import Result


def copied(path: Path, results: Path) -> Path:
    """Copy a result with its responses to another results folder."""
    target = results / read_result(path).spec.path
    target.parent.mkdir(parents=True)
    shutil.copy(path, target)
    shutil.copy(responses_path(path), responses_path(target))
    return target


def again(done: Outcome) -> tuple[Path, Result]:
    """Return the one new result of a command."""
    assert done.code == 0, done.err
    (line,) = done.out.splitlines()
    path = Path(line.partition(": ")[0])
    return path, read_result(path)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
