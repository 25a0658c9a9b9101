"""Items: what is recorded of prompts or passages in tokens, and the digest of what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sparc3_bench import DatasetRecord
from sparc3_tasks.texts.begin import Beginning


def recorded(
    content: object, ids: object, lengths: Sequence[int], begin: Beginning, **said: Any
) -> DatasetRecord:
    """Describe items of any kind.

    Parameters
    ----------
    content, ids
        What they are as text and as token ids, as JSON types.
    lengths
        Tokens of each, the `begin` before it included, which is not counted.
    begin
        What stands before each.
    said
        Other fields of the record: ``purpose``, ``source``, ``item``, ``choice``.
    """
    own = [length - len(begin.ids) for length in lengths]
    return DatasetRecord(
        digest=_digest(content),
        token_digest=_digest(ids),
        windows=len(own),
        window_length=max(own),
        tokens=sum(own),
        begin=begin.tokens,
        **said,
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
