"""Responses: the file beside a result with what models wrote, so that it can be judged again."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sparc3_bench.errors import RecordError
from sparc3_bench.folder.local import Folder
from sparc3_bench.record.files import responses_path
from sparc3_bench.record.parts import Phase, Responses
from sparc3_bench.record.spec import OnDisk
from sparc3_bench.record.strict import parsed, unpacked, validated

_MAX_BYTES = 1_000_000_000


class Evaluated(OnDisk):
    """Per-sample measurements of one model, before any judge."""

    samples: dict[str, tuple[float, ...]]
    phase: Phase | None = None
    """What it cost; in files of before."""
    has_memory: bool = False
    """Whether the task wants back more of the dense model than the samples."""
    texts: Annotated[dict[str, tuple[tuple[str, ...], ...]], Field(default_factory=dict)]
    """What the model wrote."""


class Written(OnDisk):
    """What was measured and written in one run, before any judge."""

    points: tuple[Evaluated, ...]
    """One an amount."""
    controls: tuple[tuple[Evaluated, ...], ...] = ()
    """By control seed, one an amount."""
    paired: tuple[Evaluated, ...] = ()
    """The controls of what was chosen, by seed."""
    at_bar: Evaluated | None = None
    """The amount that was found by a bar; none in files of before."""

    @property
    def texts(self) -> int:
        """How many texts there are."""
        every = [*self.points, *(one for drawn in self.controls for one in drawn), *self.paired]
        every += [self.at_bar] if self.at_bar else []
        return sum(
            len(responses)
            for evaluated in every
            for prompts in evaluated.texts.values()
            for responses in prompts
        )

    def to_json(self) -> str:
        """Return the content of the file."""
        return self.model_dump_json()

    def record(self) -> Responses:
        """Return what the result says of the file."""
        return Responses(digest=_digest(self.to_json()), texts=self.texts)


def write_responses(result: Path, content: str) -> None:
    """Write the responses of the result at `result`; raises as `write_result`."""
    Folder(result.parent).write(responses_path(result).name, packed(content), durable=True)


def packed(content: str) -> bytes:
    """Return what is in the file of responses; without a time in it, so that equal is equal."""
    return gzip.compress(content.encode(), mtime=0)


def read_responses(result: Path, record: Responses) -> Written:
    """Read the responses of the result at `result`.

    Raises RecordError when the file is missing, damaged or of another run.
    """
    path = responses_path(result)
    if not os.path.lexists(path):
        raise RecordError(
            f"{path} is not there; responses are kept where a run was made and never published. "
            "Run it again with the other judge."
        )
    content = unpacked(path, _MAX_BYTES)
    if hashlib.sha256(content).hexdigest() != record.digest:
        raise RecordError(f"{path} is not of the result {result.name}: its digest differs.")
    return validated(Written, parsed(content, path), path)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
