"""Tokens of whole texts: each is tokenised once, and kept by digests of text and tokenizer."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from array import array
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sparc3_bench.folder.seen import Findings
from sparc3_tasks.texts.begin import plain

if TYPE_CHECKING:
    from sparc3_tasks.texts.sources import Text

_LONG = 100_000
"""Characters of a text that takes longer to tokenise than to read in tokens."""

_in_memory: WeakKeyDictionary[Any, dict[tuple[str, str], list[int]]] = WeakKeyDictionary()


def tokens_of(text: Text, tokenizer: Any, cache: Path) -> list[int]:
    """Return a text in tokens, with nothing before or after it; not to be changed."""
    known = _in_memory.setdefault(tokenizer, {})
    name = text.digest, _settings(tokenizer)
    if name not in known:
        known[name] = _from_disk(text, tokenizer, cache)
    return known[name]


def _from_disk(text: Text, tokenizer: Any, cache: Path) -> list[int]:
    whole = _whole(tokenizer) if len(text.content) >= _LONG else None
    if whole is None:
        return plain(tokenizer, text.content)
    about, seen = ["tokens", text.digest, whole], Findings(cache)
    if (kept := seen.get(about)) is not None:
        return array("I", base64.b64decode(kept)).tolist()
    found = plain(tokenizer, text.content)
    seen.put(about, base64.b64encode(array("I", found).tobytes()).decode(), {})
    return found


def _settings(tokenizer: Any) -> str:
    """Return what a tokenizer has changed of itself since it was opened, as far as it can."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    special = getattr(tokenizer, "split_special_tokens", None)
    parts = (len(tokenizer), special, *(getattr(backend, name, None) for name in _PARTS))
    return repr(parts)


_PARTS = ("normalizer", "pre_tokenizer", "truncation", "padding")
"""Of the library's tokenizer, what may be set anew."""


def _whole(tokenizer: Any) -> str | None:
    """Return a digest of all that a tokenizer does; None for one that cannot be written down."""
    with contextlib.suppress(AttributeError):
        told = tokenizer.backend_tokenizer.to_str()
        by = [type(tokenizer).__qualname__, version("transformers"), version("tokenizers")]
        return hashlib.sha256("\n".join([told, *by]).encode()).hexdigest()
    return None
