"""RunsView: what many workers do at once, how far the whole is, and how long it will take."""

from __future__ import annotations

import math
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.progress import Progress as Bar
from rich.text import Text

from sparc3_bench.run.progress import Reporter, columns, spoken

if TYPE_CHECKING:
    from sparc3_bench.run.journal import Journal
    from sparc3_bench.types.orders import Order, Work

_MINUTE_S = 60


class RunsView(Reporter):
    """Reports what many workers do at once, how far the whole is, and how long it will take.

    It is told by `tell`: `say`, a line; `step`, `done` and `total`, how far a worker is; `began`
    and `over`, the path of an order, the latter with a `status`; `made`, a step; `worker`, who
    tells it, and `memory`, the bytes that it takes. All of it is written down in the journal, too.
    """

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal, self._jobs = journal, 1
        self._lock = threading.RLock()
        self._orders: dict[str, Order] = {}
        self._before = 0
        self._began: dict[str, float] = {}
        self._took: dict[tuple[str, str], list[float]] = {}
        self._statuses: dict[str, str] = {}
        self._made: list[float] = []
        self._memory: dict[Any, int] = {}
        self._bars: dict[Any, Any] = {}
        self._bar_view: Bar | None = None

    @contextmanager
    def watching(self, orders: Sequence[Order], work: Work) -> Iterator[None]:
        """Show and write down what becomes of orders meanwhile."""
        self._orders = {order.path: order for order in orders}
        self._journal.begin(orders, work)
        try:
            if not sys.stderr.isatty():
                yield
                return
            self._bar_view = Bar(*columns(), console=self.console)
            with Live(console=self.console, get_renderable=self._shown, refresh_per_second=4):
                yield
        finally:
            self._bar_view = None
            self._journal.end()

    def tell(self, told: Mapping[str, Any]) -> None:
        """Take note of what a worker or the runner tells, from any thread."""
        self._journal.tell(told)
        with self._lock:
            who = told.get("worker")
            if "memory" in told:
                self._memory[who] = told["memory"]
            if "say" in told:
                self.say(told["say"])
            if "step" in told:
                self._step(who, told["step"], told["done"], told["total"])
            if "made" in told:
                self._made.append(time.monotonic())
            if "began" in told:
                self._began[told["began"]] = time.monotonic()
                self._jobs = max(self._jobs, len(self._began) - len(self._statuses))
            if "over" in told:
                self._over(told["over"], told["status"])

    def time_left(self) -> tuple[float, float] | None:
        """Return how many seconds are left, and how far that may be off; None: nothing is known.

        An order is taken to last as those of its task and scorer did, or of its task, or any.
        """
        known = [seconds for some in self._took.values() for seconds in some]
        if not known:
            return None
        left, variance = 0.0, 0.0
        for path, order in self._orders.items():
            if path in self._statuses:
                continue
            kind = _kind(order)
            like = [s for other, some in self._took.items() if other[0] == kind[0] for s in some]
            like = self._took.get(kind) or like or known
            gone = time.monotonic() - self._began[path] if path in self._began else 0.0
            left += max(0.0, statistics.fmean(like) - gone)
            spread = statistics.stdev(like) if len(like) > 1 else statistics.fmean(like) / 2
            variance += spread**2
        return left / self._jobs, math.sqrt(variance) / self._jobs

    def summary(self) -> str:
        """Return how far the whole is, in one line."""
        states = list(self._statuses.values())
        failed = sum(state in ("failed", "refused") for state in states)
        running = len(self._began.keys() - self._statuses.keys())
        parts = [f"{len(states)} of {len(self._orders)} runs", f"{running} at work"]
        parts += [f"{failed} failed"] if failed else []
        now = time.monotonic()
        if recent := [at for at in self._made if now - at < 5 * _MINUTE_S]:
            since = max(now - recent[0], _MINUTE_S)
            parts.append(f"{len(recent) * _MINUTE_S / since:.0f} steps a minute")
        if (left := self.time_left()) is not None:
            parts.append(f"about {spoken(left[0])} left, ± {spoken(left[1])}")
        if memory := sum(self._memory.values()):
            parts.append(f"{memory / 1e9:.1f} GB")
        return ", ".join(parts)

    def _step(self, who: Any, label: str, done: int, total: int) -> None:
        if self._bar_view is not None:
            if who not in self._bars:
                self._bars[who] = self._bar_view.add_task(label, total=None)
            if done == 0:
                self._bar_view.reset(self._bars[who], description=label)
            self._bar_view.update(
                self._bars[who], description=label, completed=done, total=total or None
            )
        else:
            self._line(who, label, done, total)

    def _over(self, path: str, status: str) -> None:
        self._statuses[path] = status
        if path in self._began and path in self._orders and status == "ok":
            took = time.monotonic() - self._began[path]
            self._took.setdefault(_kind(self._orders[path]), []).append(took)
        if self._bar_view is None and len(self._orders) > 1:
            self.say(self.summary())

    def _shown(self) -> Group:
        with self._lock:
            assert self._bar_view is not None
            return Group(self._bar_view, Text(self.summary()))


def _kind(order: Order) -> tuple[str, str]:
    return str(order.request.get("task")), order.scorer
