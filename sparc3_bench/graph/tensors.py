"""Tensors by name in a file, with what is said about them in its header, both sealed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.folder.spill import OpenFile
from sparc3_bench.graph.seal import sealed, tensor_digest, unsealed
from sparc3_bench.types.lazy import Lazy

_ABOUT, _DIGEST = "sparc3", "tensors"

_MOST = 100_000_000
"""Bytes in a header; safetensors reads no longer ones."""
_DTYPES = {"F32": torch.float32, "F64": torch.float64, "BF16": torch.bfloat16, "U8": torch.uint8}
"""Of tensors that are sealed apart."""


def on_host(name: str) -> str:
    """Return where a tensor is that nobody wants elsewhere."""
    return "cpu"


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, Any], *, apart: bool = False
) -> None:
    """Write tensors as safetensors, with `about` as JSON in the header.

    Sealed together, or `apart`, each by itself, for `open_tensors`.
    """
    whole = {name: values.contiguous() for name, values in tensors.items()}
    digest: Any = tensor_digest(whole)
    if apart:
        digest = {name: tensor_digest({name: values}) for name, values in whole.items()}
    told = sealed({**about, _DIGEST: digest})
    try:
        save_file(whole, path, metadata={_ABOUT: told.decode()})
    except SafetensorError as error:
        raise OSError(str(error)) from None


def load_tensors(
    path: Path, place: Callable[[str], str] = on_host
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors to the device of each, and what was said about them when they were saved."""
    try:
        with safe_open(path, framework="pt") as file:
            about = _told(file.metadata())
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    if about.pop(_DIGEST, None) != tensor_digest(tensors):
        raise ValueError("the digest of its tensors differs")
    return {name: values.to(place(name)) for name, values in tensors.items()}, about


def open_tensors(path: Path, place: Callable[[str], str] = on_host) -> tuple[Lazy, dict[str, Any]]:
    """Return tensors that were sealed apart, each read to its device and proved when asked for.

    The file stays open, and readable, for as long as they are in use. What is said about them and
    what is raised are as for `load_tensors`; a tensor that is damaged raises `Sparc3Error`.
    """
    file = OpenFile(os.open(path, os.O_RDONLY))
    size = int.from_bytes(os.pread(file.handle, 8, 0), "little")
    if size > _MOST:
        raise ValueError("its header is too long")
    told = json.loads(os.pread(file.handle, size, 8))
    about = _told(told.pop("__metadata__", None))
    digests = about.pop(_DIGEST)
    if digests.keys() != told.keys() or path.stat().st_size != 8 + size + max(
        (one["data_offsets"][1] for one in told.values()), default=0
    ):
        raise ValueError("its header tells of other tensors")

    def read(name: str) -> Tensor:
        one = told[name]
        start, stop = one["data_offsets"]
        found = torch.empty(stop - start, dtype=torch.uint8)
        file.read(found, 8 + size + start)
        values = found.view(_DTYPES[one["dtype"]]).view(one["shape"])
        if tensor_digest({name: values}) != digests[name]:
            raise Sparc3Error(f"The file {path} is damaged; remove it and run the command again.")
        return values.to(place(name))

    return Lazy(told, read), about


def header(file: BinaryIO) -> dict[str, Any]:
    """Return what was said about the tensors in a file; raises as `load_tensors`."""
    size = int.from_bytes(file.read(8), "little")
    if size > _MOST:
        raise ValueError("its header is too long")
    about = _told(json.loads(file.read(size)).get("__metadata__"))
    about.pop(_DIGEST, None)
    return about


def _told(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    return unsealed((metadata or {}).get(_ABOUT, "").encode())
