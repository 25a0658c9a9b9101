"""Store: values of steps on disk, whole or absent, each with what it cost."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter

from sparc3_bench.graph.tensors import header, load_tensors, save_tensors
from sparc3_bench.record.files import write_atomically
from sparc3_bench.record.parts import Phase

if TYPE_CHECKING:
    from torch import Tensor

_KEY, _COST, _SAME = "key", "cost", "same_as"


class Codec(Protocol):
    """How a value becomes a file. Both raise `ValueError`, `KeyError` or `OSError` when damaged."""

    @property
    def suffix(self) -> str:
        """Of the file."""

    def write(self, path: Path, value: Any, about: Mapping[str, Any]) -> None:
        """Write a value with what is said about it, whole or not at all."""

    def about(self, path: Path) -> dict[str, Any]:
        """Return what was said about a value."""

    def read(self, path: Path) -> tuple[Any, dict[str, Any]]:
        """Return a value, and what was said about it."""


class AsJson:
    """A value that a pydantic model, or any type that pydantic knows, describes.

    Parameters
    ----------
    kind
        The type.
    """

    suffix = ".json"

    def __init__(self, kind: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def write(self, path: Path, value: Any, about: Mapping[str, Any]) -> None:
        """Write the value beside what is said about it."""
        whole = {**about, "value": self._adapter.dump_python(value, mode="json")}
        # Samples need not be finite: what is made of them says which metric cannot be.
        write_atomically(path, json.dumps(whole) + "\n")

    def about(self, path: Path) -> dict[str, Any]:
        """Return what was said about a value."""
        return self.read(path)[1]

    def read(self, path: Path) -> tuple[Any, dict[str, Any]]:
        """Return the value, checked, and what was said about it."""
        about = json.loads(path.read_text(encoding="utf-8"))
        return self._adapter.validate_python(about.pop("value"), strict=False), about


class AsTensors:
    """A value that is made of tensors by name.

    Parameters
    ----------
    to_tensors, from_tensors
        From the value to contiguous tensors of their own memory, and back.
    """

    suffix = ".safetensors"

    def __init__(
        self,
        to_tensors: Callable[[Any], Mapping[str, Tensor]],
        from_tensors: Callable[[dict[str, Tensor]], Any],
    ) -> None:
        self._to, self._from = to_tensors, from_tensors

    def write(self, path: Path, value: Any, about: Mapping[str, Any]) -> None:
        """Write the tensors, with what is said about them in the header."""
        save_tensors(self._to(value), path, about)

    def about(self, path: Path) -> dict[str, Any]:
        """Return what the header says."""
        return header(path)

    def read(self, path: Path) -> tuple[Any, dict[str, Any]]:
        """Return the value, and what the header says."""
        tensors, about = load_tensors(path)
        return self._from(tensors), about


@dataclass(frozen=True)
class Kept:
    """A value that is kept.

    Attributes
    ----------
    value
        What it is.
    cost
        What making it cost, whoever did.
    name
        The key under which it lies; empty where it is not kept.
    """

    value: Any
    cost: Phase
    name: str = ""


class Store:
    """Values by kind and key in one folder, for any number of processes.

    Of two that write the same value the first stays. What is damaged counts as absent.

    Parameters
    ----------
    root
        The folder; made when it is written to.
    limit
        How many bytes the tensors may take: those not used for longest go first, the newest stays.
    """

    def __init__(self, root: Path, limit: float = float("inf")) -> None:
        self.root, self._limit = root, limit

    def read(self, kind: str, key: str, codec: Codec) -> Kept | None:
        """Return what is kept under a key, or under the one that it is the same as."""
        return self._found(kind, key, codec, codec.read)

    def header(self, kind: str, key: str, codec: Codec) -> Kept | None:
        """Return what is kept without its value; None where it is not there."""
        return self._found(kind, key, codec, lambda path: (None, codec.about(path)))

    def write(self, kind: str, key: str, codec: Codec, entry: Kept) -> None:
        """Keep a value with its cost."""
        if self.header(kind, key, codec) is not None:
            return  # another process was first
        path = self.path(kind, key, codec.suffix)
        about = {_KEY: key, _COST: entry.cost.model_dump(mode="json")}
        codec.write(path, entry.value, about)
        if isinstance(codec, AsTensors):
            self._make_room()

    def link(self, kind: str, key: str, other: str) -> None:
        """Say that what has one name is what is kept under another."""
        if key != other:
            write_atomically(self.path(kind, key, ".link"), json.dumps({_KEY: key, _SAME: other}))

    def path(self, kind: str, key: str, suffix: str) -> Path:
        """Return where a value lies."""
        return self.root / kind / key[:2] / f"{key}{suffix}"

    def _found(
        self,
        kind: str,
        key: str,
        codec: Codec,
        read: Callable[[Path], tuple[Any, dict[str, Any]]],
    ) -> Kept | None:
        link = self.path(kind, key, ".link")
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(link.read_text(encoding="utf-8"))
            key = told[_SAME] if told[_KEY] == key else key
        path = self.path(kind, key, codec.suffix)
        try:
            value, about = read(path)
            if about[_KEY] != key:
                return None
            if isinstance(codec, AsTensors):
                os.utime(path)
            return Kept(value, Phase.model_validate(about[_COST]), key)
        except (OSError, KeyError, ValueError, TypeError):
            return None

    def _make_room(self) -> None:
        sizes = []
        for file in self.root.glob("*/*/*.safetensors"):
            with contextlib.suppress(FileNotFoundError):  # removed by another run
                seen = file.stat()
                sizes.append((seen.st_mtime_ns, seen.st_size, file))
        whole = sum(size for _, size, _ in sizes)
        for _, size, file in sorted(sizes)[:-1]:
            if whole <= self._limit:
                return
            file.unlink(missing_ok=True)
            whole -= size
