"""heatmap: a matrix of numbers as an SVG drawing, for the page or as a file of its own."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.phrasing import number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Row = Sequence[float | None]

_CELLS = '<g class="cells" fill="#0067a8" stroke="currentColor" stroke-opacity=".15">'

_STYLE = (
    "<style>.heat{color:#1b1d22}.heat .cells{fill:#0067a8}.heat .paper{fill:#fff}"
    "@media(prefers-color-scheme:dark){.heat{color:#e7e9ed}.heat .cells{fill:#62b5ee}"
    ".heat .paper{fill:#15171b}}</style>"
)
"""For a drawing on its own. A viewer that knows no style sheets finds the colours of daylight."""

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
    keys, height = _legend(ticks, legend, largest, left, floor + 22, width)

    parts = [_opened(width, height, title, name, standalone)]
    parts.append(f'<desc id="{_safe(name)}-desc">')
    parts.append(_safe(description or _described(matrix, row_labels, column_labels, form)))
    parts.append("</desc>")
    if standalone:
        parts.append(_STYLE)
        parts.append(f'<rect class="paper" width="{width}" height="{height}" fill="#fff"/>')
        parts.append(f'<text x="4" y="17" font-size="13" font-weight="600">{_safe(title)}</text>')
    if column_title:
        above = 17 + (22 if standalone else 0)
        parts.append(f'<text x="{left}" y="{above}">{_safe(column_title)}</text>')
    if row_title:
        parts.append(_text(left - 6, top_edge - 5, row_title, "end"))
    for index, label in enumerate(column_labels):
        x = left + wide * index + wide / 2
        if turned:
            place = f'transform="translate({x + 3:g} {top_edge - 5}) rotate(-45)"'
            parts.append(f"<text {place}>{_safe(label)}</text>")
        else:
            parts.append(_text(x, top_edge - 5, label, "middle"))
    for index, label in enumerate(row_labels):
        parts.append(_text(left - 6, top_edge + _HEIGHT * index + 11, label, "end"))
    parts.append(_CELLS)
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            tip = f"{row_title} {row_labels[i]}, {column_title} {column_labels[j]}: {said[i][j]}"
            parts.append(
                _cell(
                    left + wide * j, top_edge + _HEIGHT * i, wide, _HEIGHT, _share(value, largest)
                )
                + f"<title>{_safe(re.sub(' +', ' ', tip).strip())}</title></path>"
            )
    parts.append("</g>")
    parts.append(
        f'<path class="frame" fill="none" stroke="currentColor" stroke-opacity=".35" '
        f'd="M{left} {top_edge}H{inner}V{floor}H{left}Z"/>'
    )
    return "\n".join((*parts, *keys, "</svg>")) + ("\n" if standalone else "")


def _opened(width: float, height: float, title: str, name: str, standalone: bool) -> str:
    space = ' xmlns="http://www.w3.org/2000/svg"' if standalone else ""
    ident = _safe(name)
    return (
        f'<svg{space} class="heat" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="{ident}-title {ident}-desc" '
        'font-family="system-ui, sans-serif" font-size="11" fill="currentColor">\n'
        f'<title id="{ident}-title">{_safe(title)}</title>'
    )


def _legend(
    ticks: Sequence[tuple[float, str]], legend: str, top: float, left: int, y: int, width: int
) -> tuple[list[str], int]:
    """Return a swatch and a text for every tick, in as many lines as it takes, and the height."""
    parts = [_text(left, y, legend, "start")]
    x, y = float(left), y + 18
    for value, text in ticks:
        needed = 26 + _LETTER * len(text)
        if x > left and x + needed > width:
            x, y = float(left), y + 18
        cell = _cell(round(x, 1), y - 10, 16, 12, _share(value, top))
        parts.append(f"{_CELLS}{cell}</path></g>")
        parts.append(_text(round(x, 1) + 20, y, text, "start"))
        x += needed + 8
    return parts, y + 8


def _cell(x: float, y: float, width: float, height: float, share: float | None) -> str:
    """Return an unclosed cell: filled as `share` says, or crossed out."""
    box = f"M{x:g} {y:g}h{width:g}v{height:g}h-{width:g}z"
    if share is None:
        cross = f"{box}m0 {height:g}l{width:g} -{height:g}"
        return f'<path d="{cross}" fill-opacity="0" stroke-opacity=".5">'
    return f'<path d="{box}" fill-opacity="{share:.2g}">'


def _share(value: float | None, top: float) -> float | None:
    if value is None:
        return None
    return max(0.0, min(1.0, value / top)) if top > 0 else 0.0


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    return html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))


def _described(
    matrix: Sequence[Row],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    form: Callable[[float], str],
) -> str:
    """Return the range of the numbers and where the largest is."""
    places = [
        (value, -i, -j)
        for i, row in enumerate(matrix)
        for j, value in enumerate(row)
        if value is not None
    ]
    if not places:
        return "No values."
    value, row, column = max(places)
    return (
        f"{len(matrix)} rows and {len(column_labels)} columns, from {form(min(places)[0])} to "
        f"{form(value)}; the largest in row {row_labels[-row]}, column {column_labels[-column]}."
    )
