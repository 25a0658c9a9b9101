"""Result: the record of one run."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from operator import not_
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, FailFast, Field, JsonValue, model_validator

from sparc3_bench.errors import RecordError
from sparc3_bench.record.parts import (
    MOST_METRICS,
    Environment,
    EstimateRecord,
    Found,
    MetricRecord,
    Phase,
    Point,
    Responses,
    SampleFile,
    Sketch,
    Stability,
    Tried,
)
from sparc3_bench.record.spec import (
    MOST_AMOUNTS,
    JudgeRef,
    Line,
    OnDisk,
    RunSpec,
    Words,
    canonical_json,
)

SCHEMA_VERSION = 6
"""Raised by any change to the fields below; every step gets a migration."""

Status = Literal["ok", "failed", "interrupted", "withdrawn"]
Origin = Literal["run", "replayed", "submitted", "reported"]

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"

_LIST_OF_NUMBERS = re.compile(r"(?<=\[)\n\s+[-+.\deE,\s]+(?=\])")


def _moment(text: str) -> str:
    datetime.datetime.fromisoformat(text)
    return text


Moment = Annotated[str, Field(pattern=rf"^{_DAY}T{_TIME}(Z|[+]00:00)$"), AfterValidator(_moment)]
"""A date and time, UTC."""


def content_hash(content: Mapping[str, Any]) -> str:
    """Return the hash of what is in a file but for the hash itself, 64 hex digits."""
    rest = {name: value for name, value in content.items() if name != "content_hash"}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


class Result(OnDisk):
    """One run: what was asked, what came out, what it cost, where it ran."""

    schema_version: Literal[6]
    """Version of this layout."""
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    """Content key of the spec; part of the file's name."""
    content_hash: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    """SHA-256 of the canonical JSON of everything else in the file."""
    status: Status
    """`ok`; `failed` or `interrupted` (spec only); `withdrawn`: not to be relied on any more."""
    origin: Origin = "run"
    """`run` here; `replayed` from what a run kept or, where `replay_of` is there, by running its
    spec again; `submitted` by others; `reported` in print."""
    replay_of: Annotated[
        str | None, Field(pattern=r"^[0-9a-f]{12}$", exclude_if=lambda key: key is None)
    ] = None
    """Key of the result whose spec was run again; none of a run of its own."""
    created: Moment
    """When the run finished, UTC, ISO 8601."""
    is_control: bool
    """Whether the scorer is a control, drawn as a band."""
    spec: RunSpec
    """Everything that determines the numbers, resolved."""
    asked: Annotated[dict[Line, JsonValue], Field(default_factory=dict, max_length=1_000)]
    """What the user asked for, before defaults; names of local files without their folders."""
    command: Words | None = None
    """The command line, local folders left out; null when there was none."""
    metrics: Annotated[tuple[MetricRecord, ...], Field(max_length=MOST_METRICS)]
    """How to read the numbers; the first is the task's main one."""
    points: Annotated[tuple[Point, ...], Field(max_length=MOST_AMOUNTS)]
    """One an amount, in rising order; the first is the dense model."""
    curve_metrics: Annotated[tuple[MetricRecord, ...], Field(max_length=MOST_METRICS)] = ()
    """How to read the numbers of `curve`."""
    curve: Annotated[
        dict[Line, EstimateRecord], Field(default_factory=dict, max_length=MOST_METRICS)
    ]
    """Numbers of the whole curve, or of the scores themselves."""
    found: Found | None = None
    """What was looked for between the points, or chosen among them."""
    tried: Annotated[tuple[Tried, ...], Field(max_length=10_000)] = ()
    """What the choice was made from."""
    candidate: Line = ""
    """Which of the task's candidate rankings was pruned by; empty when it has one."""
    chosen_by: JudgeRef | None = None
    """The judge by whom ranking and amount were chosen, where that of the spec judged again."""
    responses: Responses | None = None
    """What models wrote, kept beside this file; null for a task without texts."""
    sample_file: SampleFile | None = None
    """The file beside this one with the per-sample measurements of every point."""
    stability: Annotated[tuple[Stability, ...], Field(max_length=100)] = ()
    """The ranking beside those of other reference seeds."""
    sketch: Sketch | None = None
    """The circuits, sampled; null where circuits of different amounts are not nested."""
    clusters: Annotated[
        dict[Line, Annotated[tuple[int, ...], FailFast(), Field(max_length=10_000_000)]],
        Field(default_factory=dict, max_length=MOST_METRICS),
    ]
    """For samples that are not independent, the cluster of each."""
    cost: Annotated[dict[Line, Phase], Field(max_length=100)]
    """Cost of each phase: `attribution` (of all references) and `evaluation` (of all points), and
    where there is such a thing `assessment` (of the scores themselves), `meeting`, `search`,
    `controls`, `stability` and `judging` (of all texts)."""
    streamed: Annotated[bool, Field(exclude_if=not_)] = False
    """Whether the model was read block by block, as it did not fit into the memory; the numbers are
    those of the whole one."""
    environment: Environment
    """The machine of the run and the versions of what ran."""
    warnings: Annotated[tuple[Words, ...], Field(max_length=1_000)] = ()
    """What a reader should know before comparing."""
    error: Words | None = None
    """Why the run has another status than `ok`."""

    @model_validator(mode="after")
    def _consistent(self) -> Result:
        if self.key != self.spec.key:
            raise ValueError(f"key is {self.key} but the spec hashes to {self.spec.key}")
        if self.status != "ok" and not self.error:
            raise ValueError(f"a run that is {self.status} must say why in `error`")
        if self.status in ("failed", "interrupted"):
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

    def check_finished(self, name: object, *, trusted: bool = True) -> None:
        """Refuse a run that did not come to its end, or one that was withdrawn unless any will do.

        Raises
        ------
        RecordError
            With the reason; it is called `name`.
        """
        if self.status != "ok" and (trusted or self.status != "withdrawn"):
            reason = (self.error or "").partition("\n")[0].rstrip(".")
            raise RecordError(
                f"{name} is of a run that is {self.status} ({reason}); run it again, or name "
                "another."
            )

    def to_json(self) -> str:
        """Return the text of the file: sorted keys, two spaces, numbers of a list in one line."""
        found = {"found": {"point": {"samples"}}} if self.found is not None else {}
        kept_apart = {"content_hash": True, "points": {"__all__": {"samples"}}, **found}
        content = self.model_dump(mode="json", exclude=kept_apart)  # type: ignore[arg-type]
        text = json.dumps(
            {**content, "content_hash": content_hash(content)},
            sort_keys=True,
            indent=2,
            allow_nan=False,
            ensure_ascii=False,
        )
        return _LIST_OF_NUMBERS.sub(lambda found: re.sub(r"\n\s+", " ", found[0]), text) + "\n"
