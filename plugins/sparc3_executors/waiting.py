"""Waiting: orders that nobody has taken yet, dealt out so that workers keep their models."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc3_bench.types.orders import Order


class Waiting:
    """Orders by model, in their order; for any number of threads."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._of: dict[str, deque[Order]] = {}
        for order in orders:
            self._of.setdefault(order.model, deque()).append(order)
        self._lock, self._closed = threading.Lock(), False
        self._have: Counter[str] = Counter()

    def close(self) -> None:
        """Give no more."""
        self._closed = True

    def take(self, model: str) -> Order | None:
        """Return the next order of the model that a worker has, or else of another.

        Of that with most left to do for each worker that has it; "" for a worker without a model.
        """
        with self._lock:
            if self._closed or not self._of:
                return None
            if model not in self._of:
                self._have[model] -= 1
                model = max(self._of, key=lambda one: len(self._of[one]) / (1 + self._have[one]))
                self._have[model] += 1
            order = self._of[model].popleft()
            if not self._of[model]:
                del self._of[model]
            return order

    def give_back(self, order: Order) -> None:
        """Take back an order whose worker is lost; it is the next of its model."""
        with self._lock:
            self._have[order.model] -= 1
            self._of.setdefault(order.model, deque()).appendleft(order)
