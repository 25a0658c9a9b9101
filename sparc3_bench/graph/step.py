"""Step: a thing that is made from other things, and its two names."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sparc3_bench.record.spec import content_key
from sparc3_bench.source import code_of, libraries_of

if TYPE_CHECKING:
    from sparc3_bench.graph.codec import Codec

Key = str
"""Hex digits that name a thing."""
DIGITS = 32
"""In a key: of a store's million steps no two have the same."""

T = TypeVar("T")
Inputs = Mapping[str, "Step[Any] | Sequence[Step[Any]]"]


class Hold(IntEnum):
    """How long a value that was made stays in memory."""

    USE = 0
    """Until whoever asked for it is made."""
    BATCH = 1
    """Until all that the recipe asked for at once is there."""
    RUN = 2
    """Until the recipe ends."""
    SESSION = 3
    """Until something takes its place: see `Local.release`."""


class Step(ABC, Generic[T]):
    """A thing that is made from other things; it holds their names, never what they are.

    Subclasses are frozen dataclasses with ``eq=False``: two steps of one `key` are one. Fields that
    are steps, or sequences of steps, are the inputs; plain values are part of the recipe.
    """

    hold: ClassVar[Hold] = Hold.RUN
    """How long its value stays in memory."""

    @property
    def phase(self) -> str:
        """Under which word a record counts its cost; none where it is not counted."""
        return ""

    @property
    def codec(self) -> Codec | None:
        """How its value is kept; None for what is made again when it is needed."""
        return None

    @property
    def recipe(self) -> dict[str, Any]:
        """What it depends on beside its inputs and the code that makes it, as JSON."""
        return {name: value for name, value in self._fields() if _is_plain(value)}

    @property
    def inputs(self) -> Inputs:
        """The steps whose values it is made from."""
        return {name: value for name, value in self._fields() if _is_input(value)}

    @property
    def unnamed(self) -> frozenset[str]:
        """Names of inputs that are needed to make it and do not change what it is."""
        return frozenset()

    @cached_property
    def key(self) -> Key:
        """Names it by its recipe: kind, code, parameters and inputs, known before it is made."""
        named = self.inputs.items()
        inputs = {
            name: one.key if isinstance(one, Step) else [step.key for step in one]
            for name, one in named
            if name not in self.unnamed
        }
        return self.named({"recipe": self.recipe, "inputs": inputs})

    def named(self, told: Mapping[str, Any]) -> Key:
        """Return a name by what is told as JSON, the kind, and the code that makes it."""
        cls = type(self)
        made_by = {"kind": cls.__name__, "code": code_of(cls), "libraries": libraries_of(cls)}
        return content_key({"made by": made_by, "of": told}, DIGITS)

    def also(self, at: Any) -> Key | None:
        """Name it by what its inputs turned out to be; None where nothing but the recipe tells.

        Two steps that agree in this are made once, however they came about. `at` gives the values
        and names of inputs, which may have to be made for it. See `named`.
        """
        return None

    @abstractmethod
    def make(self, at: Any, got: Mapping[str, Any]) -> T:
        """Make it from the values of its inputs; the only code that computes."""

    def guess(self) -> T | None:
        """Return what a plan takes for the value of a decision: the one with most to do after it.

        None for what no recipe looks into.
        """
        return None

    def like(self) -> Mapping[str, Any] | None:
        """Return what its cost depends on, as JSON: of one kind one is tried; None: not counted."""
        return None

    def units(self, at: Any) -> float:
        """Return how many times the unit of cost of its kind it takes, e.g. tokens it reads."""
        return 1.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key})"

    def _fields(self) -> Iterator[tuple[str, Any]]:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            yield field.name, getattr(self, field.name)


def each(inputs: Inputs) -> Iterator[Step[Any]]:
    """Yield all steps of a mapping of inputs."""
    for one in inputs.values():
        yield from [one] if isinstance(one, Step) else one


def _is_input(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, Step) for one in value)
    return isinstance(value, Step)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(one) for one in value)
    return isinstance(value, str | int | float)
