"""Makes writing fail as $SPARC3_FAULTS says; Python imports this before all else.

It is a JSON list of faults: `calls` that fail, `below` which folder, with which `errno`; `once`
names a file that tells all processes that it has happened, and `room` is how many bytes there are
before it does.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os

FAULTS = json.loads(os.environ.get("SPARC3_FAULTS", "[]"))
OPEN, WALK, SIZE = os.open, os.walk, os.path.getsize


def fail(call: str, path: object) -> None:
    where = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  # pathlib is what fails
    for fault in FAULTS:
        if call not in fault["calls"] or not f"{where}/".startswith(f"{fault['below']}/"):
            continue
        if once := fault.get("once"):
            try:
                os.close(OPEN(once, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
        if used(fault["below"]) >= fault.get("room", 0):
            number = getattr(errno, fault["errno"])
            raise OSError(number, os.strerror(number), where)


def used(folder: str) -> int:
    found = 0
    for place, _, names in WALK(folder):
        for name in names:
            try:
                found += SIZE(f"{place}/{name}")
            except OSError:
                continue
    return found


def wrapped(home, name, path_of):
    """Let a function fail first, where it is about to write to a path."""
    plain = getattr(home, name)

    def call(*args, **options):
        path = path_of(*args, **options)
        if path is not None and not isinstance(path, int):
            fail(name, path)
        return plain(*args, **options)

    setattr(home, name, call)


if FAULTS:
    for home in (io, builtins):
        wrapped(
            home, "open", lambda path, mode="r", *_, **__: path if set(mode) & set("wax+") else None
        )
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    wrapped(os, "open", lambda path, flags, *_, **__: path if flags & writing else None)
    wrapped(os, "fsync", lambda number: os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115
    wrapped(os, "replace", lambda _, to, **__: to)
    wrapped(os, "rename", lambda _, to, **__: to)
    wrapped(os, "mkdir", lambda path, *_, **__: path)
    wrapped(os, "utime", lambda path, *_, **__: path)
    may = os.access

    def access(path, mode, **options):
        """A folder that is only read says so."""
        try:
            if mode & os.W_OK:
                fail("access", path)
        except OSError:
            return False
        return may(path, mode, **options)

    os.access = access
