"""Exporting: the rows of results as one table, in a file of columns or of lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.api.rows import NumberRow
from sparc3_bench.folder.local import Folder

if TYPE_CHECKING:
    import pyarrow

_AT_ONCE = 10_000
"""Rows that are written at once."""


def write_csv(path: Path, rows: Iterable[NumberRow]) -> int:
    """Write rows as comma-separated values, nothing where a value is missing; return how many."""
    count = 0
    with _draft(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NumberRow.model_fields)
        for row in rows:
            count += 1
            writer.writerow(map(_written, dict(row).values()))
    return count


def write_parquet(path: Path, rows: Iterable[NumberRow]) -> int:
    """Write rows as Parquet, which says of every column what it is; return how many."""
    import pyarrow
    import pyarrow.parquet

    count, schema, rest = 0, _schema(), map(dict, rows)
    with _draft(path) as draft, pyarrow.parquet.ParquetWriter(draft, schema) as writer:
        while some := list(islice(rest, _AT_ONCE)):
            count += len(some)
            writer.write_table(pyarrow.Table.from_pylist(some, schema))
    return count


def row_columns() -> Iterator[tuple[str, str, bool, str]]:
    """Yield the columns: name, JSON type, whether a value may be missing, and what it is."""
    for name, told in NumberRow.model_json_schema()["properties"].items():
        kinds = [one["type"] for one in told.get("anyOf", [told])]
        yield name, kinds[0], "null" in kinds, told["description"]


def _schema() -> pyarrow.Schema:
    import pyarrow

    types = {
        "string": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "boolean": pyarrow.bool_(),
    }
    return pyarrow.schema(
        pyarrow.field(name, types[kind], nullable=is_null, metadata={"description": told})
        for name, kind, is_null, told in row_columns()
    )


def _written(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _draft(path: Path) -> AbstractContextManager[Path]:
    return Folder(path.parent).writing(path.name)
