"""Forecast: which steps of recipes are there, which are new, and what those will cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.cost import NOTHING
from sparc3_bench.graph.drive import Recipe, drive
from sparc3_bench.graph.local import Local
from sparc3_bench.graph.step import DIGITS, Key, Step, each
from sparc3_bench.graph.store import Kept
from sparc3_bench.record.parts import Phase
from sparc3_bench.record.spec import content_key

HANDLING = "handling"
"""The phase of steps whose cost no record counts."""

_ADDED = ("seconds", "tokens", "flops")
"""What adds up of costs; of memory the most counts."""


class Cost(BaseModel):
    """What something costs.

    `seconds` of wall time; `tokens` through the model, padding included; `flops`, as in `Phase`;
    `peak_bytes`, the most memory that is resident at once; `device_bytes`, that of an accelerator.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float = 0.0
    tokens: float = 0.0
    flops: float = 0.0
    peak_bytes: int = 0
    device_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        pairs = {name: (value, getattr(other, name)) for name, value in self}
        return Cost(**{n: sum(both) if n in _ADDED else max(both) for n, both in pairs.items()})

    @classmethod
    def of(cls, phase: Phase) -> Cost:
        """Return the cost of a phase."""
        return cls(
            seconds=phase.seconds,
            tokens=phase.tokens or 0,
            flops=phase.flops or 0,
            peak_bytes=phase.peak_bytes,
            device_bytes=phase.device_bytes or 0,
        )

    def times(self, factor: float) -> Cost:
        """Return the cost of so many of it, one after the other."""
        return self.model_copy(update={name: getattr(self, name) * factor for name in _ADDED})


class Rate(BaseModel):
    """A cost that grows with how much there is to do."""

    model_config = ConfigDict(frozen=True)

    each: Cost = Cost()
    fixed: Cost = Cost()
    in_part: bool = False
    """Whether it was tried in part only."""

    def at(self, units: float) -> Cost:
        """Return the cost of so many units."""
        return self.fixed + self.each.times(units)


@dataclass
class Foreseen:
    """What one recipe will take."""

    there: int = 0
    """How many of its steps are kept already."""
    new: dict[Key, str] = field(default_factory=dict)
    """By key, the kind of every step that it makes."""
    shared: dict[Key, tuple[str, str]] = field(default_factory=dict)
    """By key, the kind of every new step that a recipe before it makes, and which one that is."""
    phases: dict[str, Cost] = field(default_factory=dict)
    """By the phase of a record, the cost of what is new."""

    @property
    def cost(self) -> Cost:
        """All phases together."""
        return sum(self.phases.values(), Cost())

    def add(self, phase: str, cost: Cost) -> None:
        """Add to a phase."""
        self.phases[phase] = self.phases.get(phase, Cost()) + cost


class Forecast:
    """Goes through recipes in order without making anything, but for what tells a cost.

    A step of a kind that was never tried on this machine is tried by `probe`, and that is kept;
    `machine` says what costs depend on beside the kind. With `anew` nothing that is kept counts, as
    steps stand for others.
    """

    _RATE = "Rate"

    def __init__(
        self, at: Local, probe: Callable[[Step[Any]], Rate], machine: str, *, anew: bool = False
    ) -> None:
        self._at, self._probe, self._machine, self._anew = at, probe, machine, anew
        self._rates: dict[Key, Rate] = {}
        self._seen: dict[Key, str | None] = {}
        self.probed = 0

    @property
    def in_part(self) -> int:
        """How many of the kinds that were met had been tried in part only."""
        return sum(rate.in_part for rate in self._rates.values())

    def of(self, recipe: Recipe[Step[Any]], name: str) -> Foreseen:
        """Return what a recipe, to be called by a name, will take after those before it."""
        found, own = Foreseen(), set[Key]()

        def guessed(step: Step[Any]) -> Any:
            self._note(step, found, own, name)
            codec = None if self._anew else step.codec
            kept = codec and self._at.store.read(type(step).__name__, step.key, codec)
            return kept.value if kept else step.guess()

        def guesses(wanted: Sequence[Step[Any]]) -> Sequence[Any]:
            return [guessed(step) for step in wanted]

        self._note(drive(recipe, guesses), found, own, name)
        return found

    def _note(self, step: Step[Any], found: Foreseen, own: set[Key], name: str) -> None:
        """Count a step that is needed, and if it is new all that it is made from."""
        if step.key in own:
            return
        own.add(step.key)
        kind, codec = type(step).__name__, step.codec
        if step.key not in self._seen:
            known = codec and not self._anew
            kept = self._at.store.header(kind, step.key, codec) if known and codec else None
            self._seen[step.key] = name if kept is None else None
            if kept is None:
                for one in each(step.inputs):
                    self._note(one, found, own, name)
                self._at.promised.add(step.key)
                found.add(step.phase or HANDLING, self._cost(step))
                if codec is not None:
                    found.new[step.key] = kind
                return
        elif (maker := self._seen[step.key]) is not None:
            if codec is not None:
                found.shared[step.key] = kind, maker
            return
        found.there += 1

    def _cost(self, step: Step[Any]) -> Cost:
        like = step.like()
        return Cost() if like is None else self._rate(step, like).at(step.units(self._at))

    def _rate(self, step: Step[Any], like: Any) -> Rate:
        key = content_key([type(step).__name__, like, self._machine], DIGITS)
        if key not in self._rates:
            store, codec = self._at.store, AsJson(Rate)
            kept = store.read(self._RATE, key, codec)
            if kept is None:
                self.probed += 1
                kept = Kept(self._probe(step), NOTHING)
                store.write(self._RATE, key, codec, kept)
            self._rates[key] = kept.value
        return self._rates[key]
