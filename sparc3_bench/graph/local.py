"""Local: makes steps in this process, each once, and keeps what is worth keeping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from sparc3_bench.graph.codec import AsLazyTensors
from sparc3_bench.graph.cost import NOTHING, Meter, Passed, metered
from sparc3_bench.graph.drive import Recipe, drive
from sparc3_bench.graph.step import Hold, Key, Step, each
from sparc3_bench.graph.store import Kept, Store
from sparc3_bench.record.parts import Phase

T = TypeVar("T")


class _MadeElsewhereError(Exception):
    """Another process makes a step, and there are others to make in the meantime."""


class Local:
    """Gives the values of steps: from memory, from the store, or by making them.

    What is kept is made by one process at a time of all that share the store.
    """

    def __init__(self, store: Store) -> None:
        self.store, self.label = store, ""  # what steps are made for, in words
        self.meter = Meter()
        """Of the step that is being made."""
        self.promised: set[Key] = set()
        """Names of what will have been left behind by then, where all this is a forecast."""
        self._held: dict[Key, tuple[Hold, Kept]] = {}
        self._also: dict[Key, Key] = {}
        self._contents: dict[tuple[Key, str], str] = {}
        self._costs: dict[Key, tuple[str, Phase]] = {}
        self._counted: set[Key] = set()
        self._wait = True
        self._making = 0

    def passed(self) -> Passed:
        """Return how many tokens have gone through models so far."""
        return Passed()

    def get(self, step: Step[T]) -> T:
        """Return the value of a step."""
        return cast("T", self._entry(step).value)

    def also(self, step: Step[Any]) -> Key:
        """Return the name of a step by its content, or by its recipe where it has no other."""
        if step.key not in self._also:
            self._also[step.key] = step.also(self) or step.key
        return self._also[step.key]

    def content(self, step: Step[T], tell: Callable[[T], str]) -> str:
        """Return what tells the value of a step by what is in it, found out once."""
        known = step.key, tell.__qualname__
        if known not in self._contents:
            self._contents[known] = tell(self.get(step))
        return self._contents[known]

    def find(self, step: Step[Any]) -> Kept | None:
        """Return what is in memory or kept of a step under one of its names, making nothing of it.

        Its inputs may be made, where they are the only way to its other name.
        """
        if step.key in self._held:
            return self._held[step.key][1]
        codec, kind = step.codec, type(step).__name__
        if codec is None:
            return None
        entry = self.store.read(kind, step.key, codec)
        if entry is None and (other := self.also(step)) != step.key:
            entry = self.store.read(kind, other, codec)
            if entry is not None:
                self.store.link(kind, step.key, other)
        return entry

    def put(self, step: Step[T], value: T) -> None:
        """Hold the value of a step that was made beside another one."""
        self._held[step.key] = (step.hold, Kept(value, NOTHING))

    def run(self, recipe: Recipe[Step[T]]) -> T:
        """Run a recipe, and return the value of the step that it ends in."""
        self._costs, self._counted = {}, set()
        try:
            return self.get(drive(recipe, self._batch))
        finally:
            self.release(Hold.RUN)

    def costs(self) -> dict[str, list[Phase]]:
        """Return by phase what the steps behind the present recipe cost, each once.

        Also of those that were not looked at, as what is made from them is there.
        """
        found: dict[str, list[Phase]] = {}
        for phase, cost in self._costs.values():
            found.setdefault(phase, []).append(cost)
        return found

    def release(self, hold: Hold) -> None:
        """Forget the values that are held for so long, or shorter."""
        self._held = {key: one for key, one in self._held.items() if one[0] > hold}

    def forget(self, names: Iterable[str]) -> None:
        """Take back what was written under these names, and all in memory; see `Store.forget`."""
        self.release(Hold.SESSION)
        for known in (self._also, self._contents, self._costs):
            known.clear()
        self.store.forget(names)

    def _batch(self, wanted: Sequence[Step[Any]]) -> Sequence[Any]:
        values: dict[int, Any] = {}
        try:
            # First what nobody makes, then what others have made by then, or are waited for.
            for wait in (False, True):
                self._wait = wait
                for place, step in enumerate(wanted):
                    if place not in values:
                        with suppress(_MadeElsewhereError):
                            values[place] = self.get(step)
        finally:
            self._wait = True
        self.release(Hold.BATCH)
        return [values[place] for place in range(len(wanted))]

    def _entry(self, step: Step[Any]) -> Kept:
        entry = self.find(step)
        if entry is None:
            entry = self._made(step)
        else:
            self._count_behind(step)
        if step.hold > Hold.USE:
            self._held[step.key] = (step.hold, entry)
        if step.phase:
            self._costs.setdefault(entry.name or step.key, (step.phase, entry.cost))
        return entry

    def _count_behind(self, step: Step[Any]) -> None:
        if step.key in self._counted:
            return
        self._counted.add(step.key)
        for one in each(step.inputs):
            if one.phase and one.codec and one.key not in self._counted:
                kept = self.store.header(type(one).__name__, one.key, one.codec)
                if kept is not None:
                    self._costs.setdefault(kept.name, (one.phase, kept.cost))
            self._count_behind(one)

    def _made(self, step: Step[Any]) -> Kept:
        if (codec := step.codec) is None:
            return self._make(step)
        kind, name = type(step).__name__, self.also(step)
        # Inside a step there is nothing else to do.
        wait = self._wait or self._making > 0
        lease = self.store.lease(kind, name, self.label, wait=wait)
        if lease is None:
            raise _MadeElsewhereError
        with lease:
            entry = self.store.read(kind, name, codec)
            if entry is None:
                made = self._make(step)
                entry = Kept(made.value, made.cost, name)
                self.store.write(kind, name, codec, entry)
                if isinstance(codec, AsLazyTensors):  # what was made need not stay in memory
                    entry = self.store.read(kind, name, codec) or entry
            else:  # by whom it was waited for
                self._count_behind(step)
        self.store.link(kind, step.key, name)
        return entry

    def _make(self, step: Step[Any]) -> Kept:
        got = {
            name: self.get(one) if isinstance(one, Step) else [self.get(step) for step in one]
            for name, one in step.inputs.items()
        }
        with metered(self.passed) as meter:
            outer, self.meter = self.meter, meter
            self._making += 1
            try:
                value = step.make(self, got)
            finally:
                self.meter = outer
                self._making -= 1
        return Kept(value, meter.phase)
