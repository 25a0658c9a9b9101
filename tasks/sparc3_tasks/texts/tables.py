"""Tables by their names: a file, a folder of `datasets`, or a data set of the hub."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench import Sparc3Error
from sparc3_tasks.texts.files import contents, decoded, kind_of, of_file
from sparc3_tasks.texts.sets import of_data_set
from sparc3_tasks.texts.table import FORM, Table


def open_table(name: str, split: str) -> tuple[Table, str]:
    """Return the table called `name`, and the column that the name asks for, if any.

    It is a file (JSON Lines, JSON, CSV, TSV, parquet, or plain text, a row a line; any of them
    compressed by gzip), a folder of `datasets`, or ``hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]``, where
    DATASET may be such a file or folder. A CONFIG with a slash is a file of the data set. Of a data
    set part `split` is read unless one is named.
    """
    path, config, part, column = _parts(name)
    if Path(path).is_file():
        return of_file(Path(path)), column
    if name.startswith("hf:") or Path(path).is_dir():
        return of_data_set(path, config, part, split), column
    raise Sparc3Error(f"There is no file or folder '{name}'; give one, or {FORM}.")


def plain_text(name: str) -> str | None:
    """Return the content of a file that is neither JSON, CSV nor parquet; None otherwise."""
    path = Path(_parts(name)[0])
    if not path.is_file():
        return None
    content = contents(path)
    return decoded(path.name, content) if kind_of(path, content) == "text" else None


def _parts(name: str) -> list[str]:
    """Return path, configuration, part and column; without ``hf:`` all is the path."""
    if not name.startswith("hf:"):
        return [name, "", "", ""]
    return [*name.removeprefix("hf:").split(":"), "", "", ""][:4]
