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

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sparc3_bench.comparison.phrasing import power
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.leaderboard.bibliography import Reference, Text, bibliography, first_of

FILE = Path(__file__).parent / "literature.toml"

NumberMetric = Literal["perplexity", "accuracy"]

_NUMBER = r"\d+(?:\.\d+)?"
_CELL = re.compile(
    rf"(?P<value>{_NUMBER}(?:e\d{{1,3}})?)(?: ± (?P<error>{_NUMBER}))?(?P<dagger> †)?"
)
_REMOVED = re.compile(rf"{_NUMBER} %|\d+:\d+")
_SPACE = "\N{NO-BREAK SPACE}"

Link = Annotated[str, Field(pattern=r"^https://[^\s<>\"']+$")]


@dataclass(frozen=True)
class ReportedNumber:
    """A number as somebody published it."""

    method: str  # `Dense` for the model as it was
    model: str
    metric: NumberMetric
    data: str  # the text or the tasks that were measured on; empty when the source does not say
    removed: str  # the sparsity, such as `50 %`, or the pattern, such as `2:4`
    value: float
    error: float | None  # as published; None without any
    text: str  # value and error with the digits of the source
    source: Reference
    where: str
    note: str  # what is in doubt about this very number
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


class Protocol(BaseModel):
    """How a run measures what a table reports, in windows of the table's context."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Text
    metric: Text
    text: Text  # the source of the evaluation text, as results record it
    whole: Text  # the task's option that is 0 where all of the text is measured
    models: dict[str, Text]  # by name in the table, as results record them


class ReportedTable(BaseModel):
    """Numbers of one source, as they are written down; see the head of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int  # its place in the file, from 1
    title: Text
    source: Text  # key of a work of the bibliography
    where: Text
    link: Link | None = None  # the page that has the numbers, where it is not that of the source
    metric: NumberMetric
    data: str = ""
    # Length of the windows in tokens; None when the source does not say
    context: Annotated[int, Field(gt=0)] | None = None
    reference: str = ""  # the data that steered the scores; empty when the source does not say
    error: str = ""  # what stands behind ±; empty without any
    across: Literal["models", "tasks"]
    # model, data: What is the same in all columns; empty where the columns tell, or the source does
    # not
    model: str = ""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)]  # models or tasks
    rows: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)]
    # note, dagger: What a reader must know: of all numbers, and of those marked †
    note: str = ""
    dagger: str = ""
    same: Protocol | None = None  # None where it is not known from the source

    @model_validator(mode="after")
    def _is_whole(self) -> ReportedTable:
        if (self.across == "tasks") != bool(self.model):
            raise ValueError("`model` goes with columns across tasks, and with these only")
        if self.across == "tasks" and self.data:
            raise ValueError("`data` does not go with columns across tasks, which tell it")
        if self.same and not self.context:
            raise ValueError("`same` needs the `context`, without which no protocol is the same")
        if self.lines and bool(self.dagger) != ("†" in str(self.rows)):
            raise ValueError("cells marked † and their `dagger` go together")
        return self

    @property
    def work(self) -> Reference:
        """The source."""
        return bibliography()[self.source]

    @cached_property
    def lines(self) -> tuple[ReportedRow, ...]:
        """The rows, read."""
        return tuple(map(self._line, self.rows))

    @property
    def numbers(self) -> tuple[ReportedNumber, ...]:
        """Every number, row by row."""
        return tuple(cell for line in self.lines for cell in line.cells if cell is not None)

    def _line(self, row: tuple[str, ...]) -> ReportedRow:
        if len(row) != 2 + len(self.columns):
            raise ValueError(f"row {row[:2]} must have {len(self.columns)} cells")
        method, removed, *cells = row
        if not _REMOVED.fullmatch(removed):
            raise ValueError(f"'{removed}' must be a sparsity, '50 %', or a pattern, '2:4'")
        removed = removed.replace(" ", _SPACE)
        found = tuple(
            self._reported(method, removed, column, cell) if cell else None
            for column, cell in zip(self.columns, cells, strict=True)
        )
        return ReportedRow(method, removed, found)

    def _reported(self, method: str, removed: str, column: str, cell: str) -> ReportedNumber:
        match = _CELL.fullmatch(cell)
        if match is None or not math.isfinite(float(match["value"])):
            raise ValueError(f"'{cell}' must be a finite number, 'value' or 'value ± error'")
        value, error, dagger = match["value"], match["error"], match["dagger"]
        if error and not self.error:
            raise ValueError("`error` must say what stands behind ±")
        across_models = self.across == "models"
        mantissa, _, exponent = value.partition("e")
        text = f"{mantissa} × {power(int(exponent))}" if exponent else f"{Decimal(value):,}"
        return ReportedNumber(
            method=method,
            model=column if across_models else self.model,
            metric=self.metric,
            data=self.data if across_models else column,
            removed=removed,
            value=float(value),
            error=float(error) if error else None,
            text=text + (f" ± {error}" if error else "") + (dagger or ""),
            source=self.work,
            where=self.where,
            note=self.dagger if dagger else "",
        )


def literature(path: Path = FILE) -> tuple[ReportedTable, ...]:
    """Return the tables of published numbers in order; Sparc3Error names what is wrong with one."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Sparc3Error(f"`{path}` is not valid TOML: {error}; correct it.") from None
    tables = content.get("table")
    if set(content) != {"table"} or not isinstance(tables, list):
        raise Sparc3Error(f"`{path}` must have tables [[table]] and nothing else; correct it.")
    return tuple(_table(number, table) for number, table in enumerate(tables, 1))


def _table(number: int, content: object) -> ReportedTable:
    fields = {"number": number, **content} if isinstance(content, dict) else content
    works = bibliography()
    if isinstance(fields, dict) and (source := str(fields.get("source"))) not in works:
        raise UnknownNameError("source", source, works, f" (table {number} of the literature)")
    try:
        return ReportedTable.model_validate(fields)
    except ValidationError as error:
        field, told = first_of(error)
        where = f"`{field}`: " if field else ""
        raise Sparc3Error(f"Table {number} of the literature: {where}{told}; correct it.") from None
