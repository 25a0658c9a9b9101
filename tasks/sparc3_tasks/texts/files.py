"""Files: the rows of one file, whatever format it is in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sparc3_bench import Sparc3Error
from sparc3_tasks.texts.table import MISSING, Table, unreadable

_SUFFIXES = {
    "json": (".jsonl", ".ndjson", ".json"),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet",),
}
_DELIMITERS = {"csv": ",", "tsv": "\t"}

_Rows = tuple[list[str], list[dict[str, Any]], list[int]]


def of_file(path: Path) -> Table:
    """Return the rows of a file."""
    form, content = f"hf:{path}:::COLUMN", contents(path)
    kind = kind_of(path, content)
    if kind == "parquet":
        from pyarrow import parquet

        try:
            table = parquet.read_table(io.BytesIO(content))
        except Exception as error:  # of a dozen kinds
            raise unreadable(path.name, error) from None
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
        lambda one: [row.get(one, MISSING) for row in rows],
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
    """Return UTF-8 as text, without a byte order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Sparc3Error(
            f"The text {name} cannot be read as UTF-8: {error}; save it as UTF-8."
        ) from None


def contents(path: Path) -> bytes:
    """Return what is in a file, which may be compressed by gzip."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path.name, error) from None


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
        raise unreadable(name, error) from None
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
