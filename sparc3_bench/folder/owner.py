"""Owner: the process that something belongs to, and whether it still runs."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path

_BETWEEN = "+"


@dataclass(frozen=True)
class Owner:
    """A process, told from all others that ever were."""

    host: str
    """The name of its machine."""
    space: str
    """Tells boots of a machine, and containers of one name, from each other: 8 hex digits."""
    pid: int
    """The number of the process."""
    start: str
    """When it started, in ticks since the machine did; empty where a machine does not say."""

    def __str__(self) -> str:
        return _BETWEEN.join(map(str, astuple(self)))

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Return the owner that begins a text, if one does."""
        with suppress(ValueError):
            host, space, pid, start = text.split(_BETWEEN)[:4]
            return cls(host, space, int(pid), start)
        return None

    @property
    def is_alive(self) -> bool | None:
        """Whether it runs; None where that cannot be seen from here."""
        own = me()
        if (self.host, self.space) != (own.host, own.space):
            return None
        start = _start(self.pid)
        return start is not None and ("" in (start, self.start) or start == self.start)


def me() -> Owner:
    """Return this process."""
    return _owner(os.getpid())


@lru_cache(maxsize=1)
def _owner(pid: int) -> Owner:
    told = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        told = boot + str(Path("/proc/self/ns/pid").readlink())
    space = hashlib.sha256(told.encode()).hexdigest()[:8]
    host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())[:64]
    return Owner(host, space, pid, _start(pid) or "")


def _start(pid: int) -> str | None:
    """Return when a process started; None for one that does not run, "" where nothing tells."""
    if pid <= 0:
        return None  # a group of processes, to the system
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass  # it is another user's
    except (OSError, OverflowError):
        return None
    try:
        # Its name, in parentheses, may have spaces and parentheses in it.
        told = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if told[0] in "ZX" else told[19]
    except (OSError, IndexError):
        return ""
