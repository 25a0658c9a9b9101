"""Journal: what a runner was asked for and what became of it, for whoever looks from elsewhere.

It lies in a hidden folder of the results: a file a runner, and one a run.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.run.results import HIDDEN

if TYPE_CHECKING:
    from sparc3_bench.types.orders import Order, Work

_MOST_BYTES = 1_000_000
"""Of the log of one run."""


class Journal:
    """Writes down what is told; that it cannot be written is no reason to stop."""

    def __init__(self, results: Path) -> None:
        self._root = results / HIDDEN
        self._lock = threading.Lock()
        self._runner = self._root / "runners" / f"{platform.node()}-{os.getpid()}.jsonl"
        self._log_of: dict[Any, Path] = {}

    def begin(self, orders: Sequence[Order], work: Work) -> None:
        """Write down what is to be done."""
        about = {"host": platform.node(), "pid": os.getpid(), "cache": work.cache}
        paths = [order.path for order in orders]
        self._write(self._runner, {**about, "orders": paths}, fresh=True)

    def tell(self, told: Mapping[str, Any]) -> None:
        """Write down what a worker or the runner tells, but for how far a step is."""
        if not told.keys() - {"worker", "memory", "step", "done", "total"}:
            return
        with self._lock:
            who = told.get("worker")
            if "began" in told:
                log = (self._root / "logs" / told["began"]).with_suffix(".jsonl")
                self._log_of[who] = self._log_of[told["began"]] = log
            place = self._log_of.get(told.get("over") or who)
            if place is not None:
                self._write(place, told)
            if {"began", "over"} & told.keys():
                self._write(self._runner, told)

    def end(self) -> None:
        """Write down that this runner is done."""
        self._write(self._runner, {"ended": True})

    def _write(self, place: Path, told: Mapping[str, Any], *, fresh: bool = False) -> None:
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            if not fresh and place.exists() and place.stat().st_size > _MOST_BYTES:
                return
            line = json.dumps({"at": round(time.time(), 3), **told})
            with place.open("w" if fresh else "a", encoding="utf-8") as file:
                file.write(line + "\n")


@dataclass(frozen=True)
class Noted:
    """What one runner wrote down."""

    # who it is
    host: str
    pid: int
    # seconds since 1970 of its first and its last word
    since: float
    last: float
    orders: tuple[str, ...]  # paths of the results that it was asked for
    # by path, when, and how it ended
    began: Mapping[str, float]
    over: Mapping[str, str]
    ended: bool  # whether it said that it is done

    @property
    def is_alive(self) -> bool:
        """Whether it may still be at work; of another machine it is believed for an hour."""
        if self.ended:
            return False
        if self.host != platform.node():
            return time.time() - self.last < 3600
        return Path(f"/proc/{self.pid}").exists() or not Path("/proc").exists()


def noted(results: Path) -> Iterator[Noted]:
    """Yield what the runners of a folder of results wrote down, the first first."""
    for file in sorted(
        (results / HIDDEN / "runners").glob("*.jsonl"), key=lambda f: f.stat().st_mtime
    ):
        with contextlib.suppress(OSError, ValueError, KeyError):
            lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            first = lines[0]
            yield Noted(
                host=first["host"],
                pid=first["pid"],
                since=first["at"],
                last=max(lines[-1]["at"], file.stat().st_mtime),
                orders=tuple(first["orders"]),
                began={one["began"]: one["at"] for one in lines if "began" in one},
                over={one["over"]: one["status"] for one in lines if "over" in one},
                ended="ended" in lines[-1],
            )
