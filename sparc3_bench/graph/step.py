"""Step: a thing that is made from other things, and its two names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sparc3_bench.record.spec import content_key
from sparc3_bench.source import code_of, libraries_of

if TYPE_CHECKING:
    from sparc3_bench.graph.store import Codec

Key = str
"""Hex digits that name a thing."""

T = TypeVar("T")


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

    Subclasses say what it is made of and how; nothing else computes. A frozen dataclass with
    ``eq=False`` serves: two steps of one `key` are one.
    """

    phase: str = ""
    """Under which word a record counts its cost; none where it is not counted."""
    hold: ClassVar[Hold] = Hold.RUN
    """How long its value stays in memory."""

    @property
    @abstractmethod
    def recipe(self) -> Mapping[str, Any]:
        """What it depends on beside its inputs and the code that makes it, as JSON."""

    @property
    def inputs(self) -> Mapping[str, Step[Any] | Sequence[Step[Any]]]:
        """The steps whose values it is made from."""
        return {}

    @property
    def named_by(self) -> Mapping[str, Step[Any] | Sequence[Step[Any]]]:
        """Those of the inputs that its name depends on."""
        return self.inputs

    @property
    def codec(self) -> Codec | None:
        """How its value is kept; None for what is made again when it is needed."""
        return None

    @cached_property
    def key(self) -> Key:
        """Names it by its recipe: kind, code, parameters and inputs, known before it is made."""
        cls = type(self)
        return content_key(
            {
                "kind": cls.__name__,
                "code": code_of(cls),
                "libraries": libraries_of(cls),
                "recipe": self.recipe,
                "inputs": {name: _keys(one) for name, one in self.named_by.items()},
            }
        )

    def also(self, at: Any) -> Key | None:
        """Name it by what its inputs turned out to be; None where nothing but the recipe tells.

        Two steps that agree in this are made once, however they came about. `at` gives the values
        and names of inputs, which may have to be made for it.
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


def each(inputs: Mapping[str, Step[Any] | Sequence[Step[Any]]]) -> Iterator[Step[Any]]:
    """Yield all steps of a mapping of inputs."""
    for one in inputs.values():
        if isinstance(one, Step):
            yield one
        else:
            yield from one


def _keys(one: Step[Any] | Sequence[Step[Any]]) -> Key | list[Key]:
    return one.key if isinstance(one, Step) else [step.key for step in one]
