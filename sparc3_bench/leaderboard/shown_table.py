"""Tables as a notebook shows them, and as text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sparc3_bench.comparison.phrasing import markdown_table
from sparc3_bench.leaderboard.templating import templates


@dataclass(frozen=True)
class ShownTable:
    """A table that displays itself.

    Attributes
    ----------
    title, note
        What stands above and below it.
    head, rows
        Its cells; the first column is flush left, the others right.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __str__(self) -> str:
        parts = [self.title, markdown_table(self.head, self.rows), self.note]
        return "\n\n".join(filter(None, parts))

    def text(self, width: int) -> str:
        """Return it for a terminal of so many columns."""
        from rich.console import Console
        from rich.table import Table

        file = io.StringIO()
        console = Console(
            file=file, width=width, color_system=None, markup=False, highlight=False, emoji=False
        )
        table = Table(box=None, pad_edge=False)
        for index, cell in enumerate(self.head):
            table.add_column(cell, justify="right" if index else "left")
        for row in self.rows:
            table.add_row(*row)
        console.print(f"\n{self.title}" if self.title else "")
        console.print(table)
        if self.note:
            console.print(self.note)
        return "\n".join(line.rstrip() for line in file.getvalue().splitlines())

    def html(self) -> str:
        """Return it as HTML, all text escaped."""
        return html_of([self])


def text_of(tables: Iterable[ShownTable]) -> str:
    """Return tables as text, one below the other."""
    return "\n\n".join(map(str, tables))


def html_of(tables: Iterable[ShownTable]) -> str:
    """Return tables as HTML."""
    return templates().get_template("notebook.html").render(tables=tables)
