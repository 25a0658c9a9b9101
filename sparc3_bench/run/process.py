"""WorkerProcess: a worker in a process of its own, which is replaced when it dies or must end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from sparc3_bench.errors import Sparc3Error, WorkerDied
from sparc3_bench.folder.seen import Findings
from sparc3_bench.printable import abridged
from sparc3_bench.run.environment import memory_of_machine
from sparc3_bench.run.progress import spoken
from sparc3_bench.run.request import Request
from sparc3_bench.run.surroundings import surroundings
from sparc3_bench.run.typed import Typed
from sparc3_bench.types.orders import INTERRUPTED, Delivery, Order, Status, Tell, Work

_LOOK_S = 0.2
"""Seconds between two looks at what a process takes."""
_SILENCE_S = 3600.0
"""Seconds without a word after which a process without a time limit is taken to hang."""
_GRACE_S = 5.0
"""Seconds that an interrupted process has to answer."""
_TAIL_BYTES = 16_000
"""So much of what a process printed last is kept."""
_SHARE = 0.95
"""The part of the machine's memory that one worker may take."""
_ALIKE = ("scorer", "code", "model")
"""What many orders say alike, kept once."""
_KEPT = ("requests", "plan")
"""Questions whose answers are kept."""
_SERVICE = "sparc3_bench.run.service"
"""The module that is the other end."""


