"""Folders of this machine and of others: what fsspec reaches, e.g. an object store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.folder.local import File, Folder
from sparc3_bench.folder.owner import me


def folder_at(where: str | Path) -> Folder:
    """Return the folder for many files at a path, or at any URL that fsspec knows.

    Such as ``s3://bucket/name``; a path object would lose one of its slashes.
    """
    text = str(where)
    if "://" not in text:
        return Folder(Path(where), tidy=False)
    if text.startswith("file://"):
        return Folder(Path(unquote(urlsplit(text).path)), tidy=False)
    return RemoteFolder(text)


class RemoteFolder(Folder):
    """Files by name below a URL, any that fsspec knows and is configured to reach.

    A file is fetched to be read and put when it is written; an object store shows it whole or not
    at all. Where a file system cannot tell that a file is new, two processes may both create it.
    """

    def __init__(self, url: str) -> None:
        # On this machine, where files are between here and there.
        local = Path(tempfile.gettempdir()) / f"sparc3-{os.getuid()}"
        super().__init__(local)
        self._url = url.rstrip("/")
        try:
            from fsspec.core import url_to_fs

            # Other processes change what a listing says.
            self._fs, self._top = url_to_fs(self._url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise Sparc3Error(
                f"The folder {url} cannot be reached: {error}; install what fsspec needs for it, "
                "e.g. `s3fs` for s3://, or give a local folder."
            ) from None

    def __str__(self) -> str:
        return self._url

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Give a copy of a file to read for a while."""
        with self.scratch() as folder:
            copy = folder / "copy"
            with _telling():
                self._fs.get_file(self._path(name), str(copy))
            yield copy

    def open(self, name: str) -> BinaryIO:
        """Open a file of which the beginning is enough."""
        with _telling():
            return cast("BinaryIO", self._fs.open(self._path(name), "rb"))

    def read(self, name: str) -> bytes:
        """Return what is in a file."""
        with _telling():
            return cast("bytes", self._fs.cat_file(self._path(name)))

    def has(self, name: str) -> bool:
        """Return whether a file is there."""
        with _telling():
            return bool(self._fs.isfile(self._path(name)))

    def files(self, below: str = "", suffix: str = "") -> Iterator[File]:
        """Yield the files below a folder in it whose names end so."""
        with _telling():
            found = self._fs.find(self._path(below), detail=True)
        for path, told in found.items():
            if path.endswith(suffix):
                name = path.removeprefix(self._top).lstrip("/")
                yield File(name, told["size"] or 0, _modified(told))

    @contextmanager
    def writing(self, name: str, *, durable: bool = False) -> Iterator[Path]:
        """Give an empty local file to write; it is put there when all went well."""
        with self.scratch() as folder:
            part = folder / "part"
            part.touch()
            yield part
            with _telling():
                self._put(part, self._path(name))

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless it is there, and return whether it was written."""
        path = self._path(name)
        with _telling():
            try:
                if self._fs.exists(path):
                    return False
                self._fs.pipe_file(path, content, mode="create")
            except FileExistsError:
                return False
        return True

    def append(self, name: str, content: bytes) -> None:
        """Add to the end of a file, which need not be there."""
        with _telling(), self._fs.open(self._path(name), "ab") as file:
            file.write(content)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with _telling():
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def move(self, name: str, to: str) -> None:
        """Give a file another name."""
        with _telling():
            self._fs.cp_file(self._path(name), self._path(to))
        self.remove(name)

    def take(self, name: str) -> bytes | None:
        """Remove a file and return what was in it; of several who take it more may get it."""
        try:
            content = self.read(name)
        except FileNotFoundError:
            return None
        self.remove(name)
        return content

    def touch(self, name: str) -> None:
        """Say that a small file is in use now: it is written again."""
        with _telling():
            self._fs.pipe_file(self._path(name), self._fs.cat_file(self._path(name)))

    def use(self, name: str) -> None:
        """Do nothing: the time of a large file costs as much as the file."""

    def age(self, name: str) -> float:
        """Return how many seconds ago a file was written or touched, by the folder's own clock."""
        clock = self._path(f".clocks/{me()}")
        with _telling():
            self._fs.pipe_file(clock, b"now")
            now = self._fs.modified(clock).timestamp()
            self._fs.rm_file(clock)
            seen = self._fs.modified(self._path(name)).timestamp()
        return max(0.0, float(now - seen))

    def _path(self, name: str) -> str:
        return f"{self._top}/{name}" if name else str(self._top)

    def _put(self, part: Path, path: str) -> None:
        try:
            self._fs.put_file(str(part), path)
        except FileNotFoundError:  # its folder is not there, in a file system that has some
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.put_file(str(part), path)


@contextmanager
def _telling() -> Iterator[None]:
    """Whatever goes wrong on the way is an `OSError`."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # every kind of store has its own
        raise OSError(f"{type(error).__name__}: {error}") from error


def _modified(told: Any) -> float:
    """Return when a file was written, as far as a file system tells."""
    for name in ("LastModified", "mtime", "modified", "created"):
        if isinstance(when := told.get(name), datetime):
            return when.timestamp()
        if isinstance(when, int | float):
            return float(when)
    return 0.0
