"""Seals: digests by which what is read proves to be what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_DIGITS = 32
_HEAD = len('{"digest": "", ') + _DIGITS
_PAGE = 4096
"""Bytes: what a disk or a file system reads, loses or mistakes at once."""


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
    takes six times as long as the copy that whoever reads it makes, this a third of it. The words
    of every page are added up, and the sums are digested in order. So no page can be lost, zeroed
    or in another's place, and no bit flip alone; two may, at one place of two words of one page.
    """
    from torch import uint8  # who only reads JSON needs no torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        one = tensors[name]
        digest.update(json.dumps([name, str(one.dtype), list(one.shape)]).encode())
        # By torch, as numpy has no bfloat16.
        content = one.detach().cpu().contiguous().reshape(-1).view(uint8).numpy()
        whole = len(content) - len(content) % _PAGE
        words = content[:whole].view(np.int64).reshape(-1, _PAGE // 8)
        # Sums of whole numbers go round where they are too large: no bit of them is lost.
        digest.update(words.sum(axis=1).tobytes())
        digest.update(content[whole:].tobytes())
    return digest.hexdigest()[:_DIGITS]


def _head(rest: bytes) -> bytes:
    return b'{"digest": "%s", ' % hashlib.sha256(rest).hexdigest()[:_DIGITS].encode()
