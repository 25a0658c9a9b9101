"""Folder: files by name in one place; every one is there whole or not at all."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sparc3_bench.folder.owner import Owner, me

PARTS = ".parts"
"""Where files lie until they are whole, named after the process that writes them."""
_DAY = 86_400.0
_NUMBERS = itertools.count()
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM}


class File(NamedTuple):
    """A file of a folder."""

    name: str
    size: int
    modified: float
    """When it was written or touched, in seconds, by the clock of the folder."""


class Folder:
    """Files by name in a folder of this machine, or a mounted one; made when it is written to.

    Names may have slashes. What was left half written by a process that died is removed when the
    folder is written to: at once if it ran on this machine, else after a day. All that goes wrong
    is an `OSError`. Links and special files are not read.

    A `tidy` one keeps nothing of what is only there while files are written. Where many are written
    it need not be: to make and remove a folder takes as long as to write a file.
    """

    def __init__(self, root: Path, *, tidy: bool = True) -> None:
        self.root, self._tidy = root, tidy
        self._swept: set[Path] = set()

    def __str__(self) -> str:
        return str(self.root)

    # Reading

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Give a file to read for a while."""
        yield self._regular(name)

    def open(self, name: str) -> BinaryIO:
        """Open a file of which the beginning is enough."""
        return self._regular(name).open("rb")

    def read(self, name: str) -> bytes:
        """Return what is in a file."""
        return self._regular(name).read_bytes()

    def has(self, name: str) -> bool:
        """Return whether a file is there."""
        try:
            self._regular(name)
        except OSError:
            return False
        return True

    def files(self, below: str = "", suffix: str = "") -> Iterator[File]:
        """Yield the files below a folder in it whose names end so."""
        for place, _, names in os.walk(self.root / below):
            for name in names:
                path = Path(place) / name
                if name.endswith(suffix) and path.parent.name != PARTS:
                    with suppress(FileNotFoundError):  # removed by another process
                        seen = path.lstat()
                        inside = path.relative_to(self.root).as_posix()
                        yield File(inside, seen.st_size, seen.st_mtime)

    # Writing

    @contextmanager
    def writing(self, name: str, *, durable: bool = False) -> Iterator[Path]:
        """Give an empty file to write; it takes its name when all went well.

        One that is `durable` is there after a power cut.
        """
        target = self.root / name
        every = (target.parent, *target.parent.parents) if durable else ()
        new = list(itertools.takewhile(lambda place: not place.exists(), every))
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self._part(target.parent, _make_file)
        try:
            mode = stat.S_IMODE(part.stat().st_mode)
            yield part
            if stat.S_IMODE(part.stat().st_mode) != mode:
                part.chmod(mode)  # a library made the file anew
            if durable:
                _sync(part)
            part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            self._leave(part.parent)
        if durable:
            for place in (target.parent, *(one.parent for one in new)):
                _sync(place)

    def write(self, name: str, content: str | bytes, *, durable: bool = False) -> None:
        """Write a file."""
        data = content.encode() if isinstance(content, str) else content
        with self.writing(name, durable=durable) as part:
            fill(part, data)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless it is there, and return whether it was written.

        Of several processes one writes it.
        """
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _make_file(path)
        except FileExistsError:
            return False
        try:
            fill(path, content)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return True

    def append(self, name: str, content: bytes) -> None:
        """Add to the end of a file, which need not be there."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(content)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty folder for a while, from which files and folders can be moved here."""
        part = self._part(self.root, Path.mkdir)
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)
            self._leave(part.parent)

    # Moving and removing

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def move(self, name: str, to: str) -> None:
        """Give a file another name."""
        target = self.root / to
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).replace(target)

    def take(self, name: str) -> bytes | None:
        """Remove a file and return what was in it: of several who take it one gets it."""
        with self.scratch() as aside, suppress(FileNotFoundError):
            taken = (self.root / name).rename(aside / "taken")
            return taken.read_bytes()
        return None

    # Time

    def touch(self, name: str) -> None:
        """Say that a file is in use now."""
        os.utime(self.root / name)

    def use(self, name: str) -> None:
        """Say that a file was read, where that costs next to nothing."""
        self.touch(name)

    def age(self, name: str) -> float:
        """Return how many seconds ago a file was written or touched, by the folder's own clock.

        By this machine's where the folder cannot be written.
        """
        now = time.time()
        with suppress(OSError), self.scratch() as new:
            now = new.stat().st_mtime
        return max(0.0, now - (self.root / name).lstat().st_mtime)

    def _regular(self, name: str) -> Path:
        path = self.root / name
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EINVAL, "it is a link or no file", str(path))
        return path

    def _part(self, place: Path, make: Callable[[Path], None]) -> Path:
        """Make something for what is to be moved to a place."""
        self.root.mkdir(parents=True, exist_ok=True)
        # Moving works within one file system.
        same = place.stat().st_dev == self.root.stat().st_dev
        home = (self.root if same else place) / PARTS
        if home not in self._swept:
            sweep(home)
            self._swept.add(home)
        for more in reversed(range(100)):
            try:
                home.mkdir(exist_ok=True)
                part = home / f"{me()}+{next(_NUMBERS)}.part"
                make(part)
                return part
            except (FileNotFoundError, FileExistsError):  # removed by another process that left it
                if not more:
                    raise
            except OSError:  # a full disk may take a folder and no file in it
                self._leave(home)
                raise
        raise AssertionError

    def _leave(self, home: Path) -> None:
        if self._tidy:
            with suppress(OSError):  # others are in it
                home.rmdir()


def fill(path: Path, content: bytes) -> None:
    """Write an empty file; one that is cut to nothing first goes to the disk when it is closed."""
    with path.open("r+b") as file:
        file.write(content)


def sweep(home: Path) -> None:
    """Remove what processes that died have left among the parts of a folder."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(home.iterdir()):
            with suppress(OSError):
                owner = Owner.parse(path.name)
                if owner is None or owner.is_alive:
                    continue
                if owner.is_alive is None and time.time() - path.lstat().st_mtime < _DAY:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _make_file(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))


def _sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NO_SYNC):  # some systems sync no folders
            raise
