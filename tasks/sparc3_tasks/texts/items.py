"""Items: what is recorded of prompts or passages in tokens, and the digest of what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sparc3_bench import DatasetRecord
from sparc3_tasks.texts.begin import Beginning


def recorded(lengths: Sequence[int], begin: Beginning, **said: Any) -> DatasetRecord:
    """Describe items of any kind, given the tokens of each with the `begin` before it.

    `said` are the other fields of the record: ``digest`` and ``token_digest``, of what they are as
    text and as token ids, ``purpose``, ``source``, ``item``, ``choice``; ``windows``, how
    many there are, where an item has several lengths.
    """
    own = [length - len(begin.ids) for length in lengths]
    return DatasetRecord(
        window_length=max(own),
        tokens=sum(own),
        begin=begin.tokens,
        **{"windows": len(own), **said},
    )


def digest(value: object) -> str:
    """Return SHA-256 of JSON types."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
