"""Here: one order after the other in this process, for tests and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench import Executor, hookimpl

if TYPE_CHECKING:
    from sparc3_bench.types.orders import AnyWorker, Delivery, Order


@dataclass(frozen=True)
class Here(Executor):
    """In this process: nothing to start, and no wall between it and the plugins."""

    name = "here"
    title = "In this process"
    isolated = False

    def carry_out(
        self, orders: Sequence[Order], worker: AnyWorker, tell: Callable[[Mapping[str, Any]], None]
    ) -> Iterator[Delivery]:
        """Carry out orders as they come."""
        for order in orders:
            try:
                outcome = worker.carry_out(order)
            except KeyboardInterrupt:
                yield worker.ended(order, "interrupted")
                raise
            yield outcome


@hookimpl
def sparc3_register_executors() -> list[type[Executor]]:
    """Offer the executor."""
    return [Here]
