"""Parts of a report: headings, sentences, tables and commands, as text and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sparc3_bench.leaderboard.shown_table import ShownTable
from sparc3_bench.leaderboard.templating import templates
from sparc3_bench.printable import how_many

_WIDTH = 100
"""Columns of a terminal."""


@dataclass(frozen=True)
class ReportPart:
    """A part of a report, which every rendering shows in its own way."""

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[ShownTable, ...] = ()
    commands: tuple[str, ...] = ()  # lines to be typed
    # Whether it is for those who want more: folded on a page, left out of a terminal
    is_aside: bool = False


def as_text(title: str, parts: Sequence[ReportPart]) -> str:
    """Return parts for a terminal of 100 columns; of asides only how many rows they have."""
    return "\n".join([title, *(line for part in parts for line in _text(part)), ""])


def as_markdown(title: str, parts: Sequence[ReportPart]) -> str:
    """Return parts as Markdown."""
    return templates(is_page=False).get_template("report.md").render(title=title, parts=parts)


def _text(part: ReportPart) -> Iterator[str]:
    if part.is_aside:
        rows = sum(len(one.rows) for one in part.tables)
        yield f"\n{part.title}: {how_many(rows, 'row')}; Markdown, the page and --json have them."
        return
    yield f"\n{part.title}\n{'-' * min(len(part.title), _WIDTH)}"
    yield from (textwrap.fill(one, _WIDTH, subsequent_indent="  ") for one in part.sentences)
    yield from (one.text(_WIDTH) for one in part.tables)
    for command in part.commands:
        width = _WIDTH - 4
        lines = textwrap.wrap(command, width, break_long_words=False, break_on_hyphens=False)
        yield "\n" + " \\\n  ".join(lines)
