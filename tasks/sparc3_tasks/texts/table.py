"""Table: rows of cells, read column by column, with the place of every row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparc3_bench import Sparc3Error

FORM = "hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]"
"""What names a column. DATASET may be a folder or a file, too."""

MISSING = object()
"""What stands where a row does not have a column that others have."""

_KINDS: Mapping[type, str] = {
    **{bool: "a truth value", int: "a number", float: "a number"},
    **{dict: "an object without a text `text`", list: "a list", bytes: "bytes"},
}


@dataclass(frozen=True)
class Table:
    """Rows of cells, read column by column."""

    name: str
    """For messages."""
    names: Sequence[str]
    """Of the columns."""
    column: Callable[[str], Sequence[Any]]
    """Gives the cells of a column."""
    count: int
    """How many rows."""
    numbers: Sequence[int] | None = None
    """The number of every row in its source, from 1; None where none was passed over."""
    unit: str = "row"
    """What a row is called: ``row``, or ``line`` of a file."""
    form: str = FORM
    """How a user names one of its columns."""

    @property
    def is_file(self) -> bool:
        """Whether it is a single file."""
        return self.form != FORM

    def where(self, index: int) -> str:
        """Return the place of a row in words."""
        return f"{self.name}, {self.unit} {self.number(index):,}"

    def number(self, index: int) -> int:
        """Return the number of a row in its source, from 1."""
        return index + 1 if self.numbers is None else self.numbers[index]

    def choose(self, asked: str, usual: Sequence[str]) -> str:
        """Return the column that is asked for, the first usual one there is, or the only one."""
        wanted = [asked] if asked else usual
        for name in wanted:
            if name in self.names:
                return name
        if not asked and len(self.names) == 1:
            return self.names[0]
        raise Sparc3Error(
            f"{self.name} has no column '{wanted[0]}', only {', '.join(self.names) or 'none'}; "
            f"name the one with the texts as {self.form}."
        )

    def texts(self, column: str, way_out: str = "") -> Texts:
        """Return the texts of a column; rows without one are left out and counted.

        An object holds its text under `text`. `way_out` is what a user can do about other cells,
        if it is not naming another column.
        """
        way_out = way_out or f"name a column of texts as {self.form}"
        cells = self._cells(column)
        kept: list[int] = []
        rows: list[str] = []
        for index, cell in enumerate(cells):
            if cell is MISSING:
                raise Sparc3Error(
                    f"{self.where(index)} has no `{column}`; every {self.unit} needs one."
                )
            value = cell.get("text", cell) if isinstance(cell, dict) else cell
            if value is None or (isinstance(value, float) and math.isnan(value)):
                continue
            if not isinstance(value, str):
                kind = _KINDS.get(type(value), f"a {type(value).__name__}")
                raise Sparc3Error(
                    f"{self.where(index)} has {kind} in column '{column}' where a text is needed; "
                    f"{way_out}."
                )
            kept.append(index)
            rows.append(value)
        if not rows:
            raise Sparc3Error(f"{self.name} has no text in column '{column}'; {way_out}.")
        return Texts(rows, kept, len(cells) - len(rows))

    def cells(self, column: str, of: Sequence[int]) -> list[Any]:
        """Return the cells of some rows; None where a row has none, or there is no such column."""
        if column not in self.names:
            return [None] * len(of)
        cells = self._cells(column)
        return [None if cells[index] is MISSING else cells[index] for index in of]

    def _cells(self, column: str) -> Sequence[Any]:
        try:
            return list(self.column(column))
        except Exception as error:  # what decodes a column raises as it likes
            raise unreadable(self.name, error) from None


@dataclass(frozen=True)
class Texts:
    """The texts of a column, the index of the row of each, and how many rows had none."""

    rows: Sequence[str]
    indices: Sequence[int]
    left_out: int


def unreadable(name: str, error: Exception) -> Sparc3Error:
    """Return in a sentence that `name` cannot be read."""
    first = (str(error).splitlines() or [""])[0].rstrip(".")
    return Sparc3Error(
        f"{name} cannot be read ({type(error).__name__}: {first}); give a whole file of text, JSON "
        "Lines, CSV or parquet."
    )
