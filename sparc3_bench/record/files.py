"""Files of a result: the record, and beside it the per-sample measurements, packed."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sparc3_bench.errors import RecordError
from sparc3_bench.folder.local import Folder
from sparc3_bench.record.checks import problems
from sparc3_bench.record.migrate import migrated
from sparc3_bench.record.parts import Point, SampleFile
from sparc3_bench.record.result import SCHEMA_VERSION, Result, content_hash
from sparc3_bench.record.spec import canonical_json

_MAX_BYTES = 20_000_000
_SUFFIX = ".samples.json.gz"

Samples = Mapping[str, tuple[float, ...]]


def read_result(path: Path) -> Result:
    """Read and check one result file, with its samples where their file is beside it.

    Raises
    ------
    RecordError
        Naming the file and the path of the first offending field.
    """
    result = _parsed(path)
    beside = samples_path(path)
    if result.sample_file is None or not beside.is_file():
        return result
    return _with_samples(result, beside, result.sample_file)


def read_results(folder: Path) -> Iterator[tuple[Path, Result]]:
    """Yield every result below `folder` with its path relative to it, in order of path."""
    for path in sorted(folder.rglob("*.json")):
        yield path.relative_to(folder), read_result(path)


def result_files(paths: Iterable[Path]) -> list[Path]:
    """Return the result files that are named, and those in the folders that are.

    Raises
    ------
    RecordError
        When there are none.
    """
    named = list(paths)
    files = [f for one in named for f in (sorted(one.rglob("*.json")) if one.is_dir() else [one])]
    if not files:
        raise RecordError(f"No result file (*.json) is in {', '.join(map(str, named))}.")
    return files


def write_result(path: Path, result: Result) -> None:
    """Write a result and its samples; whoever reads meanwhile sees the old ones or the new.

    Raises
    ------
    OSError
        When they cannot be written, to the disk itself.
    """
    text, samples = rendered(result)
    folder = Folder(path.parent)
    if samples is not None:
        folder.write(samples_path(path).name, samples, durable=True)
    folder.write(path.name, text, durable=True)
    if samples is None:
        samples_path(path).unlink(missing_ok=True)


def rendered(result: Result) -> tuple[str, bytes | None]:
    """Return the content of a result's file and of that of its samples, None without any."""
    points: list[Samples] = [point.samples for point in result.points]
    if not any(points):
        return result.to_json(), None
    own = result.found.point if result.found is not None else None
    # What was found may be a point of the curve, with the same samples.
    if own and any(_is_same(one, own) and one.samples == own.samples for one in result.points):
        own = None
    content = canonical_json({"found": own and own.samples, "points": points})
    every = [*points, own.samples if own else {}]
    numbers = sum(len(values) for samples in every for values in samples.values())
    about = SampleFile(digest=_digest(content), numbers=numbers)
    sealed = result.model_copy(update={"sample_file": about})
    # Without a time in it, the same content is the same file.
    return sealed.to_json(), gzip.compress(content.encode(), mtime=0)


def samples_path(path: Path) -> Path:
    """Return where the samples of the result at `path` are."""
    return path.with_name(path.stem + _SUFFIX)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write so that a reader sees the old file or the whole new one, never a part."""
    Folder(path.parent).write(path.name, content)


def _parsed(path: Path) -> Result:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RecordError(f"{path} is larger than {_MAX_BYTES:,} bytes; it is not a result.")
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not valid JSON: {error}.") from None
    if isinstance(data, dict):
        _check_unchanged(path, data)
        version = data.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise RecordError(
                f"{path} has schema_version {version}; this sparc3-bench reads up to "
                f"{SCHEMA_VERSION}. Upgrade it."
            )
        data = migrated(data)
    try:
        result = Result.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the record"
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise RecordError(f"{path}: `{field}`: {first['msg']}.{more}") from None
    if wrong := problems(result):
        raise RecordError(f"{path}: {wrong[0]}")
    return result


def _check_unchanged(path: Path, data: dict[str, Any]) -> None:
    # Numbers that are not finite have no canonical form; the schema says where they are.
    with contextlib.suppress(ValueError, RecursionError):
        if data.get("content_hash") not in (None, content_hash(data)):
            raise RecordError(f"{path} was changed after it was written; its hash differs.")


def _with_samples(result: Result, path: Path, about: SampleFile) -> Result:
    """Return the result with the samples of its file.

    Raises
    ------
    RecordError
        When the file is damaged, or of another run.
    """
    try:
        with gzip.open(path) as file:
            content = file.read(_MAX_BYTES * 10 + 1).decode()
        if _digest(content) != about.digest:
            raise RecordError(f"{path} is not of the result beside it: its digest differs.")
        data = json.loads(content)
        points = [_sampled(*pair) for pair in zip(result.points, data["points"], strict=True)]
        changes: dict[str, Any] = {"points": tuple(points)}
        if result.found is not None:
            own = data["found"]
            if own is None:
                same = next(p for p in points if _is_same(p, result.found.point))
                own = same.samples
            found = _sampled(result.found.point, own)
            changes["found"] = result.found.model_copy(update={"point": found})
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, StopIteration) as error:
        raise RecordError(f"{path} cannot be read: {error}.") from None
    return result.model_copy(update=changes)


def _sampled(point: Point, samples: Mapping[str, Any]) -> Point:
    kinds = {name: tuple(map(float, values)) for name, values in samples.items()}
    return point.model_copy(update={"samples": kinds})


def _is_same(point: Point, found: Point) -> bool:
    return point.amount.requested == found.amount.requested


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed; use null with a reason")
