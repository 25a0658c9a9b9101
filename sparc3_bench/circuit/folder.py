"""Folders that are written whole: nothing of others is replaced, nothing is left half written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparc3_bench.assets import file_digest
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.folder.local import Folder
from sparc3_bench.run.results import check_writable


@dataclass(frozen=True)
class Kind:
    """A kind of folder."""

    format: str
    """What the folder's description says it is."""
    title: str
    """For messages."""
    about: str
    """The name of the description."""

    def check_free(self, folder: Path) -> None:
        """Refuse a folder that cannot be written or that holds something else."""
        check_writable(folder)
        check_writable(folder.absolute().parent)
        if folder.exists() and any(folder.iterdir()) and not self._is(folder):
            raise Sparc3Error(
                f"The folder {folder} is not empty and holds other things than {self.title}; "
                "choose another for `--out`."
            )

    def write(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write the description, with the digest of every other file of the folder."""
        digests = {
            path.relative_to(folder).as_posix(): file_digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        whole = {**about, "format": self.format, "version": 1, "files": digests}
        text = json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        (folder / self.about).write_text(text + "\n", encoding="utf-8")

    def _is(self, folder: Path) -> bool:
        try:
            about = json.loads((folder / self.about).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if not isinstance(about, Mapping) or about.get("format") != self.format:
            return False
        files = (path for path in folder.rglob("*") if not path.is_dir())
        there = {path.relative_to(folder).as_posix() for path in files}
        return there <= {self.about, *about.get("files", ())}


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` and move it there when all went well."""
    folder = folder.resolve()
    with Folder(folder.parent).scratch() as beside:
        part, old = beside / "new", beside / "old"
        part.mkdir()
        yield part
        try:
            if folder.exists():
                folder.replace(old)
            part.replace(folder)
        except BaseException:
            if old.exists():
                old.replace(folder)
            raise
