"""Files of a result: the record, and beside it the per-sample measurements, packed."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from sparc3_bench.errors import RecordError
from sparc3_bench.folder.local import Folder
from sparc3_bench.record.checks import problems
from sparc3_bench.record.migrate import migrated
from sparc3_bench.record.parts import Point, SampleFile, Samples
from sparc3_bench.record.result import SCHEMA_VERSION, Result, content_hash
from sparc3_bench.record.spec import OnDisk, canonical_json
from sparc3_bench.record.strict import content_of, parsed, unpacked, validated

_MAX_BYTES = 20_000_000
_SUFFIX = ".samples.json.gz"
_RESPONSES = ".responses.json.gz"


def read_result(path: Path) -> Result:
    """Read and check one result file, with its samples where their file is beside it.

    What is wrong is a `RecordError` that names the file and the first offending field.
    """
    result = read_record(path)
    beside = samples_path(path)
    if result.sample_file is None or not os.path.lexists(beside):
        return result
    return _with_samples(result, beside, result.sample_file)


def read_record(path: Path) -> Result:
    """Read and check one result file without the samples beside it, as lists do."""
    data = parsed(content_of(path, _MAX_BYTES), path)
    if isinstance(data, dict):
        _check_unchanged(path, data)
        version = data.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise RecordError(
                f"{path} has schema_version {version}; this sparc3-bench reads up to "
                f"{SCHEMA_VERSION}. Upgrade it."
            )
        data = migrated(data)
    result = validated(Result, data, path)
    if wrong := problems(result):
        raise RecordError(f"{path}: {wrong[0]}")
    return result


def read_results(
    folder: Path, leave_out: Callable[[str], object] | None = None
) -> Iterator[tuple[Path, Result]]:
    """Yield every result below `folder` with its path relative to it, in order of path.

    A file that cannot be read is left out where `leave_out` is told why. Whoever shows many results
    gives it, so that one bad file takes no other with it; whoever writes result files anew does
    not, and all of them are read or none.
    """
    for path, result in read_each(files_below(folder), leave_out):
        yield path.relative_to(folder), result


def read_each(
    files: Iterable[Path],
    leave_out: Callable[[str], object] | None = None,
    read: Callable[[Path], Result] = read_result,
) -> Iterator[tuple[Path, Result]]:
    """Yield the result of each file with its path; `leave_out` is as in `read_results`."""
    for path in files:
        try:
            result = read(path)
        except RecordError as error:
            if leave_out is None:
                raise
            leave_out(str(error))
        else:
            yield path, result


def lacking(path: Path, result: Result) -> str | None:
    """Return what a result at `path` promises and is not beside it, in a sentence; None if nothing.

    A run is finished when its samples are there. Responses are never published.
    """
    beside = samples_path(path)
    if result.sample_file is None or beside.is_file():
        return None
    return f"{beside.name}, of which {path.name} tells, is not beside it."


def write_result(path: Path, result: Result) -> None:
    """Write a result and its samples, to the disk; readers see the old ones or the new."""
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
    digest = hashlib.sha256(content.encode()).hexdigest()
    about = SampleFile(digest=digest, numbers=numbers)
    sealed = result.model_copy(update={"sample_file": about})
    # Without a time in it, the same content is the same file.
    return sealed.to_json(), gzip.compress(content.encode(), mtime=0)


def samples_path(path: Path) -> Path:
    """Return where the samples of the result at `path` are."""
    return path.with_name(path.stem + _SUFFIX)


def responses_path(path: Path) -> Path:
    """Return where the responses of the result at `path` are."""
    return path.with_name(path.stem + _RESPONSES)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write so that a reader sees the old file or the whole new one, never a part."""
    Folder(path.parent).write(path.name, content)


def files_below(folder: Path) -> list[Path]:
    """Return what is named as results are in a folder and those in it, hidden ones left out.

    Links are named too, also those to folders; reading refuses them. None where there is no folder.
    """
    found: list[Path] = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(top, name).is_symlink()]
        named = [n for n in names if n.endswith(".json") and not n.startswith(".")]
        found += [Path(top, name) for name in (*links, *named)]
    return sorted(found)


def _check_unchanged(path: Path, data: dict[str, Any]) -> None:
    try:
        found = content_hash(data)
    except RecursionError:
        raise RecordError(f"{path} is nested too deeply; it is not a result.") from None
    if data.get("content_hash") not in (None, found):
        raise RecordError(f"{path} was changed after it was written; its hash differs.")


class _Content(OnDisk):
    """What a file of samples holds."""

    found: Annotated[Samples, BeforeValidator(lambda given: {} if given is None else given)]
    """None where it is a point of the curve."""
    points: tuple[Samples, ...]


def _with_samples(result: Result, path: Path, about: SampleFile) -> Result:
    """Return the result with the samples of its file."""
    content = unpacked(path, _MAX_BYTES * 10)
    if hashlib.sha256(content).hexdigest() != about.digest:
        raise RecordError(f"{path} is not of the result beside it: its digest differs.")
    data = validated(_Content, parsed(content, path), path)
    if len(data.points) != len(result.points):
        raise RecordError(
            f"{path} has samples of {len(data.points)} points; the result has {len(result.points)}."
        )
    points = tuple(
        point.model_copy(update={"samples": samples})
        for point, samples in zip(result.points, data.points, strict=True)
    )
    changes: dict[str, Any] = {"points": points}
    if result.found is not None:
        same = [one.samples for one in points if _is_same(one, result.found.point)]
        own = data.found or (same[0] if same else {})
        if not own:
            raise RecordError(f"{path} has no samples of the point that was found.")
        found = result.found.point.model_copy(update={"samples": own})
        changes["found"] = result.found.model_copy(update={"point": found})
    return result.model_copy(update=changes)


def _is_same(point: Point, found: Point) -> bool:
    return point.amount.requested == found.amount.requested