class WorkerProcess:
    """A `Worker` in a process of its own.

    It is started when something is asked of it, and started again after it died, was ended because
    it took too long or too much memory, or was left in a state that it cannot vouch for. It is told
    of what goes on from the thread that asks.
    """

    def __init__(
        self, work: Work, tell: Tell, environment: Mapping[str, str] | None = None
    ) -> None:
        self.work, self._tell = work, tell
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._tail: deque[bytes] = deque()
        self._reader: threading.Thread | None = None
        self._is_up = self._interrupted = False
        self._seen = Findings(Path(work.cache))

    def requests(self, asked: Typed, suite: str | None) -> list[Request]:
        """Return the requests that what was typed comes to; see `Typed.requests`.

        Raises Sparc3Error for wrong input. Raises WorkerDied when a plugin ended the process.
        """
        given = [dict(asked.given), sorted(asked.typed), suite]
        known = self._seen.get(self._about("requests", given))
        answer = known if known is not None else self._ask("requests", given)
        return [Request.model_validate(one) for one in answer]

    def plan(self, request: Request) -> list[Order]:
        """Return the orders that a request comes to; raises as `requests`."""
        asked = request.model_dump(mode="json")
        return _orders(asked, self._ask("plan", asked))

    def planned(self, request: Request) -> list[Order] | None:
        """Return the orders that a request came to before, where nothing has changed since."""
        asked = request.model_dump(mode="json")
        known = self._seen.get(self._about("plan", asked))
        return None if known is None else _orders(asked, known)

    def carry_out(self, order: Order) -> Delivery:
        """Run one cell; a process that does not come to its end makes it a failed one."""
        asked = order.narrowed().model_dump(mode="json")
        self._told({"began": order.path})
        try:
            return Delivery.model_validate(self._ask("carry_out", asked, self.work.seconds))
        except Sparc3Error as death:
            reason = INTERRUPTED if self._interrupted else abridged(str(death))
            status: Status = "interrupted" if self._interrupted else "failed"
        if not self._interrupted:
            with contextlib.suppress(Sparc3Error):
                return self.ended(order, status, reason)
            status = "refused"
        return Delivery(order=order.path, status=status, error=reason)

    def ended(self, order: Order, status: Status, reason: str = INTERRUPTED) -> Delivery:
        """Return the outcome of an order that did not come to its end; raises as `requests`."""
        asked = order.narrowed().model_dump(mode="json")
        return Delivery.model_validate(self._ask("ended", [asked, status, reason]))

    def another(self) -> WorkerProcess:
        """Return one more for the same work."""
        return WorkerProcess(self.work, self._tell, self._environment)

    def interrupt(self) -> None:
        """Ask the process to leave what it does, and end it if it does not; from any thread."""
        self._interrupted = True
        if (process := self._process) is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            timer = threading.Timer(_GRACE_S, process.kill)
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._pipe is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # and what it started
            self._process.wait()
            self._pipe.close()
        if self._reader is not None:
            self._reader.join(_GRACE_S)
        self._process = self._pipe = self._reader = None

    def _about(self, what: str, given: Any) -> list[Any]:
        return [what, given, self.work.cache, self._around]

    @cached_property
    def _around(self) -> list[Any]:
        return surroundings(self._environment)

    def _ask(self, what: str, given: Any, seconds: float | None = None) -> Any:
        asked = {"do": what, "with": given}
        if what in _KEPT:
            asked["about"] = self._about(what, given)
        if self._process is None:
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send_bytes(json.dumps(asked).encode())
            answer = self._answer(seconds)
        except (EOFError, OSError):
            raise WorkerDied(self._death()) from None
        except ValueError as error:  # a plugin changed what makes the answer
            self.close()
            raise WorkerDied(f"Its process answered what cannot be read: {error}.") from None
        except WorkerDied:
            self.close()
            raise
        if answer.get("must_end"):
            self.close()
        if (refusal := answer.get("refusal")) is not None:
            raise Sparc3Error(refusal)
        return answer["answer"]

    def _answer(self, seconds: float | None) -> Mapping[str, Any]:
        """Wait for an answer, within the limits; pass on what is told on the way."""
        assert self._pipe is not None
        assert self._process is not None
        most = self.work.memory_bytes or int(_SHARE * memory_of_machine())
        began = heard = time.monotonic()
        while True:
            if self._pipe.poll(_LOOK_S):
                told: Mapping[str, Any] = json.loads(self._pipe.recv_bytes())
                if "answer" in told or "refusal" in told:
                    return told
                heard = time.monotonic()
                if "up" in told:  # to load torch from a slow disk is no cell's fault
                    self._is_up, began = True, heard
                began += told.get("waited", 0.0)  # for what another process makes
                if self.work.seconds is None:
                    seconds = told.get("limit", seconds)
                self._told(told)
            now, late = time.monotonic(), ""
            is_limited = seconds is not None and self._is_up
            if seconds is not None and is_limited and now - began > seconds:
                late = f"It took longer than its time limit, {spoken(seconds)}."
            elif not is_limited and now - heard > _SILENCE_S:
                late = f"Nothing was heard of it for {spoken(_SILENCE_S)}."
            if late and not self._interrupted:
                self._ask_where_it_is()
                raise WorkerDied(f"{late} {self._last_words()}".rstrip())
            taken = _memory_of(self._process.pid)
            self._told({"memory": taken})
            if taken > most:
                raise WorkerDied(
                    f"It took {taken / 1e9:.1f} GB of memory; the limit is {most / 1e9:.1f} GB."
                )

    def _told(self, told: Mapping[str, Any]) -> None:
        self._tell({**told, "worker": id(self)})

    def _start(self) -> None:
        ours, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _SERVICE, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                # What is importable here is so there.
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    **self._environment,
                },
                # Control-C is for this process, which decides what becomes of the other one.
                start_new_session=True,
            )
        self._pipe, self._is_up = ours, False
        self._tail = deque()
        self._reader = threading.Thread(target=self._keep_tail, daemon=True)
        self._reader.start()
        about = {"work": self.work.model_dump(mode="json"), "command": sys.argv}
        with contextlib.suppress(OSError):
            ours.send_bytes(json.dumps(about).encode())

    def _keep_tail(self) -> None:
        """Read what the process prints, and keep the end of it."""
        process, tail, size = self._process, self._tail, 0
        assert process is not None
        assert process.stdout is not None
        with process.stdout as stream:
            while part := stream.read1(_TAIL_BYTES):  # type: ignore[attr-defined]
                tail.append(part)
                size += len(part)
                while size - len(tail[0]) > _TAIL_BYTES:
                    size -= len(tail.popleft())

    def _ask_where_it_is(self) -> None:
        if hasattr(signal, "SIGUSR1") and self._process is not None:
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(_LOOK_S)

    def _death(self) -> str:
        """Say how the process ended, with the last that it printed."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        code = self._process.poll()
        self.close()
        if code is None:
            how = "Its process no longer answers."
        elif code < 0:
            how = f"Its process was ended by signal {-code} ({_signal_name(-code)})."
        else:
            how = f"Its process ended with exit code {code}."
        return f"{how} {self._last_words()}".rstrip()

    def _last_words(self) -> str:
        text = b"".join(self._tail)[-_TAIL_BYTES:].decode(errors="replace").strip()
        _, is_stack, stack = text.rpartition("(most recent call first):\n")
        lines = stack.splitlines()[:12] if is_stack else text.splitlines()[-12:]
        return "The last it printed: " + " | ".join(line.strip() for line in lines) if lines else ""


def _orders(asked: dict[str, Any], answer: list[dict[str, Any]]) -> list[Order]:
    # As it is: orders of one request share it, and there may be many.
    return [
        Order.model_construct(
            request=asked, **one | {name: sys.intern(one[name]) for name in _ALIKE}
        )
        for one in answer
    ]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _memory_of(pid: int) -> int:
    """Return how many bytes of a process are in memory; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
