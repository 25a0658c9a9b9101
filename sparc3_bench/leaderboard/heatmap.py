"""heatmap: a matrix of numbers as an SVG drawing, for the page or as a file of its own."""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from sparc3_bench.leaderboard.phrasing import number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Row = Sequence[float | None]

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, even escaped."""

_LETTER = 6.4
"""Width of a letter, about."""

_HEIGHT = 14
"""Height of a cell."""


def heatmap(
    matrix: Sequence[Row],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    title: str,
    legend: str,
    *,
    description: str = "",
    row_title: str = "",
    column_title: str = "",
    top: float | None = None,
    ticks: Sequence[tuple[float, str]] | None = None,
    texts: Sequence[Sequence[str]] | None = None,
    form: Callable[[float], str] = number,
    name: str = "heatmap",
    standalone: bool = False,
) -> str:
    """Return the drawing of a matrix: the darker a cell, the larger its number.

    Parameters
    ----------
    matrix
        Numbers from 0 upwards, or None where there is none: that cell is crossed out.
    row_labels, column_labels
        One a row, one a column.
    title
        What is shown, in a line.
    legend
        What the numbers are, e.g. "share kept".
    description
        The drawing in words, for those who cannot see it; made from the numbers when empty.
    row_title, column_title
        What the rows and columns are.
    top
        The number drawn darkest; the largest one when None.
    ticks
        The legend's numbers, each with its text; five from 0 to `top` when None.
    texts
        What pointing at each cell says beside its row and column; its number when None.
    form
        Writes a number.
    name
        Start of the ids in the drawing; unlike any other of a page.
    standalone
        Whether the drawing is a file of its own: with a namespace, a background, a visible title
        and colours for light and dark.

    Raises
    ------
    ValueError
        When labels or texts do not fit the matrix.
    """
    sizes = {len(row) for row in matrix}
    if len(row_labels) != len(matrix) or sizes - {len(column_labels)}:
        raise ValueError(
            f"`matrix` must have {len(row_labels)} rows of {len(column_labels)} numbers, one for "
            "each label."
        )
    found = [value for row in matrix for value in row if value is not None]
    largest = max(found, default=0.0) if top is None else top
    said = texts or [["no value" if v is None else form(v) for v in row] for row in matrix]
    if [len(row) for row in said] != [len(row) for row in matrix]:
        raise ValueError("`texts` must have the shape of `matrix`.")
    if ticks is None:
        ticks = [(largest * i / 4, form(largest * i / 4)) for i in range(5)] if largest else []

    # Where things go: titles, column labels, the grid beside its row labels, the legend.
    longest = max(map(len, column_labels), default=0)
    wide = max(18, min(40 if len(column_labels) > 2 else 100, 240 // max(1, len(column_labels))))
    turned = longest * _LETTER > wide - 2
    left = 10 + round(_LETTER * max(map(len, (*row_labels, row_title)), default=0))
    top_edge = 6 + (22 if standalone else 0) + (16 if column_title else 0)
    top_edge += round(longest * _LETTER * 0.72) + 12 if turned else 16
    floor = top_edge + _HEIGHT * len(matrix)
    inner = left + wide * len(column_labels)
    ends = [
        left + wide * (index + 0.5) + len(label) * _LETTER * 0.72
        for index, label in enumerate(column_labels)
        if turned
    ]
    width = max(inner, 240, round(8 + 7.5 * len(title)) if standalone else 0, *map(round, ends)) + 8
    keys: list[tuple[float, int, str, float | None]] = []
    x, y = float(left), floor + 40
    for value, text in ticks:  # a swatch and a text for each, in as many lines as it takes
        needed = 26 + _LETTER * len(text)
        if x > left and x + needed > width:
            x, y = float(left), y + 18
        keys.append((round(x, 1), y, text, _share(value, largest)))
        x += needed + 8
    drawing = _template().render(
        name=name,
        title=title,
        description=description or _described(matrix, row_labels, column_labels, form),
        standalone=standalone,
        row_labels=row_labels,
        column_labels=column_labels,
        row_title=row_title,
        column_title=column_title,
        legend=legend,
        keys=keys,
        shares=[[_share(value, largest) for value in row] for row in matrix],
        texts=said,
        turned=turned,
        cell_width=wide,
        cell_height=_HEIGHT,
        left=left,
        top=top_edge,
        inner=inner,
        floor=floor,
        width=width,
        height=y + 8,
    )
    return f"{drawing}\n" if standalone else drawing


@cache
def _template() -> jinja2.Template:
    """Return the drawing; whatever is text in it goes through `xml`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(
        xml=lambda text: html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)),
        single_spaced=lambda text: re.sub(" +", " ", text).strip(),
    )
    return environment.get_template("heatmap.svg")


def _share(value: float | None, top: float) -> float | None:
    if value is None:
        return None
    return max(0.0, min(1.0, value / top)) if top > 0 else 0.0


def _described(
    matrix: Sequence[Row],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    form: Callable[[float], str],
) -> str:
    """Return the range of the numbers and where the largest is."""
    found = [value for row in matrix for value in row if value is not None]
    if not found:
        return "No values."
    top = max(found)
    row, column = next((i, line.index(top)) for i, line in enumerate(matrix) if top in line)
    return (
        f"{len(matrix)} rows and {len(column_labels)} columns, from {form(min(found))} to "
        f"{form(top)}; the largest in row {row_labels[row]}, column {column_labels[column]}."
    )
