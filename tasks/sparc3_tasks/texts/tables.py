"""Tables: rows of a file, of a folder of `datasets`, or of a hub, whatever format they are in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparc3_bench import Sparc3Error

FORM = "hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]"
"""What names a column. DATASET may be a folder or a file, too."""

_MISSING = object()
"""What stands where a row does not have a column that others have."""

_KINDS: Mapping[type, str] = {
    **{bool: "a truth value", int: "a number", float: "a number"},
    **{dict: "an object without a text `text`", list: "a list", bytes: "bytes"},
}


@dataclass(frozen=True)
class Table:
    """Rows of cells, read column by column.

    Attributes
    ----------
    name
        For messages.
    names
        Of the columns.
    column
        Gives the cells of a column.
    count
        How many rows.
    numbers
        The number of every row in its source, from 1; None where none was passed over.
    unit
        What a row is called: ``row``, or ``line`` of a file.
    form
        How a user names one of its columns.
    """

    name: str
    names: Sequence[str]
    column: Callable[[str], Sequence[Any]]
    count: int
    numbers: Sequence[int] | None = None
    unit: str = "row"
    form: str = FORM

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
        """Return the column that is asked for, the first usual one there is, or the only one.

        Raises
        ------
        Sparc3Error
            When there is none of them.
        """
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

        Raises
        ------
        Sparc3Error
            When a cell is something else, naming row and column.
        """
        way_out = way_out or f"name a column of texts as {self.form}"
        cells = self._cells(column)
        kept: list[int] = []
        rows: list[str] = []
        for index, cell in enumerate(cells):
            if cell is _MISSING:
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
        return [None if cells[index] is _MISSING else cells[index] for index in of]

    def _cells(self, column: str) -> Sequence[Any]:
        try:
            return list(self.column(column))
        except Exception as error:  # what decodes a column raises as it likes
            raise _unreadable(self.name, error) from None


@dataclass(frozen=True)
class Texts:
    """The texts of a column, the index of the row of each, and how many rows had none."""

    rows: Sequence[str]
    indices: Sequence[int]
    left_out: int


def open_table(name: str, split: str) -> tuple[Table, str]:
    """Return the table called `name`, and the column that the name asks for, if any.

    Parameters
    ----------
    name
        A file (JSON Lines, JSON, CSV, TSV, parquet, or plain text, a row a line; any of them
        compressed by gzip), a folder of `datasets`, or ``hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]``,
        where DATASET may be such a file or folder. A CONFIG with a slash is a file of the data set.
    split
        The part that is read of a data set unless one is named.

    Raises
    ------
    Sparc3Error
        When it is not there or cannot be read.
    """
    path, config, part, column = _parts(name)
    if Path(path).is_file():
        return _of_file(Path(path)), column
    if name.startswith("hf:") or Path(path).is_dir():
        return _of_datasets(path, config, part, split), column
    raise Sparc3Error(f"There is no file or folder '{name}'; give one, or {FORM}.")


def plain_text(name: str) -> str | None:
    """Return the content of a file that is neither JSON, CSV nor parquet; None for anything else.

    Raises
    ------
    Sparc3Error
        When it cannot be read.
    """
    path = Path(_parts(name)[0])
    if not path.is_file():
        return None
    content = _bytes(path)
    return decoded(path.name, content) if kind_of(path, content) == "text" else None


def _parts(name: str) -> list[str]:
    """Return path, configuration, part and column; without ``hf:`` all is the path."""
    if not name.startswith("hf:"):
        return [name, "", "", ""]
    return [*name.removeprefix("hf:").split(":"), "", "", ""][:4]


def _of_file(path: Path) -> Table:
    form, content = f"hf:{path}:::COLUMN", _bytes(path)
    kind = kind_of(path, content)
    if kind == "parquet":
        from pyarrow import parquet

        try:
            table = parquet.read_table(io.BytesIO(content))
        except Exception as error:  # of a dozen kinds
            raise _unreadable(path.name, error) from None
        return Table(
            path.name,
            table.column_names,
            lambda one: table.column(one).to_pylist(),
            table.num_rows,
            form=form,
        )
    text = decoded(path.name, content)
    if kind in _DELIMITERS:
        names, rows, numbers = _delimited(path.name, text, _DELIMITERS[kind])
    elif kind == "json":
        names, rows, numbers = _objects(path.name, text)
    else:
        # Not `splitlines`: a text may hold characters that it takes for the end of a line.
        lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        names, numbers = ["text"], [number for number, _ in lines]
        rows = [{"text": line.rstrip("\r")} for _, line in lines]
    if not rows:
        raise Sparc3Error(f"{path.name} is empty; give a file with at least one row.")
    return Table(
        path.name,
        names,
        lambda one: [row.get(one, _MISSING) for row in rows],
        len(rows),
        numbers,
        "line",
        form,
    )


