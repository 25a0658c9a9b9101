"""Local: processes on this machine, each with a model of its own in memory."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from sparc3_bench import Executor, hookimpl

if TYPE_CHECKING:
    from sparc3_bench.types.orders import AnyWorker, Delivery, Order

_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Local(Executor):
    """In processes of their own on this machine; one that dies or hangs is replaced."""

    name = "local"
    title = "Processes on this machine"

    jobs: Annotated[int, Field(ge=1)] = 1
    """How many work at once, each with a model in memory and its part of the cores."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The cores are divided, unless the user has said how many threads there are."""
        if self.jobs == 1 or _THREADS in os.environ:
            return {}
        return {_THREADS: str(max(1, len(os.sched_getaffinity(0)) // self.jobs))}

    def carry_out(
        self, orders: Sequence[Order], worker: AnyWorker, tell: Callable[[Mapping[str, Any]], None]
    ) -> Iterator[Delivery]:
        """Give each worker that is free an order, of the model that it has where there is one."""
        waiting = _Waiting(orders)
        done: queue.Queue[Delivery | BaseException] = queue.Queue()
        crew = [worker, *(worker.another() for _ in range(1, min(self.jobs, len(orders))))]
        threads = [
            threading.Thread(target=_work, args=(one, waiting, done), daemon=True) for one in crew
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in orders:
                yield _told(done.get())
        except KeyboardInterrupt:
            waiting.close()
            for one in crew:
                one.interrupt()
            for thread in threads:
                thread.join()
            while not done.empty():
                yield _told(done.get())
            raise
        finally:
            waiting.close()
            for one in crew:
                one.close()


class _Waiting:
    """The orders that nobody has taken yet."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._orders: dict[str, list[Order]] = {}
        for order in reversed(orders):
            self._orders.setdefault(order.model, []).append(order)
        self._lock, self._closed = threading.Lock(), False
        self._taken: dict[str, int] = dict.fromkeys(self._orders, 0)

    def close(self) -> None:
        """Give no more."""
        self._closed = True

    def take(self, model: str) -> Order | None:
        """Return the next order of a model; without any, one of the model with fewest at work."""
        with self._lock:
            open_ones = [name for name, orders in self._orders.items() if orders]
            if self._closed or not open_ones:
                return None
            chosen = model if model in open_ones else min(open_ones, key=self._taken.__getitem__)
            if chosen != model:
                self._taken[chosen] += 1
                if model:
                    self._taken[model] -= 1
            return self._orders[chosen].pop()


def _work(
    worker: AnyWorker, waiting: _Waiting, done: queue.Queue[Delivery | BaseException]
) -> None:
    model = ""
    try:
        while order := waiting.take(model):
            model = order.model
            done.put(worker.carry_out(order))
    except BaseException as error:  # told where someone waits for it
        done.put(error)


def _told(outcome: Delivery | BaseException) -> Delivery:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@hookimpl
def sparc3_register_executors() -> list[type[Executor]]:
    """Offer the executor."""
    return [Local]
