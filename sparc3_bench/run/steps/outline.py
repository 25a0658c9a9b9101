"""What there is to say of a circuit: its size, where it is, and how it compares with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from sparc3_bench.graph.step import Step
from sparc3_bench.graph.store import AsJson
from sparc3_bench.record.parts import Amount, Point, Sketch
from sparc3_bench.selection.membership import (
    DIGITS,
    MOST_SKETCHED,
    jaccard,
    rank_correlation,
    spaced,
    stride,
)
from sparc3_bench.selection.units import unit_shapes

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.steps.mask import Circuit, CircuitStep
    from sparc3_bench.run.steps.rank import Rank


class Size(BaseModel):
    """How much a circuit leaves out, and of what."""

    model_config = ConfigDict(frozen=True)

    in_scope: float
    in_model: float
    weights_removed: int
    units_removed: int | None
    kept: dict[str, tuple[int, ...]]
    """By role of the matrix, how many weights every decoder block keeps."""
    sampled: str
    """Of evenly spaced units which are kept, a digit each."""

    @classmethod
    def of(cls, point: Point) -> Size:
        """Return what a record says of a circuit, which has no sample of it."""
        return cls(**point.amount.model_dump(exclude={"requested"}), kept=point.kept, sampled="")

    def amount(self, requested: float) -> Amount:
        """Return it as a record says it, given what was asked for."""
        return Amount(requested=requested, **self.model_dump(exclude={"kept", "sampled"}))


@dataclass(frozen=True, eq=False)
class Outline(Step[Size]):
    """The size of a circuit, and a sample of it."""

    cell: Cell
    circuit: CircuitStep | None
    codec = AsJson(Size)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The model, and what is removed as a whole."""
        return {**self.cell.named("model", "scope", "unit"), **self.cell.made_by("adapter")}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The circuit."""
        return {"circuit": self.circuit} if self.circuit else {}

    def like(self) -> Mapping[str, Any]:
        """All of one model."""
        return self.cell.named("model", "scope", "unit")

    def make(self, at: Place, got: Mapping[str, Any]) -> Size:
        """Count."""
        return size_of(self.cell, got.get("circuit"))


@dataclass(frozen=True, eq=False)
class Membership(Step[Sketch | None]):
    """At how many amounts each of some evenly spaced units is kept.

    Circuits of one ranking are nested, so the count says which of them a unit belongs to.
    """

    cell: Cell
    outlines: Sequence[Outline]

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Nothing beside the circuits."""
        return {}

    @property
    def inputs(self) -> Mapping[str, Sequence[Step[Any]]]:
        """The sizes of the circuits at all amounts."""
        return {"outlines": self.outlines}

    def make(self, at: Place, got: Mapping[str, Any]) -> Sketch | None:
        """Add up; None when there are more amounts than digits."""
        if len(got["outlines"]) >= len(DIGITS):
            return None
        samples = zip(*(one.sampled for one in got["outlines"]), strict=True)
        levels = [sum(map(int, unit)) for unit in samples]
        units = units_of(self.cell)
        text = "".join(DIGITS[level] for level in levels)
        return Sketch(units=units, stride=stride(units, MOST_SKETCHED), levels=text)


@dataclass(frozen=True, eq=False)
class RankLikeness(Step[float]):
    """The rank correlation of two rankings of the same units."""

    rank: Rank
    other: Rank
    codec = AsJson(float)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Nothing beside the rankings."""
        return {}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """Both rankings."""
        return {"rank": self.rank, "other": self.other}

    def make(self, at: Place, got: Mapping[str, Any]) -> float:
        """Correlate."""
        return rank_correlation(got["rank"], got["other"])


@dataclass(frozen=True, eq=False)
class Overlap(Step[float]):
    """Kept by both of two circuits over kept by either."""

    circuit: CircuitStep
    other: CircuitStep
    codec = AsJson(float)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Nothing beside the circuits."""
        return {}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """Both circuits."""
        return {"circuit": self.circuit, "other": self.other}

    def make(self, at: Place, got: Mapping[str, Any]) -> float:
        """Count."""
        return jaccard(got["circuit"].kept, got["other"].kept)


def size_of(cell: Cell, circuit: Circuit | None) -> Size:
    """Return how much a circuit leaves out; None is the dense model."""
    view, counts, total = cell.blank, dict[str, list[int]](), 0
    for name, weight in view.weights().items():
        mask = circuit.mask.weights.get(name) if circuit else None
        row = counts.setdefault(str(weight.role), [0] * len(view.blocks))
        whole = weight.matrix.numel()
        row[weight.block] += whole if mask is None else int(mask.count_nonzero())
        total += whole
    units = units_of(cell)
    every = stride(units, MOST_SKETCHED)
    if circuit is None:
        removed = biases = gone = 0
        sampled = "1" * -(-units // every)
    else:
        removed, biases = circuit.mask.removed, circuit.mask.removed_biases
        gone = sum(mask.numel() - int(mask.count_nonzero()) for mask in circuit.kept.values())
        sampled = "".join(map(str, spaced(circuit.kept, every).int().tolist()))
    return Size(
        in_scope=removed / total,
        in_model=(removed + biases) / view.parameters,
        weights_removed=removed,
        units_removed=gone,
        kept={role: tuple(row) for role, row in counts.items()},
        sampled=sampled,
    )


def units_of(cell: Cell) -> int:
    """Return how many units are ranked."""
    shapes = unit_shapes(cell.blank, cell.spec.unit).values()
    return sum(shape.numel() for shape in shapes)
