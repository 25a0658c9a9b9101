"""Service: the other end of a `WorkerProcess`, a worker that does what comes through a pipe."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import Disturbance, PluginError, Sparc3Error, describe
from sparc3_bench.folder.seen import Findings
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.request import Request
from sparc3_bench.run.surroundings import rests, watch
from sparc3_bench.run.typed import Typed
from sparc3_bench.types.orders import Order, Tell, Work
from sparc3_bench.types.values import Progress

if TYPE_CHECKING:
    from sparc3_bench.run.worker import Worker

_PAUSE_S = 0.2
"""Seconds between two words on how far a step is."""
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h. The signal comes when the *thread* that started a process ends."""


class _Telling(Reporter):
    """Reports through a pipe."""

    def __init__(self, send: Tell) -> None:
        super().__init__()
        self._send = send

    def say(self, text: str) -> None:
        self._send({"say": text})

    def tell(self, told: Mapping[str, Any]) -> None:
        self._send(told)

    @contextmanager
    def steps(self, label: str) -> Iterator[Progress]:
        last = 0.0

        def step(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done == total or now - last >= _PAUSE_S:
                last = now
                self._send({"step": label, "done": done, "total": total})

        self._send({"step": label, "done": 0, "total": 0})
        yield step


class _Service:
    """The other end: does what is asked through a pipe until that is closed."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()
        self._interrupted = self._sending = self._late = False
        signal.signal(signal.SIGINT, self._on_interrupt)

    def run(self) -> None:
        """Answer until nobody asks any more."""
        about = json.loads(self._pipe.recv_bytes())
        sys.argv = about["command"]  # recorded in results
        work = Work.model_validate(about["work"])
        kept = Findings(Path(work.cache))
        watch(Path(work.cache))
        # Here, so that plugins and torch are loaded by who may die of it.
        from sparc3_bench.run.worker import Worker

        worker = Worker(work, _Telling(self._send))
        self._send({"up": True})
        while True:
            asked = json.loads(self._pipe.recv_bytes())
            try:
                answer = {"answer": getattr(self, "_" + asked["do"])(worker, asked["with"])}
            except Sparc3Error as error:
                answer = {"refusal": str(error)}
            self._send({**answer, "must_end": worker.must_end})
            if "answer" in answer and "about" in asked and (read := rests()) is not None:
                kept.put(asked["about"], answer["answer"], read)

    def _requests(self, worker: Worker, given: Any) -> Any:
        said, typed, suite = given
        requests = worker.requests(Typed(said, frozenset(typed)), suite)
        return [one.model_dump(mode="json") for one in requests]

    def _plan(self, worker: Worker, given: Any) -> Any:
        orders = worker.plan(Request.model_validate(given))
        return [one.model_dump(mode="json", exclude={"request"}) for one in orders]

    def _carry_out(self, worker: Worker, given: Any) -> Any:
        order = Order.model_validate(given)
        try:
            found = worker.carry_out(order)
        except KeyboardInterrupt as error:
            found = (
                worker.ended(order, "interrupted")
                if self._interrupted
                else worker.ended(order, "failed", f"{describe(error)}.")
            )
        except Exception as error:  # e.g. no file can be opened to record a failed cell
            raise PluginError(_first(error)) from error
        return found.model_dump(mode="json")

    def _ended(self, worker: Worker, given: Any) -> Any:
        order, status, reason = given
        ended = worker.ended(Order.model_validate(order), status, reason)
        return ended.model_dump(mode="json")

    def _send(self, told: Mapping[str, Any]) -> None:
        with self._lock:
            self._sending = True
            try:
                self._pipe.send_bytes(json.dumps(told).encode())
            finally:
                self._sending = False
        if self._late:
            self._late = False
            raise KeyboardInterrupt

    def _on_interrupt(self, *_: object) -> None:
        self._interrupted = True
        if self._sending:  # half a message is none
            self._late = True
        else:
            raise KeyboardInterrupt


def _first(error: BaseException) -> str:
    """Return in words what went wrong before all that followed from it."""
    while error.__context__ is not None and not isinstance(error, Disturbance):
        error = error.__context__
    return describe(error)


def die_with(parent: int) -> None:
    """End this process when the one that started it ends, and before it when memory is short."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before that
        os._exit(1)


def serve() -> None:
    """Serve the process that started this one."""
    descriptor, parent = map(int, sys.argv[1:])
    die_with(parent)
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):
        _Service(Connection(descriptor)).run()
    os._exit(0)  # threads that plugins left behind end here


if __name__ == "__main__":
    serve()
