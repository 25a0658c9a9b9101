"""Tensors by name in a file, with what is said about them in its header."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, whole or not at all, with `about` as JSON in the header."""
    whole = {name: values.contiguous() for name, values in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / "part"
        save_file(whole, part, metadata={"sparc3": json.dumps(about, sort_keys=True)})
        part.replace(path)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors, and what was said about them when they were saved.

    Raises
    ------
    OSError, ValueError
        When the file is not there, or damaged.
    """
    return _read(path, with_tensors=True)


def header(path: Path) -> dict[str, Any]:
    """Return what was said about the tensors in a file; raises as `load_tensors`."""
    return _read(path, with_tensors=False)[1]


def _read(path: Path, *, with_tensors: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("sparc3", "{}"))
            # Not the file itself, which is no mapping.
            names = file.keys() if with_tensors else ()
            return {key: file.get_tensor(key) for key in names}, about
    except SafetensorError as error:
        raise ValueError(str(error)) from None
