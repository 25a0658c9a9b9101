"""Blocks of documents that are made of results, each between a mark that names it and its end.

A block is a table, or sentences; `tests/renew.py` writes them all anew, a test compares them.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

Makers = Mapping[str, Callable[[], str]]

_MARK = r"<!-- made: ([\w -]+?) -->"
_BLOCK = re.compile(rf"^{_MARK}\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def paragraph(*sentences: str) -> str:
    """Return sentences in lines of a document, those that are empty left out."""
    return _filled(" ".join(filter(None, sentences)), "")


def bullets(sentences: Iterable[str]) -> str:
    """Return a list, a sentence an item."""
    return "\n".join(_filled(sentence, "- ") for sentence in sentences)


def renewed(text: str, makers: Makers) -> str:
    """Return a document with its blocks made anew; it must have each of them, and no others."""
    named = re.findall(rf"^{_MARK}$", text, re.MULTILINE)
    assert sorted(named) == sorted(makers), set(named) ^ set(makers)
    return _BLOCK.sub(
        lambda found: f"<!-- made: {found[1]} -->\n{makers[found[1]]()}\n<!-- end -->", text
    )


def without(text: str) -> str:
    """Return what of a document is not made of results."""
    return _BLOCK.sub("", text)


def _filled(text: str, first: str) -> str:
    return textwrap.fill(
        text,
        100,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
