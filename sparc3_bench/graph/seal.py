"""Seals: digests by which what is read proves to be what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_DIGITS = 32
_HEAD = len('{"digest": "", ') + _DIGITS


def sealed(told: Mapping[str, Any]) -> bytes:
    """Return JSON in one line that begins with the digest of all that follows it.

    Numbers in it need not be finite.
    """
    rest = json.dumps(told)[1:].encode()
    return _head(rest) + rest


def unsealed(content: bytes) -> dict[str, Any]:
    """Return what was sealed."""
    rest = content[_HEAD:]
    if content[:_HEAD] != _head(rest):
        raise ValueError("its digest differs")
    found: dict[str, Any] = json.loads(b"{" + rest)
    return found


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of names, types, shapes and all bytes of tensors: 32 hex digits.

    Harm comes from disks and memory here, not from enemies, so that speed counts: SHA-256 of all
    takes six times as long as the copy that whoever reads it makes, this a fraction of it.
    """
    # Who only reads JSON needs neither.
    import torch
    import xxhash

    digest = xxhash.xxh3_128()
    for name in sorted(tensors):
        one = tensors[name]
        digest.update(json.dumps([name, str(one.dtype), list(one.shape)]).encode())
        # By torch, as numpy has no bfloat16.
        plain = one.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(plain.numpy().data)
    return digest.hexdigest()


def _head(rest: bytes) -> bytes:
    return b'{"digest": "%s", ' % hashlib.sha256(rest).hexdigest()[:_DIGITS].encode()
