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
from sparc3_executors.waiting import Waiting

if TYPE_CHECKING:
    from sparc3_bench.types.orders import AnyWorker, Delivery, Order

_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Local(Executor):
    """In processes of their own on this machine; one that dies or hangs is replaced.

    Parameters
    ----------
    jobs
        How many work at once, each with a model in memory and its part of the cores.
    """

    name = "local"
    title = "Processes on this machine"

    jobs: Annotated[int, Field(ge=1)] = 1

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
        waiting = Waiting(orders)
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


def _work(worker: AnyWorker, waiting: Waiting, done: queue.Queue[Delivery | BaseException]) -> None:
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
