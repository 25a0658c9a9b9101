"""Tables on a terminal: in parts, where it is narrower than they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

NOT_BETTER = "°"
"""Marks a number that is not better than those of random circuits."""
MATCHED = "random circuits with the same counts"


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: int = 1,
    title: str = "",
    *,
    is_list: bool = False,
) -> Sequence[str]:
    """Print a table; where it is wider than the terminal, in parts that all have its first column.

    So many of the first columns are flush `left`, the others right. Where there may be many rows
    (`is_list`), what does not fit in one part is left out, and those columns are returned.
    """
    from rich.table import Table
    from rich.text import Text

    out, cells = console(), list(rows)
    inside = [max([0, *(_width(row[at]) for row in cells)]) for at in range(len(columns))]
    widths = [*map(max, inside, map(len, columns))]
    parts = [[*range(len(columns))]]
    if _across(widths) > out.width:  # the head may be broken between words
        words = [max([0, *map(len, head.split())]) for head in columns]
        widths = [*map(max, inside, words)]
        parts = [[0]]
        for at in range(1, len(columns)):
            fits = _across([widths[n] for n in (*parts[-1], at)]) <= out.width
            if fits or len(parts[-1]) == 1:
                parts[-1].append(at)
            elif not is_list:
                parts.append([0, at])
    for number, part in enumerate(parts):
        made = Table(box=None, pad_edge=False, title_justify="left")
        made.title = Text(title) if title and not number else None
        for at in part:
            made.add_column(
                Text(columns[at]),
                justify="left" if at < left else "right",
                max_width=widths[at],
                overflow="fold",
            )
        for row in cells:
            made.add_row(*(Text(row[at]) for at in part))
        out.print(*([""] if number else []), made, sep="\n")
    return [column for at, column in enumerate(columns) if not any(at in part for part in parts)]


def _width(cell: str) -> int:
    return max(map(len, cell.split("\n")))


def _across(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def console() -> Console:
    """Return where tables are printed; in a file or a pipe there is no edge to break lines at."""
    from rich.console import Console

    made = Console(markup=False, highlight=False)
    if not made.is_terminal:
        made.width = 10_000
    return made
