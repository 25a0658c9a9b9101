"""Store: values of steps in a folder, whole or absent, each proved, with what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sparc3_bench.assets import tell
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.folder.remote import folder_at
from sparc3_bench.graph.codec import AsJson, AsLazyTensors, AsTensors, Codec
from sparc3_bench.graph.lease import Lease, bury_dead, lease
from sparc3_bench.graph.room import Room
from sparc3_bench.graph.seal import sealed, unsealed
from sparc3_bench.record.parts import Phase

T = TypeVar("T")

_KIND, _KEY, _COST, _SAME = "kind", "key", "cost", "same_as"
_DAMAGED, _MOST_DAMAGED = "damaged", 8
_HARM = (ValueError, LookupError, TypeError, AttributeError)
"""What reading raises where a file is not what was written."""
_told = set[str]()
"""What this process has said."""


@dataclass(frozen=True)
class Kept:
    """A value that is kept."""

    value: Any
    """What it is."""
    cost: Phase
    """What making it cost, whoever did."""
    name: str = ""
    """The key under which it lies; empty where it is not kept."""


class Store:
    """Values by kind and key in one folder, for any number of processes.

    Of two that write the same value the first stays. What is read was written: anything else is set
    aside, told, and counts as absent. What cannot be written is told once, and goes on in memory.

    The tensors may take so many bytes: those not used for longest go first, the newest stays. What
    is wrong, and for whom it is waited, is said in one sentence.
    """

    def __init__(
        self,
        root: str | Path,
        limit: float = float("inf"),
        say: Callable[[str], None] = tell,
    ) -> None:
        self.folder, self._say = folder_at(root), say
        self.written: list[str] = []
        """Names of what this process wrote, in order; who wants to know of a while clears it."""
        self.waited: Callable[[float], None] = lambda seconds: None
        """Told by and by of the seconds that were spent waiting for other processes."""
        self._room = Room(self.folder, limit, ("", AsTensors.suffix), (_DAMAGED, AsJson.suffix))
        self._unwritten: dict[str, Kept] = {}
        self._leased = False

    def read(self, kind: str, key: str, codec: Codec) -> Kept | None:
        """Return what is kept under a key, or under the one that it is the same as."""

        def value(name: str) -> tuple[Any, dict[str, Any]]:
            with self.folder.reading(name) as path:
                found = codec.read(path)
            if isinstance(codec, AsTensors):
                with suppress(OSError):  # a cache that is only read
                    self.folder.use(name)
            return found

        return self._found(kind, key, codec, value)

    def header(self, kind: str, key: str, codec: Codec) -> Kept | None:
        """Return what is kept without its value; None where it is not there."""

        def about(name: str) -> tuple[None, dict[str, Any]]:
            with self.folder.open(name) as file:
                return None, codec.about(file)

        return self._found(kind, key, codec, about)

    def write(self, kind: str, key: str, codec: Codec, entry: Kept) -> None:
        """Keep a value with its cost."""
        name = self.name(kind, key, codec.suffix)
        about = {_KIND: kind, _KEY: key, _COST: entry.cost.model_dump(mode="json")}
        try:
            if self.folder.has(name):
                return  # another process was first
            self.written.append(name)
            with self.folder.writing(name) as path:
                codec.write(path, entry.value, about)
                size = path.stat().st_size
            if isinstance(codec, AsTensors):
                self._room.fill(size)
        except OSError as error:
            if isinstance(codec, AsLazyTensors):
                raise Sparc3Error(
                    f"The cache {self.folder} cannot be written ({_reason(error)}), and what is "
                    "larger than the memory is kept nowhere else; make room there, or name "
                    "another folder with `--cache`."
                ) from None
            self._tell_unwritten(error)
            if isinstance(codec, AsJson):  # small
                self._unwritten[name] = Kept(entry.value, entry.cost, key)

    def link(self, kind: str, key: str, other: str) -> None:
        """Say that what has one name is what is kept under another."""
        if key != other:
            name = self.name(kind, key, ".link")
            try:
                self.written.append(name)
                self.folder.write(name, sealed({_KIND: kind, _KEY: key, _SAME: other}))
            except OSError as error:
                self._tell_unwritten(error)

    def append(self, kind: str, key: str, told: Mapping[str, Any]) -> None:
        """Add a line to a file of such lines."""
        name = self.name(kind, key, ".jsonl")
        try:
            self.written.append(name)
            # Begun on a new line, as the one before may have been cut off.
            self.folder.append(name, b"\n" + sealed(told))
        except OSError as error:
            self._tell_unwritten(error)

    def lines(self, kind: str, key: str) -> Iterator[dict[str, Any]]:
        """Yield the lines that were added, but for damaged ones."""
        name = self.name(kind, key, ".jsonl")
        content = self._proved(name, lambda: self.folder.read(name))
        for line in (content or b"").split(b"\n"):
            with suppress(ValueError):  # an empty line, or one that was cut off
                yield unsealed(line)

    def name(self, kind: str, key: str, suffix: str) -> str:
        """Return under which name a value lies in the folder."""
        return f"{kind}/{key[:2]}/{key}{suffix}"

    def forget(self, names: Iterable[str]) -> None:
        """Remove what was written under these names; what stays is an `OSError`."""
        for name in dict.fromkeys(names):
            self._unwritten.pop(name, None)
            self.folder.remove(name)

    def lease(self, kind: str, key: str, label: str = "", *, wait: bool = True) -> Lease | None:
        """Take the right to make something, as a context, before other processes; see `lease`."""
        try:
            if not self._leased:
                self._leased = True
                bury_dead(self.folder)
            return lease(self.folder, kind, key, label, wait, self._say, self.waited)
        except OSError as error:
            self._tell_unwritten(error)
            return Lease()

    def _found(
        self,
        kind: str,
        key: str,
        codec: Codec,
        read: Callable[[str], tuple[Any, dict[str, Any]]],
    ) -> Kept | None:
        link = self.name(kind, key, ".link")
        key = self._proved(link, lambda: self._same(link, kind, key)) or key
        name = self.name(kind, key, codec.suffix)

        def kept() -> Kept:
            value, about = read(name)
            _check_name(about, kind, key)
            return Kept(value, Phase.model_validate(about[_COST]), key)

        return self._proved(name, kept) or self._unwritten.get(name)

    def _same(self, link: str, kind: str, key: str) -> str:
        told = unsealed(self.folder.read(link))
        _check_name(told, kind, key)
        return str(told[_SAME])

    def _proved(self, name: str, read: Callable[[], T]) -> T | None:
        """Return what is read; None where it is absent, or not what was written."""
        try:
            return read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._tell(f"{name} in the cache cannot be read ({_reason(error)}).")
        except _HARM as error:
            self._set_aside(name)
            self._tell(
                f"{name} in the cache is damaged ({_reason(error)}); it is set aside in "
                f"{self.folder}/{_DAMAGED} and made again."
            )
        return None

    def _set_aside(self, name: str) -> None:
        aside = f"{_DAMAGED}/{name.replace('/', '-')}"
        with suppress(OSError):  # a cache that is only read
            self.folder.move(name, aside)
            self.folder.touch(aside)
            every = sorted(self.folder.files(_DAMAGED), key=lambda file: file.modified)
            for file in every[:-_MOST_DAMAGED]:
                self.folder.remove(file.name)

    def _tell_unwritten(self, error: OSError) -> None:
        self._tell(
            f"The cache {self.folder} cannot be written ({_reason(error)}); what is made goes on "
            "in memory, and later runs make it again.",
            once="unwritten",
        )

    def _tell(self, text: str, once: str = "") -> None:
        if (once or text) not in _told:
            _told.add(once or text)
            self._say(text)


def _check_name(about: Mapping[str, Any], kind: str, key: str) -> None:
    if (about[_KIND], about[_KEY]) != (kind, key):
        raise ValueError("it is of another name")


def _reason(error: Exception) -> str:
    told = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return f"{told}"[:200]
