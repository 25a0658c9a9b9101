"""Parts of a report: headings, sentences, tables and commands, as text and as Markdown."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.shown_table import ShownTable

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH = 100
"""Columns of a terminal."""


@dataclass(frozen=True)
class ReportPart:
    """A part of the report, which every rendering shows in its own way.

    Attributes
    ----------
    commands
        Lines to be typed.
    is_aside
        Whether it is for those who want more: folded on a page, left out of a terminal.
    """

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[ShownTable, ...] = ()
    commands: tuple[str, ...] = ()
    is_aside: bool = False


def as_text(title: str, parts: Sequence[ReportPart]) -> str:
    """Return parts for a terminal of 100 columns; of asides only how many rows they have."""
    from rich.console import Console

    file = io.StringIO()
    console = Console(
        file=file, width=_WIDTH, color_system=None, markup=False, highlight=False, emoji=False
    )
    console.print(title)
    for part in parts:
        if part.is_aside:
            rows = sum(len(one.rows) for one in part.tables)
            console.print(f"\n{part.title}: {rows} rows; Markdown, the page and --json have them.")
            continue
        console.print(f"\n{part.title}\n{'-' * min(len(part.title), _WIDTH)}")
        for sentence in part.sentences:
            console.print(textwrap.fill(sentence, _WIDTH, subsequent_indent="  "))
        for one in part.tables:
            _print_table(console, one)
        for command in part.commands:
            lines = textwrap.wrap(
                command, _WIDTH - 4, break_long_words=False, break_on_hyphens=False
            )
            console.print("\n" + " \\\n  ".join(lines), soft_wrap=True)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def as_markdown(title: str, parts: Sequence[ReportPart]) -> str:
    """Return parts as Markdown."""
    found = [f"# {title}"]
    for part in parts:
        found.append(f"## {part.title}")
        if part.sentences:
            found.append("\n".join(f"- {sentence}" for sentence in part.sentences))
        found += map(str, part.tables)
        found += [f"```\n{command}\n```" for command in part.commands]
    return "\n\n".join(found) + "\n"


def _print_table(console: Console, one: ShownTable) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for index, cell in enumerate(one.head):
        table.add_column(cell, justify="right" if index else "left")
    for row in one.rows:
        table.add_row(*row)
    console.print(f"\n{one.title}" if one.title else "")
    console.print(table)
    if one.note:
        console.print(one.note)
