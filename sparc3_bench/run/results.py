"""ResultsFolder: where outcomes are written, what of them is there, and what waits to be."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sparc3_bench.errors import RecordError, Sparc3Error
from sparc3_bench.record.files import read_result, samples_path, write_atomically
from sparc3_bench.record.result import Result
from sparc3_bench.types.orders import Outcome

_PAUSES_S = (0.2, 1.0, 3.0)
"""Between attempts to write a result."""


class ResultsFolder:
    """A folder of results that is expected to fail now and then.

    Parameters
    ----------
    root
        The folder; made when it is written to.
    say
        Told what goes wrong.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self.root, self._say = root, say
        self._held: dict[str, Outcome] = {}

    def standing(self, path: str) -> Result | None:
        """Return the result at a path, finished or failed; None where it is to be run."""
        file = self.root / path
        if not file.is_file():
            return None
        try:
            result = read_result(file)
        except RecordError:
            return None
        if result.sample_file is not None and not samples_path(file).is_file():
            return None
        # One that was judged again is not this run: another judge chose its ranking and amount.
        whole = result.status in ("ok", "failed") and result.chosen_by is None
        return result if whole else None

    def has(self, path: str) -> bool:
        """Return whether there is a file at a path."""
        return (self.root / path).is_file()

    def write(self, outcome: Outcome) -> None:
        """Write the files of an outcome; what cannot be written is held for later."""
        try:
            self._write(outcome)
        except OSError:
            for pause in _PAUSES_S:
                time.sleep(pause)
                try:
                    return self._write(outcome)
                except OSError as error:
                    last = error
            self._held[outcome.order] = outcome
            self._say(f"{self.root / outcome.order} cannot be written: {last}. It is held.")

    def settle(self) -> Mapping[str, str]:
        """Write what is held; return by path why the rest cannot be."""
        reasons = {}
        for path, outcome in self._held.items():
            try:
                self._write(outcome)
            except OSError as error:
                reasons[path] = f"It cannot be written: {error.strerror or error}."
        self._held = {path: self._held[path] for path in reasons}
        return reasons

    def _write(self, outcome: Outcome) -> None:
        for name, content in outcome.files.items():
            write_atomically(self.root / name, content)
        if (beside := samples_path(Path(outcome.order))).as_posix() not in outcome.files:
            (self.root / beside).unlink(missing_ok=True)


def finished(path: Path) -> Result | None:
    """Return the result at `path` if it did not fail; what made it is in its name."""
    found = ResultsFolder(path.parent, lambda _: None).standing(path.name)
    return found if found is not None and found.status == "ok" else None


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, without making it.

    Raises
    ------
    Sparc3Error
        Naming the folder.
    """
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if _seen(path))
    if not nearest.is_dir():
        raise Sparc3Error(f"The folder {folder} cannot be made: {nearest} is a file.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise Sparc3Error(f"The folder {folder} cannot be written to; choose another.")


def _seen(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
