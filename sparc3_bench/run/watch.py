"""Watch: sees how a long step goes, and ends it when that is enough to tell what it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from sparc3_bench.graph.cost import Passed, settle
from sparc3_bench.graph.forecast import Cost
from sparc3_bench.run.progress import Reporter
from sparc3_bench.types.values import Progress


class Enough(BaseException):
    """Ends a trial from within. Like an interruption, no plugin takes it for an error."""


class Watch(Reporter):
    """Says what is going on, counts tokens, and ends a step that was seen for `limit` seconds."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit
        self.passed: Callable[[], Passed] = Passed
        self._cuts = False
        self._forget()

    def cutting(self) -> AbstractContextManager[Any]:
        """End what takes longer than the limit."""
        return patch.object(self, "_cuts", new=True)

    @contextmanager
    def steps(self, label: str) -> Iterator[Progress]:
        """Report the steps of one phase, until the limit."""
        with super().steps(label) as shown:
            self._forget()

            def step(done: int, total: int) -> None:
                shown(done, total)
                settle()
                self._marks.append((time.perf_counter(), self.passed(), done, total))
                late = self._marks[-1][0] - self._began[0] > self.limit
                if late and self._cuts and done < total and len(self._marks) > 1:
                    raise Enough

            yield step

    def extrapolated(self) -> Cost:
        """Return what the phase that was ended would have cost.

        Steps are taken to cost the same, and what came before the first as it was.
        """
        (first, passed, done, total), (last, at_last, reached, _) = self._marks[0], self._marks[-1]
        share, (began, before) = reached - done, self._began
        one = share / (len(self._marks) - 1)

        def whole(before: float, since: float) -> float:
            return max(0.0, before - since * one / share) + since * total / share

        return Cost(
            seconds=whole(first - began, last - first),
            tokens=whole(passed.tokens - before.tokens, at_last.tokens - passed.tokens),
            flops=whole(passed.flops - before.flops, at_last.flops - passed.flops),
        )

    def _forget(self) -> None:
        self._began = time.perf_counter(), self.passed()
        self._marks: list[tuple[float, Passed, int, int]] = []