def kind_of(path: Path, content: bytes) -> str:
    """Return ``json``, ``csv``, ``tsv``, ``parquet`` or ``text``, by name or else by content."""
    name = path.name.lower().removesuffix(".gz")
    for kind, suffixes in _SUFFIXES.items():
        if name.endswith(suffixes):
            return kind
    if content[:4] == b"PAR1":
        return "parquet"
    first = content.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]
    try:
        return "json" if isinstance(json.loads(first), dict) else "text"
    except ValueError:
        return "text"


def decoded(name: str, content: bytes) -> str:
    """Return UTF-8 as text, without a byte order mark.

    Raises
    ------
    Sparc3Error
        When it is something else.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Sparc3Error(f"The text {name} cannot be read as UTF-8: {error}.") from None


_SUFFIXES = {
    "json": (".jsonl", ".ndjson", ".json"),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet",),
}
_DELIMITERS = {"csv": ",", "tsv": "\t"}

_Rows = tuple[list[str], list[dict[str, Any]], list[int]]


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path.name, error) from None


def _delimited(name: str, text: str, delimiter: str) -> _Rows:
    """Return the rows below the first one, which names the columns; an empty cell is none."""
    limit = csv.field_size_limit(sys.maxsize)  # a document may be longer than 131,072 characters
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        names = next(reader, [])
        rows, numbers, line = [], [], reader.line_num
        for cells in reader:
            if cells:
                padded = [*cells, *[""] * len(names)]
                rows.append({one: cell or None for one, cell in zip(names, padded, strict=False)})
                numbers.append(line + 1)
            line = reader.line_num
    except csv.Error as error:
        raise _unreadable(name, error) from None
    finally:
        csv.field_size_limit(limit)
    return names, rows, numbers


def _objects(name: str, text: str) -> _Rows:
    """Return the objects of JSON Lines, or of one JSON list."""
    if text.lstrip().startswith("["):
        try:
            found = list(enumerate(json.loads(text), 1))
        except ValueError as error:
            raise Sparc3Error(f"{name} is not JSON: {error}.") from None
    else:
        found = list(_lines(name, text))
    for number, row in found:
        if not isinstance(row, dict):
            raise Sparc3Error(f"{name}, line {number} is no JSON object; every line needs one.")
    rows = [row for _, row in found]
    names = list(dict.fromkeys(key for row in rows for key in row))
    return names, rows, [number for number, _ in found]


def _lines(name: str, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise Sparc3Error(f"{name}, line {number} is not JSON: {error}.") from None


def _of_datasets(path: str, config: str, part: str, usual: str) -> Table:
    """Return a part of a data set: saved by `datasets`, of files in a folder, or of the hub."""
    try:
        data: Any
        if any(Path(path, file).is_file() for file in ("state.json", "dataset_dict.json")):
            data = _part(path, part, usual)
        else:
            from datasets import load_dataset

            # A configuration has no folders, so this is a file; else C4 would come whole.
            files = {part or usual: config} if "/" in config else None
            name = None if files else config or None
            data = load_dataset(path, name, split=part or usual, data_files=files)
    except Sparc3Error:
        raise
    except Exception as error:  # the hub's client raises a dozen kinds
        first = (str(error).splitlines() or [""])[0].rstrip(".")
        raise Sparc3Error(
            f"The data set '{path}' cannot be loaded ({type(error).__name__}: {first}); the form "
            f"is {FORM}, by default split '{usual}'."
        ) from None
    title = f"The data set '{path}'"
    return Table(title, list(data.column_names), lambda one: data[one], len(data))


def _part(path: str, part: str, usual: str) -> Any:
    """Return a part of what `save_to_disk` wrote; a data set without parts is taken whole."""
    from datasets import DatasetDict, load_from_disk

    data = load_from_disk(path)
    if not isinstance(data, DatasetDict):
        own = "" if data.split is None else str(data.split)
        if part and own and part != own:
            raise Sparc3Error(
                f"The data set '{path}' is part '{own}', not '{part}'; leave the part out."
            )
        return data
    wanted = part or (next(iter(data)) if len(data) == 1 else usual)
    if wanted not in data:
        raise Sparc3Error(
            f"The data set '{path}' has no part '{wanted}', only {', '.join(map(str, data))}; name "
            f"one of these as {FORM}."
        )
    return data[wanted]


def _unreadable(name: str, error: Exception) -> Sparc3Error:
    first = (str(error).splitlines() or [""])[0].rstrip(".")
    return Sparc3Error(
        f"{name} cannot be read ({type(error).__name__}: {first}); give a whole file of text, JSON "
        "Lines, CSV or parquet."
    )
