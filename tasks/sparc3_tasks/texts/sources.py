"""Sources: a text by its name, as one running text or as documents."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sparc3_bench import Asset, Sparc3Error, fetch
from sparc3_tasks.texts.table import Texts
from sparc3_tasks.texts.tables import open_table, plain_text

_FOLDER = "exllamav3/conversion/standard_cal_data"

_NAMED = {
    "c4": (
        Asset(
            "exllamav3",
            "1.6.5",
            f"{_FOLDER}/c4.utf8",
            "2daf1ef16e02dbd337f86296acd4c3f2eb703800ad21fd1f48b40280c699cd41",
        ),
        "C4 excerpt (c4.utf8 of exllamav3 1.6.5)",
    ),
    "wikipedia": (
        Asset(
            "exllamav3",
            "1.6.5",
            f"{_FOLDER}/wiki.utf8",
            "d53fe0aeadf3355eb5d32b48bf8691575244c31caccae88ed46be8e1b40209c7",
        ),
        "Wikipedia articles, not WikiText-2 (wiki.utf8 of exllamav3 1.6.5)",
    ),
}
"""Texts known by name. Any other name is that of a table; see `open_table`."""

_COLUMNS = ("text", "prompt")
"""Where a table has its texts unless a column is named."""


@dataclass(frozen=True)
class Text:
    """A text with where it comes from, and how many rows of that had none."""

    source: str
    content: str
    left_out: int = 0

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True)
class Documents:
    """A text in parts that do not belong together, with where it comes from."""

    source: str
    rows: Sequence[str]
    left_out: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of all rows, each behind its length."""
        digest = hashlib.sha256()
        for row in self.rows:
            content = row.encode()
            digest.update(f"{len(content)} ".encode() + content)
        return digest.hexdigest()


def read_text(name: str, cache: Path) -> Text:
    """Return the text called `name`: a known one, a plain file, or the rows of a table in order."""
    found = _plain(name, cache)
    if found is None:
        rows = _rows(name)
        found = Text(source_name(name), "\n\n".join(rows.rows), rows.left_out)
    if not found.content.strip():
        raise Sparc3Error(f"The text {name} is empty; give a text with at least one window.")
    return found


def read_documents(name: str, cache: Path) -> Documents:
    """Return the rows of a table, or the lines of any other text."""
    if (text := _plain(name, cache)) is not None:
        return Documents(text.source, text.content.splitlines())
    rows = _rows(name)
    return Documents(source_name(name), rows.rows, rows.left_out)


def left_out(source: str, count: int) -> tuple[str, ...]:
    """Return the sentence for `count` rows that were left out, as they had no text, if any."""
    told = f"Rows of {source} that have no text and were left out: {count:,}."
    return (told,) if count else ()


def check_there(name: str, known: Sequence[str], what: str) -> None:
    """Refuse a name that is neither a known one, a file or folder, nor of a data set."""
    if not name.startswith("hf:") and not Path(name).exists():
        raise Sparc3Error(
            f"The {what} '{name}' is not one of {', '.join(known)}, no local file or folder, and "
            "does not start with 'hf:'; give one of these."
        )


def _plain(name: str, cache: Path) -> Text | None:
    """Return a known text or that of a plain file, None for a table."""
    if name in _NAMED:
        asset, source = _NAMED[name]
        return Text(source, _without_tags(fetch(asset, cache).read_text(encoding="utf-8")))
    check_there(name, list(_NAMED), "text")
    content = plain_text(name)
    return None if content is None else Text(source_name(name), content)


def _rows(name: str) -> Texts:
    table, column = open_table(name, "test")
    return table.texts(table.choose(column, _COLUMNS))


def source_name(name: str) -> str:
    """Return the name of a table for a record, without the folders above a local one."""
    if name.startswith("hf:"):
        return name.removeprefix("hf:")
    return Path(name).name or Path(name).resolve().name


def _without_tags(text: str) -> str:
    return re.sub(r"</?doc\b[^>]*>\n?", "", text)
