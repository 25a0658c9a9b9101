"""ResultsFolder: where outcomes are written, what of them is there, and what waits to be."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from sparc3_bench.errors import RecordError, Sparc3Error
from sparc3_bench.folder.local import Folder
from sparc3_bench.record.files import lacking, read_result, responses_path, samples_path
from sparc3_bench.record.result import Result
from sparc3_bench.run.responses import read_responses
from sparc3_bench.types.orders import Delivery

HIDDEN = ".sparc3"
"""In a folder of results, what runners keep for themselves; no result is looked for in it."""
_OVER = ("ok", "failed")
"""Statuses of a run that is not to be run again."""
_INDEX = f"{HIDDEN}/known.jsonl"
_PAUSES_S = (0.2, 1.0, 3.0)
"""Between attempts to write a result; where another one is held already, there is one attempt."""


Stamp = tuple[tuple[int, int], ...]
"""Size and time of each file of a result."""


class ResultsFolder:
    """A folder of results that is expected to fail now and then; made when it is written to.

    What is known of a result is written down with the sizes and times of its files, so that it is
    read again only when one of them is another.
    """

    def __init__(
        self,
        root: Path,
        say: Callable[[str], None],
        written: Callable[[Path], None] = lambda path: None,
    ) -> None:
        self.root, self._say, self._written = root, say, written
        self._folder = Folder(root)
        self._held: dict[str, Delivery] = {}

    def status(self, path: str) -> str | None:
        """Return `ok` or `failed` of a run that came to its end; None for what is to be run."""
        stamp = self._stamp(path)
        if stamp is None:
            return None
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        found = _ended(self.root / path)
        if found is None:
            return None
        self._note(path, stamp, found.status)
        return found.status

    def settled(self) -> Mapping[str, str]:
        """Write what is held; return by path why the rest cannot be."""
        reasons = {}
        for path, outcome in self._held.items():
            try:
                self._write(outcome)
            except OSError as error:
                reasons[path] = f"It cannot be written: {error.strerror or error}."
        self._held = {path: self._held[path] for path in reasons}
        return reasons

    def write(self, outcome: Delivery) -> None:
        """Write the files of an outcome; what cannot be written is held for later."""
        for pause in (0.0, *(() if self._held else _PAUSES_S)):
            time.sleep(pause)
            try:
                return self._write(outcome)
            except OSError as error:
                last = error
        self._held[outcome.order] = outcome
        self._say(f"{self.root / outcome.order} cannot be written: {last}. It is held.")

    def _write(self, outcome: Delivery) -> None:
        for name, content in outcome.files.items():
            self._folder.write(name, content, durable=True)
        if (beside := samples_path(Path(outcome.order))).as_posix() not in outcome.files:
            (self.root / beside).unlink(missing_ok=True)
        stamp = self._stamp(outcome.order)
        if stamp is not None and outcome.status in _OVER:
            self._note(outcome.order, stamp, outcome.status)
        self._written(self.root / outcome.order)

    @cached_property
    def _known(self) -> dict[str, tuple[Stamp, str]]:
        found: dict[str, tuple[Stamp, str]] = {}
        with contextlib.suppress(OSError):
            for line in self._folder.read(_INDEX).decode().splitlines():
                with contextlib.suppress(ValueError, TypeError):  # half a line, of a full disk
                    path, stamp, status = json.loads(line)
                    found[path] = tuple((size, at) for size, at in stamp), status
        return found

    def _note(self, path: str, stamp: Stamp, status: str) -> None:
        self._known[path] = stamp, status
        with contextlib.suppress(OSError):
            self._folder.append(_INDEX, json.dumps([path, stamp, status]).encode() + b"\n")

    def _stamp(self, path: str) -> Stamp | None:
        file = self.root / path
        stamps = []
        for one in (file, samples_path(file), responses_path(file)):
            try:
                seen = one.stat()
                stamps.append((seen.st_size, seen.st_mtime_ns))
            except OSError:
                stamps.append((0, 0))
        return tuple(stamps) if stamps[0] != (0, 0) else None


def finished(path: Path) -> Result | None:
    """Return the result at `path` if it did not fail; what made it is in its name."""
    found = _ended(path)
    return found if found is not None and found.status == "ok" else None


def _ended(path: Path) -> Result | None:
    """Return the result of a run that came to its end; None where that is to be run."""
    try:
        result = read_result(path)
        if result.responses is not None and os.path.lexists(responses_path(path)):
            read_responses(path, result.responses)
    except RecordError:
        return None
    if lacking(path, result) is not None:
        return None
    # One that was judged again is not this run: another judge chose its ranking and amount.
    return result if result.status in _OVER and result.chosen_by is None else None


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, without making it."""
    nearest = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path)
    )
    if not nearest.is_dir():
        raise Sparc3Error(f"The folder {folder} cannot be made: {nearest} is a file.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise Sparc3Error(f"The folder {folder} cannot be written to; choose another.")
