"""Literature: published numbers that the suite did not run, each with its source."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.leaderboard.bibliography import Reference, bibliography
from sparc3_bench.leaderboard.phrasing import power

FILE = Path(__file__).parent / "literature.toml"

NumberMetric = Literal["perplexity", "accuracy"]

_TITLES: dict[NumberMetric, str] = {
    "perplexity": "Perplexity, lower is better",
    "accuracy": "Zero-shot accuracy in %, higher is better",
}

_NUMBER = r"\d+(?:\.\d+)?"
_CELL = re.compile(
    rf"(?P<value>{_NUMBER}(?:e\d{{1,3}})?)(?: ± (?P<error>{_NUMBER}))?(?P<dagger> †)?"
)
_REMOVED = re.compile(rf"{_NUMBER} %|\d+:\d+")
_SPACE = "\N{NO-BREAK SPACE}"

Text = Annotated[str, Field(min_length=1)]
Link = Annotated[str, Field(pattern=r"^https://[^\s<>\"']+$")]


@dataclass(frozen=True)
class ReportedNumber:
    """A number as somebody published it.

    Attributes
    ----------
    method
        `Dense` for the model as it was.
    data
        The text or the tasks that were measured on; empty when the source does not say.
    removed
        The sparsity, such as `50 %`, or the pattern, such as `2:4`.
    error
        As published; None without any.
    text
        Value and error with the digits of the source.
    where
        Where in the source it stands.
    note
        What is in doubt about this very number.
    """

    method: str
    model: str
    metric: NumberMetric
    data: str
    removed: str
    value: float
    error: float | None
    text: str
    source: Reference
    where: str
    note: str
    origin: Literal["reported"] = "reported"


@dataclass(frozen=True)
class ReportedRow:
    """A row of a table: a method, what it removed, and a number or nothing for every column."""

    method: str
    removed: str
    cells: tuple[ReportedNumber | None, ...]

    @property
    def is_dense(self) -> bool:
        """Whether nothing was removed."""
        return self.removed == f"0{_SPACE}%"


class ReportedTable(BaseModel):
    """Numbers of one source, as they are written down; see the head of the file.

    Attributes
    ----------
    number
        Its place in the file, from 1.
    source
        Key of a work of the bibliography.
    link
        The page that has the numbers, where it is not that of the source.
    model, data
        What is the same in all columns; empty where the columns tell, or the source does not.
    context
        Length of the windows in tokens; None when the source does not say.
    reference
        The data that steered the scores; empty when the source does not say.
    error
        What stands behind ±; empty without any.
    columns
        Models or tasks.
    note, dagger
        What a reader must know: of all numbers, and of those marked †.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    title: Text
    source: Text
    where: Text
    link: Link | None = None
    metric: NumberMetric
    data: str = ""
    context: Annotated[int, Field(gt=0)] | None = None
    reference: str = ""
    error: str = ""
    across: Literal["models", "tasks"]
    model: str = ""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)]
    rows: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)]
    note: str = ""
    dagger: str = ""

    @property
    def work(self) -> Reference:
        """The source."""
        return bibliography()[self.source]

    @property
    def measure(self) -> str:
        """The metric in words, with the better direction."""
        return _TITLES[self.metric]

    @cached_property
    def lines(self) -> tuple[ReportedRow, ...]:
        """The rows, read."""
        return tuple(_line(self, row) for row in self.rows)

    @property
    def numbers(self) -> tuple[ReportedNumber, ...]:
        """Every number, row by row."""
        return tuple(cell for line in self.lines for cell in line.cells if cell is not None)


def literature(path: Path = FILE) -> tuple[ReportedTable, ...]:
    """Return the tables of published numbers, in the order of the file.

    Raises
    ------
    Sparc3Error
        Naming the table and what is wrong with it: a field, a number that is not finite, a row
        that does not fit the columns.
    UnknownNameError
        When a source is not in the bibliography.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Sparc3Error(f"`{path}` is not valid TOML: {error}; correct it.") from None
    tables = content.get("table")
    if set(content) != {"table"} or not isinstance(tables, list):
        raise Sparc3Error(f"`{path}` must have tables [[table]] and nothing else; correct it.")
    return tuple(_table(number, table) for number, table in enumerate(tables, 1))


def _table(number: int, content: object) -> ReportedTable:
    try:
        fields = {"number": number, **content} if isinstance(content, dict) else content
        table = ReportedTable.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise _wrong(number, f"`{field}`: {first['msg']}") from None
    if table.source not in bibliography():
        raise UnknownNameError(
            "source", table.source, bibliography(), f" (table {number} of the literature)"
        )
    if (table.across == "tasks") != bool(table.model):
        raise _wrong(number, "`model` goes with columns across tasks, and with these only")
    if table.across == "tasks" and table.data:
        raise _wrong(number, "`data` does not go with columns across tasks, which tell it")
    if table.lines and bool(table.dagger) != ("†" in str(table.rows)):
        raise _wrong(number, "cells marked † and their `dagger` go together")
    return table


def _line(table: ReportedTable, row: tuple[str, ...]) -> ReportedRow:
    if len(row) != 2 + len(table.columns):
        raise _wrong(table.number, f"row {row[:2]} must have {len(table.columns)} cells")
    method, removed, *cells = row
    if not _REMOVED.fullmatch(removed):
        raise _wrong(table.number, f"'{removed}' must be a sparsity, '50 %', or a pattern, '2:4'")
    removed = removed.replace(" ", _SPACE)
    found = tuple(
        _reported(table, method, removed, column, cell) if cell else None
        for column, cell in zip(table.columns, cells, strict=True)
    )
    return ReportedRow(method, removed, found)


def _reported(
    table: ReportedTable, method: str, removed: str, column: str, cell: str
) -> ReportedNumber:
    match = _CELL.fullmatch(cell)
    if match is None or not math.isfinite(float(match["value"])):
        raise _wrong(table.number, f"'{cell}' must be a finite number, 'value' or 'value ± error'")
    error = match["error"]
    if error is not None and not table.error:
        raise _wrong(table.number, "`error` must say what stands behind ±")
    across_models = table.across == "models"
    return ReportedNumber(
        method=method,
        model=column if across_models else table.model,
        metric=table.metric,
        data=table.data if across_models else column,
        removed=removed,
        value=float(match["value"]),
        error=None if error is None else float(error),
        text=_shown(match["value"]) + (f" ± {error}" if error else "") + (match["dagger"] or ""),
        source=table.work,
        where=table.where,
        note=table.dagger if match["dagger"] else "",
    )


def _shown(value: str) -> str:
    """Return a number with the digits of the source: ``2e10`` as 2 × 10¹⁰."""
    mantissa, _, exponent = value.partition("e")
    return f"{mantissa} × {power(int(exponent))}" if exponent else f"{Decimal(value):,}"


def _wrong(number: int, what: str) -> Sparc3Error:
    return Sparc3Error(f"Table {number} of the literature: {what}; correct it.")
