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
    """Describe items: their texts and token ids (JSON), and the tokens of each with `begin`.

    The tokens of `begin` are not counted; `said` is what else the record has.
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
