"""Scorers that end, or go on, or return what they must not."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import threading
import time
from collections.abc import Callable

from sparc3_hostile.table import KEPT, KINDS, Kind, kind

FOREVER = 1e6


# --- its process is gone -----------------------------------------------------------------------


@kind("death", "code 0")
def exits_0(torch, model, scores):
    os._exit(0)


@kind("death", "code 3")
def exits_3(torch, model, scores):
    os._exit(3)


@kind("death", "SIGSEGV|signal 11")
def reads_nowhere(torch, model, scores):
    ctypes.string_at(0)


@kind("death", "SIGABRT|signal 6")
def aborts(torch, model, scores):
    os.abort()


@kind("death", "SIGKILL|signal 9")
def kills_itself(torch, model, scores):
    os.kill(os.getpid(), signal.SIGKILL)


@kind("death", "SIGTERM|signal 15")
def asks_itself_to_end(torch, model, scores):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


# --- it does not end ---------------------------------------------------------------------------


@kind("timeout", "time|within")
def hangs(torch, model, scores):
    time.sleep(FOREVER)


@kind("timeout", "time|within")
def ignores_requests_to_end(torch, model, scores):
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    time.sleep(FOREVER)


@kind("timeout", "time|within")
def lets_no_thread_run(torch, model, scores):
    re.match("(a+)+$", "a" * 64 + "b")


@kind("timeout", "time|within")
def stops_itself(torch, model, scores):
    os.kill(os.getpid(), signal.SIGSTOP)


@kind("timeout", "time|within")
def waits_for_itself(torch, model, scores):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@kind("memory", "memory")
def asks_for_memory(torch, model, scores):
    while True:
        KEPT.append(torch.ones(1 << 24))


# --- it is an error ----------------------------------------------------------------------------


class Unheard(BaseException):
    """No `Exception`."""


class Untold(Exception):
    """One that cannot be told."""

    def __str__(self):
        raise RuntimeError("no words")


def fails(words: str, error: Callable[[], BaseException]):
    def act(torch, model, scores):
        raise error()

    return Kind(act, "error", words)


KINDS |= {
    "hostile-system-exit-0": fails("SystemExit", lambda: SystemExit(0)),
    "hostile-system-exit-with-text": fails("SystemExit: all well", lambda: SystemExit("all well")),
    "hostile-control-c": fails("KeyboardInterrupt|interrupted", KeyboardInterrupt),
    "hostile-generator-exit": fails("GeneratorExit", GeneratorExit),
    "hostile-no-exception": fails("Unheard", Unheard),
    "hostile-says-50-mb": fails("RuntimeError: xxx", lambda: RuntimeError("x" * 50_000_000)),
    "hostile-control-characters": fails(
        "RuntimeError", lambda: RuntimeError("\x1b[2J\u202e\x07\x00no")
    ),
    "hostile-cannot-be-told": fails("Untold", Untold),
}


@kind("error", "RecursionError")
def calls_itself(torch, model, scores):
    calls_itself(torch, model, scores)


@kind("error", "not finite")
def scores_no_numbers(torch, model, scores):
    return {name: one * float("nan") for name, one in scores.items()}


@kind("error", "shape")
def turns_scores_round(torch, model, scores):
    return {name: one.T[:-1] for name, one in scores.items()}


@kind("error", "returned one for")
def scores_more(torch, model, scores):
    scores["more"] = torch.ones(1)


@kind("error", "returned none for")
def scores_less(torch, model, scores):
    scores.popitem()


@kind("error", "generator")
def returns_a_generator(torch, model, scores):
    return (one for one in scores.items())


@kind("nothing")
def scores_whole_numbers(torch, model, scores):
    return {name: (one * 1000).long() for name, one in scores.items()}


@kind("nothing")
def returns_the_weights(torch, model, scores):
    return {name: one.matrix for name, one in model.weights().items()}


@kind("nothing")
def prints_50_mb(torch, model, scores):
    print("x" * 50_000_000)  # noqa: T201
