"""Result: the JSON of one run on disk; reading, checking and writing it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from sparc3_bench.errors import RecordError
from sparc3_bench.record.checks import problems
from sparc3_bench.record.migrate import migrated
from sparc3_bench.record.parts import (
    Environment,
    EstimateRecord,
    Found,
    MetricRecord,
    Phase,
    Point,
    Responses,
    Sketch,
    Stability,
    Tried,
)
from sparc3_bench.record.spec import JudgeRef, OnDisk, RunSpec

SCHEMA_VERSION = 3
"""Raised by any change to the fields below; every step gets a migration."""

_MAX_BYTES = 20_000_000

_LIST_OF_NUMBERS = re.compile(r"(?<=\[)\n\s+[-+.\deE,\s]+(?=\])")


class Result(OnDisk):
    """One run: what was asked, what came out, what it cost, where it ran."""

    schema_version: Literal[3]
    """Version of this layout."""
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    """Content key of the spec; part of the file's name."""
    status: Literal["ok", "failed"]
    """Whether the run finished. A failed run keeps its spec and says why in `error`."""
    created: str
    """When the run finished, UTC, ISO 8601."""
    is_control: bool
    """Whether the scorer is a control, drawn as a band."""
    spec: RunSpec
    """Everything that determines the numbers."""
    metrics: tuple[MetricRecord, ...]
    """How to read the numbers; the first is the task's main one."""
    points: tuple[Point, ...]
    """One an amount, in rising order; the first is the dense model."""
    curve_metrics: tuple[MetricRecord, ...] = ()
    """How to read the numbers of `curve`."""
    curve: Annotated[dict[str, EstimateRecord], Field(default_factory=dict)]
    """Numbers of the whole curve, or of the scores themselves."""
    found: Found | None = None
    """What was looked for between the points, or chosen among them."""
    tried: tuple[Tried, ...] = ()
    """What the choice was made from."""
    candidate: str = ""
    """Which of the task's candidate rankings was pruned by; empty when it has one."""
    chosen_by: JudgeRef | None = None
    """The judge by whom ranking and amount were chosen, where that of the spec judged again."""
    responses: Responses | None = None
    """What models wrote, kept beside this file; null for a task without texts."""
    stability: tuple[Stability, ...] = ()
    """The ranking beside those of other reference seeds."""
    sketch: Sketch | None = None
    """The circuits, sampled; null where circuits of different amounts are not nested."""
    clusters: Annotated[dict[str, tuple[int, ...]], Field(default_factory=dict)]
    """For samples that are not independent, the cluster of each."""
    cost: dict[str, Phase]
    """Cost of each phase: `attribution` and `evaluation` (all points together), and where there is
    such a thing `meeting`, `search`, `controls`, `stability` and `judging` (of all texts)."""
    environment: Environment
    """Where the run happened."""
    warnings: tuple[str, ...] = ()
    """What a reader should know before comparing."""
    error: str | None = None
    """Why the run failed."""

    @model_validator(mode="after")
    def _consistent(self) -> Result:
        if self.key != self.spec.key:
            raise ValueError(f"key is {self.key} but the spec hashes to {self.spec.key}")
        if self.status == "failed":
            if not self.error:
                raise ValueError("a failed run must say why in `error`")
            return self
        asked = tuple(point.amount.requested for point in self.points)
        if asked != self.spec.amounts:
            raise ValueError(f"points are at {list(asked)}, not at spec.amounts")
        if self.spec.amount_kind == "fraction" and max(asked, default=0) > 1:
            raise ValueError("a fraction of the scope cannot be above 1")
        names = [metric.name for metric in self.metrics]
        for index, point in enumerate(self.points):
            if sorted(point.metrics) != sorted(names):
                raise ValueError(f"points.{index}.metrics must have exactly {sorted(names)}")
        return self

    def to_json(self) -> str:
        """Return the text of the file: sorted keys, two spaces, numbers of a list in one line."""
        text = json.dumps(
            self.model_dump(mode="json"),
            sort_keys=True,
            indent=2,
            allow_nan=False,
            ensure_ascii=False,
        )
        return _LIST_OF_NUMBERS.sub(lambda found: re.sub(r"\n\s+", " ", found[0]), text) + "\n"


def read_result(path: Path) -> Result:
    """Read and check one result file.

    Raises
    ------
    RecordError
        Naming the file and the path of the first offending field.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RecordError(f"{path} is larger than {_MAX_BYTES:,} bytes; it is not a result.")
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not valid JSON: {error}.") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RecordError(
            f"{path} has schema_version {version}; this sparc3-bench reads up to "
            f"{SCHEMA_VERSION}. Upgrade it."
        )
    try:
        result = Result.model_validate(migrated(data) if isinstance(data, dict) else data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the record"
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise RecordError(f"{path}: `{field}`: {first['msg']}.{more}") from None
    if wrong := problems(result):
        raise RecordError(f"{path}: {wrong[0]}")
    return result


def read_results(folder: Path) -> Iterator[tuple[Path, Result]]:
    """Yield every result below `folder` with its path relative to it, in order of path."""
    for path in sorted(folder.rglob("*.json")):
        yield path.relative_to(folder), read_result(path)


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed; use null with a reason")
