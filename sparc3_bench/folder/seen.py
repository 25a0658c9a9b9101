"""Seen: what was found out about files, believed for as long as size and times are the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sparc3_bench.folder.local import Folder

FINDINGS = "seen"
"""The folder of findings in a cache."""

Stamp = list[int]
"""Size, times of the last change of content and of the file in nanoseconds, and number of it."""

_TICK_NS = 100_000_000
"""Two changes within so many nanoseconds may have one time."""


class Reads:
    """What this process reads, where it is watched, so that it can be told what an answer rests on.

    There are `stamps` of each file or folder, by its path, before it was read, and a reason
    `why_not` where what is read is not all that answers rest on.
    """

    def __init__(self) -> None:
        self.stamps: dict[str, Stamp | None] = {}
        self.why_not, self._aside, self.is_watching = "", 0, False

    def note(self, path: str | Path) -> None:
        """Take note that a file or folder is read or looked through."""
        if self.is_watching:
            name = str(Path(path).absolute())
            if name not in self.stamps:
                self.stamps[name] = stamp(name)

    def spoil(self, why: str) -> None:
        """Say that what is found out rests on more than files."""
        if not self._aside:
            self.why_not = self.why_not or why

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let something be asked of elsewhere of which the outcome is proven."""
        self._aside += 1
        try:
            yield
        finally:
            self._aside -= 1


READS = Reads()
"""Of this process."""


class Findings:
    """Findings by what they are about, each in a file with the stamps of all that it rests on.

    One that is damaged, or rests on a file that is another now, is none. Nothing is lost where the
    cache cannot be written: it is found out again.
    """

    def __init__(self, cache: Path) -> None:
        self._folder = Folder(cache / FINDINGS, tidy=False)

    def get(self, about: Any) -> Any:
        """Return what was found out, as JSON; None where it must be found out anew."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            digest, _, content = self._folder.read(_name(about)).partition(b"\n")
            if hashlib.sha256(content).hexdigest().encode() == digest:
                kept = json.loads(content)
                # As what is asked about may have tuples, it is compared in writing.
                same = _written(kept["about"]) == _written(about)
                if same and all(stamp(path) == was for path, was in kept["rests"].items()):
                    return kept["found"]
        return None

    def put(self, about: Any, found: Any, rests: Mapping[str, Stamp | None]) -> None:
        """Keep what was found out, unless what it rests on has changed since or may unseen."""
        if not all(settled(path, was) for path, was in rests.items()):
            return
        content = json.dumps({"about": about, "rests": rests, "found": found}).encode()
        with contextlib.suppress(OSError):
            digest = hashlib.sha256(content).hexdigest().encode()
            self._folder.write(_name(about), digest + b"\n" + content)


def stamp(path: str | Path) -> Stamp | None:
    """Return what tells that a file or folder is the same as before; None where there is none."""
    try:
        seen = Path(path).stat()
    except (OSError, ValueError):
        return None
    return [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino]


def settled(path: str | Path, was: Stamp | None) -> bool:
    """Return whether a file is as it was, and would have another stamp after one more change."""
    late = time.time_ns() - _TICK_NS
    return stamp(path) == was and (was is None or max(was[1:3]) < late)


def _written(about: Any) -> str:
    return json.dumps(about, sort_keys=True)


def _name(about: Any) -> str:
    return f"{hashlib.sha256(_written(about).encode()).hexdigest()[:32]}.json"
