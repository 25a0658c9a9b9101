"""Guard: proves that a plugin left the model and the process as they were."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

import torch
from torch import nn

from sparc3_bench.errors import Disturbance, PluginError, describe
from sparc3_bench.model.state import State, described, differences, taken, undoing
from sparc3_bench.model.view import ModelView

_TOLD = 3
_PATIENCE = 1.0
"""Seconds that threads and processes have to end."""
_OURS = "sparc3-"
"""How names of threads of this suite begin."""
_used: WeakSet[nn.Module] = WeakSet()


@contextmanager
def guarded(view: ModelView, who: str) -> Iterator[None]:
    """Prove on leaving that model and process are as before, also where what runs within fails.

    What is outside the model is put back in any case. Generators of random numbers may move, as
    every step draws from generators of its own; they are put back without a word. So is what
    libraries add when they are imported: variables of the environment, filters of warnings. A
    process that leads a session of its own may stay, as does one that a scorer keeps for the next
    call; its owner ends it. `who` runs within, as a sentence begins: ``"Scorer 'wanda'"``.

    Raises Disturbance, naming the first three things that are not as before; the model must not be
    used any more then, nor the process where threads are left. Raises PluginError when what runs
    within raises what is no error, such as SystemExit; an interruption by control-C comes through.
    """
    _used_once(view)
    raised: BaseException | None = None
    with undoing(view):
        before, company = taken(view, trusting=True), _company()
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's code may raise anything
            raised = error
        left = [*_left(view, before), *_new(company)]
    if left:
        more = f" and {len(left) - _TOLD} more" if len(left) > _TOLD else ""
        raise Disturbance(
            f"{who} left {', '.join(left[:_TOLD])}{more}; model and process must be as they were, "
            "so nothing of it is kept: work on copies, and undo changes in a `finally`."
        ) from raised
    if raised is not None and not isinstance(raised, Exception):
        raise PluginError(
            f"{who} raised {describe(raised)}, which ends a process; raise an `Exception`."
        ) from raised
    if raised is not None:
        raise raised


def _used_once(view: ModelView) -> None:
    """Let the model set up what it sets up on its first run, which is its own affair."""
    if view.model not in _used:
        with torch.no_grad():
            view.model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=view.device))
        _used.add(view.model)


def _left(view: ModelView, before: State) -> list[str]:
    """Return in words what is not as before."""
    try:
        changed = differences(before, taken(view))
    except Exception as error:  # so much was changed that it cannot even be read
        return [f"a model or process that cannot be read ({describe(error)})"]
    return [
        described(section, name)
        for section, names in changed.items()
        if section != "seeds"
        for name in names
    ]


def _company() -> dict[tuple[str, int], str]:
    """Return the threads that run Python and the processes begun here, in words."""
    names = {one.ident: one.name for one in threading.enumerate()}
    found = {
        ("thread", ident): f"the thread '{name}' running"
        for ident in sys._current_frames()
        if not (name := names.get(ident, str(ident))).startswith(_OURS)
    }
    session, listed = str(os.getsid(0)), list[Path]()
    with suppress(OSError):  # no child, no such folder, or no file more can be opened
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        listed += Path("/proc").glob("[0-9]*/stat")
    for about in listed:
        with suppress(OSError):
            number, _, rest = about.read_text(errors="replace").partition(" (")
            name, _, rest = rest.rpartition(") ")
            state, parent, _, leader = rest.split()[:4]
            if int(parent) == os.getpid() and leader == session and state not in "ZX":
                found["process", int(number)] = f"the process {number} ({name}) running"
    return found


def _new(before: Mapping[tuple[str, int], str]) -> list[str]:
    """Return what came and stays, given a moment to end; processes are ended."""
    end = time.monotonic() + _PATIENCE
    while (new := {key: one for key, one in _company().items() if key not in before}) and (
        time.monotonic() < end
    ):
        time.sleep(0.01)
    for kind, number in new:
        if kind == "process":
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
    return list(new.values())
