"""Header: what a safetensors file says of its tensors, checked before any is read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from sparc3_bench.errors import ModelError

_MOST_HEADER = 100_000_000
"""Bytes; the same limit that safetensors itself has."""

_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Bits of a number, by format."""


def damaged(path: Path, model_id: str, wrong: str, article: str = "") -> ModelError:
    """Return what to say of a file of a model, given what is wrong with it."""
    return ModelError(f"{article}{path.name} of {model_id} {wrong}; download it again.")


def read_header(path: Path, model_id: str) -> dict[str, str]:
    """Return the number format of every tensor of a safetensors file, by name, e.g. ``"BF16"``.

    Raises ModelError when the file is cut short or something else, or its tensors do not fill it
    exactly.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= _MOST_HEADER:
            raise damaged(path, model_id, "is no safetensors file")
        if 8 + length > size:
            raise damaged(path, model_id, f"is cut short, after {size:,} bytes in its header")
        try:
            found = dict(json.loads(file.read(length)))
            found.pop("__metadata__", None)
            tensors = sorted((*_span(about), name, about) for name, about in found.items())
        except (ValueError, KeyError, TypeError, RecursionError):
            raise damaged(path, model_id, "is no safetensors file") from None
    whole = 8 + length + max((end for _, end, *_ in tensors), default=0)
    if size < whole:
        raise damaged(path, model_id, f"is cut short, after {size:,} bytes of {whole:,}")
    if size > whole:
        raise damaged(path, model_id, f"has {size:,} bytes and its header tells of {whole:,}")
    last = 0
    for start, end, name, about in tensors:
        if start != last:
            where = "inside the tensor before it" if start < last else "behind a gap"
            raise damaged(path, model_id, f"is damaged, as its tensor `{name}` begins {where}")
        bits = _BITS.get(about["dtype"])
        if bits is None:
            raise damaged(
                path,
                model_id,
                f"has the tensor `{name}` in the format '{about['dtype']}', which is not known",
            )
        if (end - start) * 8 != (needed := bits * math.prod(about["shape"])):
            raise damaged(
                path,
                model_id,
                f"is damaged, as its tensor `{name}` has {end - start:,} bytes and by its shape "
                f"{-(-needed // 8):,}",
            )
        last = end
    return {name: about["dtype"] for *_, name, about in tensors}


def _span(about: dict[str, Any]) -> tuple[int, int]:
    """Return where a tensor begins and ends, behind the header."""
    start, end = about["data_offsets"]
    numbers = [start, end, *about["shape"]]
    if not all(type(number) is int and number >= 0 for number in numbers) or end < start:
        raise ValueError("no offsets")
    if not isinstance(about["dtype"], str):
        raise TypeError("no format")
    return start, end
