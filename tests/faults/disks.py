"""Disks that are full, that fail and that are only read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PRELOAD = Path(__file__).parent / "preload"
CALLS = ("open", "fsync", "replace", "rename", "mkdir", "utime")


class Disk:
    """A small disk at a folder: a tmpfs where one can be mounted, else calls of Python that fail.

    Attributes
    ----------
    environment
        Variables of the processes that are to find it as it is.
    is_real
        Whether it is a file system of its own.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self.environment = folder, dict[str, str]()
        folder.mkdir(parents=True, exist_ok=True)
        asked = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        self.is_real = subprocess.run(asked, check=False, capture_output=True).returncode == 0
        if not self.is_real:
            self.environment = failing(below=folder, errno="ENOSPC", room=size)

    def grow(self) -> None:
        """Give it as much room as anybody needs."""
        self._remount("size=1g")
        self.environment = {}

    def lock(self) -> None:
        """Let it be read only."""
        self._remount("ro")
        if not self.is_real:
            self.environment = failing(below=self._folder, errno="EROFS", calls=[*CALLS, "access"])

    def unmount(self) -> None:
        """Be gone."""
        if self.is_real:
            subprocess.run(["umount", str(self._folder)], check=True)

    def _remount(self, option: str) -> None:
        if self.is_real:
            asked = ["mount", "-o", f"remount,{option}", str(self._folder)]
            subprocess.run(asked, check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Disk]:
    """Give a disk at a folder for a while."""
    disk = Disk(folder, size)
    try:
        yield disk
    finally:
        disk.unmount()


def failing(*more: dict[str, Any], **fault: Any) -> dict[str, str]:
    """Return the environment in which faults happen; see `preload/sitecustomize.py`."""
    faults = [{"calls": CALLS, **one} for one in (*more, fault) if one]
    return {"SPARC3_FAULTS": json.dumps(faults, default=str), "SPARC3_PRELOAD": str(PRELOAD)}
