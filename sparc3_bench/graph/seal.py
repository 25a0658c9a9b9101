"""Seals: digests by which what is read proves to be what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_BYTES = 16
_HEAD = len('{"digest": "", ') + 2 * _BYTES
_ROWS, _COLUMNS = 64, 128
_BLOCK = _ROWS * _COLUMNS * 8
_AT_ONCE = 16 * _BLOCK
"""Bytes: what stays in a processor's cache between its two sums."""


def sealed(told: Mapping[str, Any]) -> bytes:
    """Return JSON in one line that begins with the digest of all that follows it.

    Numbers in it need not be finite.
    """
    rest = json.dumps(told)[1:].encode()
    return _head(rest) + rest


def unsealed(content: bytes) -> dict[str, Any]:
    """Return what was sealed.

    Raises
    ------
    ValueError
        When a byte of it is another.
    """
    rest = content[_HEAD:]
    if content[:_HEAD] != _head(rest):
        raise ValueError("its digest differs")
    found: dict[str, Any] = json.loads(b"{" + rest)
    return found


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of names, types, shapes and all bytes of tensors: 32 hex digits.

    A cryptographic digest reads a gigabyte a second, memory gives ten. So blocks of 64 rows of 128
    words are added up, by row and by column, and the sums are digested: what changes a block and
    none of its sums must change four words or more, each by what another one is changed by.
    """
    from torch import uint8  # who only reads JSON needs no torch

    digest = hashlib.blake2b(digest_size=_BYTES)
    for name in sorted(tensors):
        one = tensors[name]
        digest.update(json.dumps([name, str(one.dtype), list(one.shape)]).encode())
        # By torch, as numpy has no bfloat16.
        flat = one.detach().cpu().contiguous().reshape(-1)
        for part in _summed(flat.view(uint8).numpy()):
            digest.update(part)
    return digest.hexdigest()


def _content(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from torch import uint8

    content: np.ndarray[Any, Any] = (
        tensor.detach().cpu().contiguous().reshape(-1).view(uint8).numpy()
    )
    return content


def _summed(content: np.ndarray[Any, np.dtype[np.uint8]]) -> Iterator[bytes]:
    whole = len(content) - len(content) % _BLOCK
    for start in range(0, whole, _AT_ONCE):
        part = content[start : min(start + _AT_ONCE, whole)].view(np.int64)
        blocks = part.reshape(-1, _ROWS, _COLUMNS)
        # Sums of whole numbers go round where they are too large: no bit of them is lost.
        yield blocks.sum(axis=1).tobytes()
        yield blocks.sum(axis=2).tobytes()
    yield content[whole:].tobytes()


def _head(rest: bytes) -> bytes:
    return b'{"digest": "%s", ' % hashlib.blake2b(rest, digest_size=_BYTES).hexdigest().encode()
