"""Room: keeps what lies in a folder below a limit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from sparc3_bench.folder.local import File, Folder

_SLACK = 1 / 16
"""Share of the limit that is freed at once, and written between two looks."""


class Room:
    """How much may still be written before what was not used for longest must go.

    All files are looked at when much was written, not every time: a store may have a million. So
    processes that write at once may pass the `limit`, in bytes, by a sixteenth each. The newest
    file stays even above it. What counts is named by `of`:
    folders, and how names of files in them end.
    """

    def __init__(self, folder: Folder, limit: float, *of: tuple[str, str]) -> None:
        self._folder, self._limit, self._of = folder, limit, of
        self._left = 0.0

    def fill(self, size: int) -> None:
        """Say that so many bytes were written."""
        self._left -= size
        if self._left < 0:
            self._left = self._make()

    def _make(self) -> float:
        files = sorted(self._files(), key=lambda file: (file.modified, file.name))
        whole = sum(file.size for file in files)
        if whole > self._limit:
            for file in files[:-1]:
                self._folder.remove(file.name)
                whole -= file.size
                if whole <= self._limit * (1 - _SLACK):
                    break
        return min(self._limit - whole, self._limit * _SLACK)

    def _files(self) -> Iterator[File]:
        return chain.from_iterable(self._folder.files(*one) for one in self._of)
