"""Data sets: what `datasets` saved in a folder, files in one, or a part of a hub's, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparc3_bench import Sparc3Error
from sparc3_tasks.texts.table import FORM, Table


def of_data_set(path: str, config: str, part: str, usual: str) -> Table:
    """Return a part of a data set in a folder or on the hub; the `usual` one where none is named.

    A configuration may be empty, or with a slash a file of the data set.
    """
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
