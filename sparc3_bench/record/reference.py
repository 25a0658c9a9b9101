"""References: how users name a result that is there: its file, its key, or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sparc3_bench.errors import RecordError
from sparc3_bench.record.files import files_below

LEAST_DIGITS = 4
"""Of a key that a result may be named by."""

_FOLDER = Path("leaderboard/results")
_PACKAGE = Path(__file__).parents[1]
_INSTALLED = _PACKAGE / _FOLDER

OWN_FOLDERS: tuple[Path, ...] = (Path("results"), _FOLDER)
"""Where results are looked for that are to be changed: of one's own runs, then of a checkout."""
USUAL_FOLDERS: tuple[Path, ...] = (*OWN_FOLDERS, *((_INSTALLED,) if _INSTALLED.is_dir() else ()))
"""Where results are looked for: there, then in an installed package."""

_SHOWN = 3


def brought_results() -> Path | None:
    """Return the folder of results that the package or the checkout brings, if there is one."""
    return next((one for one in (_INSTALLED, _PACKAGE.parent / _FOLDER) if one.is_dir()), None)


def usual_folder() -> Path:
    """Return where results are looked for when nobody says so.

    Raises RecordError when there is no such folder here.
    """
    for folder in USUAL_FOLDERS:
        if folder.is_dir():
            return folder
    raise RecordError(
        f"There is no folder {' or '.join(map(str, USUAL_FOLDERS))} here; name one, or make "
        "results with `sparc3 run`."
    )


def referred(said: str, folders: Sequence[Path] = USUAL_FOLDERS) -> Path:
    """Return the file of the result that is meant by a file, a folder, or the beginning of a key.

    Keys are looked up in `folders`; in the first that has one the search ends.
    """
    path = Path(said)
    if path.is_dir():
        return _alone_in(path)
    if not re.fullmatch(f"[0-9a-f]{{{LEAST_DIGITS},12}}", said) or path.exists():
        if path.suffix or len(path.parts) > 1 or path.exists():
            return path  # whoever reads it tells what is wrong with it
        raise RecordError(
            f"'{said}' names no result; give its file, the first {LEAST_DIGITS} or more digits of "
            "its key (see `sparc3 results list`), or a folder that has it alone."
        )
    for folder in folders:
        found = [file for file in files_below(folder) if key_in(file).startswith(said)]
        if len(found) > 1:
            raise RecordError(
                f"{len(found)} results have a key that begins with '{said}', {_some(found)}; give "
                "more of its digits, or the file."
            )
        if found:
            return found[0]
    raise RecordError(
        f"No result in {' or '.join(map(str, folders))} has a key that begins with '{said}'; see "
        "`sparc3 results list`."
    )


def all_referred(said: Iterable[str | Path], folders: Sequence[Path] = USUAL_FOLDERS) -> list[Path]:
    """Return the files of all results that are meant, in the order in which they are named.

    Each is as in `referred`, but that a folder stands for every result in and below it.
    """
    named = list(map(str, said))
    found = [
        file
        for one in named
        for file in (files_below(Path(one)) if Path(one).is_dir() else [referred(one, folders)])
    ]
    if not found:
        raise RecordError(f"No result file (*.json) is in {', '.join(named)}.")
    if len(set(found)) < len(found):
        raise RecordError("A result is named twice; name each once.")
    return found


def key_in(file: Path) -> str:
    """Return the key in the name of a result's file."""
    return file.stem.rpartition("--")[2]


def _alone_in(folder: Path) -> Path:
    """Return the file of the one result in or below a folder."""
    found = files_below(folder)
    if len(found) != 1:
        have = f"has {len(found)} results ({_some(found)})" if found else "has no result"
        raise RecordError(f"The folder {folder} {have} and one is asked for; name it.")
    return found[0]


def _some(files: Sequence[Path]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(map(str, files[:_SHOWN])) + more
