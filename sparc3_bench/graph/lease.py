"""Leases: who makes what, told in a folder, so that processes that share it share the work.

A lease is a file that its owner makes, touches every few seconds, and removes. Who finds it waits,
or does something else. Where its owner is dead another process takes it over: on the owner's
machine as soon as the process is gone, however long it may have slept; on others when it was not
touched for a minute, by the clock of the folder.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sparc3_bench.folder.local import Folder
from sparc3_bench.folder.owner import Owner, me

LEASES = "leases"
"""Where leases lie in a folder."""
_BEAT = 5.0
_SILENCE = 60.0
_PATIENCE = 5.0
_FIRST, _LONGEST = 0.02, 1.0
"""Seconds: between two touches; until an owner elsewhere counts as dead; until waiting is told;
between two looks, at first and later."""


class Claim(BaseModel):
    """What a lease says."""

    model_config = ConfigDict(frozen=True)

    kind: str
    key: str
    """What is made."""
    owner: Owner
    """By which process."""
    label: str
    """For what, in words."""
    since: float
    """When it was taken, in seconds since 1970 by the owner's clock."""
    token: str
    """Tells it from all others."""


@dataclass(frozen=True, eq=False)
class Lease:
    """The right to make something, until it is released.

    One without a name is that of who goes on without: nothing can be written, or the thread that
    asks holds the lease already.
    """

    folder: Folder | None = None
    name: str = ""
    content: bytes = b""
    thread: int = 0

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def beat(self) -> None:
        """Say that the owner lives."""
        if self.folder is not None and self._is_own(self.folder):
            self.folder.touch(self.name)

    def release(self) -> None:
        """Let others have it."""
        if self.folder is not None:
            _HEART.forget(self)
            with suppress(OSError):  # who comes sees that the owner is gone
                if self._is_own(self.folder):
                    self.folder.remove(self.name)

    def _is_own(self, folder: Folder) -> bool:
        try:
            return folder.read(self.name) == self.content
        except FileNotFoundError:
            return False


class _Heart:
    """Beats all leases of this process, in a thread that starts with the first."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._held: dict[tuple[str, str], Lease] = {}
        self._thread: threading.Thread | None = None

    def hold(self, lease: Lease) -> None:
        self._held[str(lease.folder), lease.name] = lease
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sparc3-leases", daemon=True)
            self._thread.start()

    def forget(self, lease: Lease) -> None:
        self._held.pop((str(lease.folder), lease.name), None)

    def holds(self, folder: Folder, name: str) -> bool:
        """Return whether this thread has a lease."""
        lease = self._held.get((str(folder), name))
        return lease is not None and lease.thread == threading.get_ident()

    def _run(self) -> None:
        while True:
            time.sleep(_BEAT)
            for lease in list(self._held.values()):
                with suppress(OSError):
                    lease.beat()


_HEART = _Heart()
# A process that was forked has neither the thread nor the leases.
os.register_at_fork(after_in_child=_HEART.begin)


def lease(
    folder: Folder,
    kind: str,
    key: str,
    label: str,
    wait: bool,
    tell: Callable[[str], None],
    waited: Callable[[float], None] = lambda seconds: None,
) -> Lease | None:
    """Take a lease of what is to be made, or wait for it; without `wait` None if another has it.

    Nobody waits in a circle, as a step waits only for what it is made from. Whoever waits long is
    told of it by `tell`; `waited` is told of every while. A folder that cannot be written is an
    `OSError`.
    """
    name = f"{LEASES}/{kind}/{key}"
    if _HEART.holds(folder, name):
        return Lease()
    claim = Claim(
        kind=kind, key=key, owner=me(), label=label, since=time.time(), token=uuid.uuid4().hex
    )
    content = claim.model_dump_json().encode()
    begin, pause, told = time.monotonic(), _FIRST, False
    while not folder.create(name, content):
        try:
            found = folder.read(name)
            is_dead = _is_dead(folder, name, found)
        except FileNotFoundError:
            continue  # released in the meantime
        if is_dead:
            _bury(folder, name, found)
            continue
        if not wait:
            return None
        if not told and time.monotonic() - begin > _PATIENCE:
            told = True
            tell(f"Waiting for {_described(kind, key, found)} …")
        time.sleep(pause)
        waited(pause)
        pause = min(pause * 1.5, _LONGEST)
    made = Lease(folder, name, content, threading.get_ident())
    _HEART.hold(made)
    return made


def bury_dead(folder: Folder) -> None:
    """Remove the leases of dead owners, which nobody may ever ask for."""
    for file in sorted(folder.files(LEASES)):
        with suppress(FileNotFoundError):  # released in the meantime
            content = folder.read(file.name)
            if _is_dead(folder, file.name, content):
                _bury(folder, file.name, content)


def _is_dead(folder: Folder, name: str, content: bytes) -> bool:
    claim = _parsed(content)
    alive = claim.owner.is_alive if claim else None
    return folder.age(name) > _SILENCE if alive is None else not alive


def _bury(folder: Folder, name: str, content: bytes) -> None:
    """Remove the lease of a dead owner, unless another process has removed it and has its own."""
    with suppress(FileNotFoundError):
        if folder.read(name) == content:
            found = folder.take(name)
            if found is not None and found != content:  # it came between the two lines
                folder.create(name, found)


def _parsed(content: bytes) -> Claim | None:
    try:
        return Claim.model_validate_json(content)
    except ValidationError:
        return None  # it is being written, or its owner died doing so


def _described(kind: str, key: str, content: bytes) -> str:
    claim: Any = _parsed(content)
    if claim is None:
        return f"{kind} {key[:8]}, which another process is making"
    what = f" for {claim.label}" if claim.label else ""
    return f"{kind} {key[:8]}, which {claim.owner.host} pid {claim.owner.pid} is making{what}"
