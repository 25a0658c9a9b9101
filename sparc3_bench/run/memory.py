"""Memory: parts of a long evaluation, kept as they are measured, so that none is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from sparc3_bench.graph.cost import NOTHING, Meter, Passed, device_peak, passed_between, peak
from sparc3_bench.record.parts import Phase
from sparc3_bench.record.spec import OnDisk

if TYPE_CHECKING:
    from sparc3_bench.graph.store import Store
    from sparc3_bench.model.view import ModelView

_KIND = "Memory"


class Line(OnDisk):
    """One line of the file: what was measured together, and what it cost."""

    values: dict[str, JsonValue]
    phase: Phase


class StoredMemory:
    """What was measured on a model as it is now, a line of a file in a store a batch.

    The `key` names the file after all that determines the values but for their own names. The meter
    is told of every batch that is recalled its share of what measuring cost at the time.
    """

    def __init__(self, store: Store, key: str, passed: Callable[[], Passed], meter: Meter) -> None:
        self._store, self._key, self._passed, self._meter = store, key, passed, meter
        self._begin()

    def recall(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Return the values that are known."""
        asked, found = set(names), {}
        for batch in self._batches():
            here = {name: batch.values[name] for name in asked & set(batch.values)}
            asked -= set(here)
            found.update(here)
            self._meter.recall(_share(batch, len(here)))
        self._begin()
        return found

    def keep(self, values: Mapping[str, Any]) -> None:
        """Add values to the file, with the time and the tokens since the last ones."""
        phase = Phase(
            seconds=round(time.perf_counter() - self._time, 3),
            peak_bytes=peak(),
            device_bytes=device_peak(),
            **passed_between(self._before, self._passed()),
        )
        line = Line(values=dict(values), phase=phase)
        self._store.append(_KIND, self._key, line.model_dump(mode="json"))
        self._begin()

    def _begin(self) -> None:
        self._time, self._before = time.perf_counter(), self._passed()

    def _batches(self) -> Iterator[Line]:
        for line in self._store.lines(_KIND, self._key):
            with suppress(ValueError):
                yield Line.model_validate(line)


@contextmanager
def remembering(
    model: ModelView, store: Store, key: str, passed: Callable[[], Passed], meter: Meter
) -> Iterator[None]:
    """Give a model a memory for a while; `passed` tells what has gone through it."""
    model.memory = StoredMemory(store, key, passed, meter)
    try:
        yield
    finally:
        model.memory = None


def _share(batch: Line, count: int) -> Phase:
    """Return what `count` values of a batch cost."""
    if not count:
        return NOTHING
    share, phase = count / len(batch.values), batch.phase
    counts = phase.model_dump(include={*Passed._fields}, exclude_none=True)
    return Phase(
        seconds=round(phase.seconds * share, 3),
        peak_bytes=phase.peak_bytes,
        device_bytes=phase.device_bytes,
        **{name: round(known * share) for name, known in counts.items()},
    )
