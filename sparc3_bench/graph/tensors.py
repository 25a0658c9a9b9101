"""Tensors by name in a file, with what is said about them in its header, both sealed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sparc3_bench.graph.seal import sealed, tensor_digest, unsealed

_ABOUT, _DIGEST = "sparc3", "tensors"
_MOST = 100_000_000
"""Bytes in a header; safetensors reads no longer ones."""


def save_tensors(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, with `about` as JSON in the header.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    whole = {name: values.contiguous() for name, values in tensors.items()}
    told = sealed({**about, _DIGEST: tensor_digest(whole)})
    try:
        save_file(whole, path, metadata={_ABOUT: told.decode()})
    except SafetensorError as error:
        raise OSError(str(error)) from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors, and what was said about them when they were saved.

    Raises
    ------
    OSError, ValueError
        When the file is not there, or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = _told(file.metadata())
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    if about.pop(_DIGEST, None) != tensor_digest(tensors):
        raise ValueError("the digest of its tensors differs")
    return tensors, about


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
