"""Codecs: how values become files, sealed with what is said about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import TypeAdapter

from sparc3_bench.folder.local import fill
from sparc3_bench.graph.seal import sealed, unsealed

if TYPE_CHECKING:
    from torch import Tensor


class AsJson:
    """A value of any type that pydantic knows."""

    suffix = ".json"

    def __init__(self, kind: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def write(self, path: Path, value: Any, about: Mapping[str, Any]) -> None:
        """Write the value beside what is said about it."""
        # Samples need not be finite: what is made of them says which metric cannot be.
        whole = {**about, "value": self._adapter.dump_python(value, mode="json")}
        fill(path, sealed(whole))

    def about(self, file: BinaryIO) -> dict[str, Any]:
        """Return what was said about a value."""
        return unsealed(file.read())

    def read(self, path: Path) -> tuple[Any, dict[str, Any]]:
        """Return the value, checked, and what was said about it."""
        about = unsealed(path.read_bytes())
        return self._adapter.validate_python(about.pop("value"), strict=False), about


class AsTensors:
    """A value that becomes contiguous tensors by name, and comes back.

    `place` tells on which device a tensor of a name comes back; by default the host.
    """

    suffix = ".safetensors"
    _apart = False
    """Whether each tensor is sealed by itself."""

    def __init__(
        self,
        to_tensors: Callable[[Any], Mapping[str, Tensor]],
        from_tensors: Callable[[Mapping[str, Tensor]], Any],
        place: Callable[[str], str] | None = None,
    ) -> None:
        self._to, self._from, self._place = to_tensors, from_tensors, place

    def write(self, path: Path, value: Any, about: Mapping[str, Any]) -> None:
        """Write the tensors, with what is said about them in the header."""
        from sparc3_bench.graph.tensors import save_tensors  # who only asks needs no torch

        save_tensors(self._to(value), path, about, apart=self._apart)

    def about(self, file: BinaryIO) -> dict[str, Any]:
        """Return what the header says."""
        from sparc3_bench.graph.tensors import header

        return header(file)

    def read(self, path: Path) -> tuple[Any, dict[str, Any]]:
        """Return the value, and what the header says."""
        from sparc3_bench.graph.tensors import load_tensors, open_tensors

        read = open_tensors if self._apart else load_tensors
        tensors, about = read(path, self._place) if self._place else read(path)
        return self._from(tensors), about


class AsLazyTensors(AsTensors):
    """The same for what is too large to be in memory together: tensors are read when asked for.

    It is kept in its file or not at all, and taken from there by whoever made it, too.
    """

    _apart = True


Codec = AsJson | AsTensors
"""How a value becomes a file, sealed. Who reads raises `ValueError` when it is damaged."""
