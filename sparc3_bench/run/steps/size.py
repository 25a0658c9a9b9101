"""What there is to say of a circuit: its size, where it is, and how it compares with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.graph.codec import AsJson
from sparc3_bench.graph.step import Step
from sparc3_bench.record.parts import Amount, Point, Sketch
from sparc3_bench.record.spec import OnDisk
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.selection.membership import (
    DIGITS,
    MOST_SKETCHED,
    jaccard,
    rank_correlation,
    spaced,
    stride,
)
from sparc3_bench.selection.units import count_units

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.steps.mask import Circuit, CircuitStep
    from sparc3_bench.run.steps.rank import Rank


class Size(OnDisk):
    """How much a circuit leaves out, and of what."""

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
class CircuitSize(CellStep[Size]):
    """The size of a circuit, and a sample of it; of the dense model without one."""

    circuit: CircuitStep | None
    codec = AsJson(Size)
    spec, code, alike = ("model", "scope", "unit"), ("adapter",), ("model", "scope", "unit")

    def make(self, at: Place, got: Mapping[str, Any]) -> Size:
        return size_of(self.cell, got.get("circuit"))


@dataclass(frozen=True, eq=False)
class Membership(CellStep[Sketch | None]):
    """At how many amounts each of some evenly spaced units is kept; None for too many amounts.

    Circuits of one ranking are nested, so the count says which of them a unit belongs to.
    """

    sizes: Sequence[CircuitSize]

    def make(self, at: Place, got: Mapping[str, Any]) -> Sketch | None:
        if len(self.sizes) >= len(DIGITS):
            return None
        samples = zip(*(one.sampled for one in got["sizes"]), strict=True)
        levels = "".join(DIGITS[sum(map(int, unit))] for unit in samples)
        units = count_units(self.cell.blank, self.cell.spec.unit)
        return Sketch(units=units, stride=stride(units, MOST_SKETCHED), levels=levels)


@dataclass(frozen=True, eq=False)
class RankLikeness(Step[float]):
    """The rank correlation of two rankings of the same units."""

    rank: Rank
    other: Rank
    codec = AsJson(float)

    def make(self, at: Place, got: Mapping[str, Any]) -> float:
        return rank_correlation(got["rank"], got["other"])


@dataclass(frozen=True, eq=False)
class CircuitOverlap(Step[float]):
    """Kept by both of two circuits over kept by either."""

    circuit: CircuitStep
    other: CircuitStep
    codec = AsJson(float)

    def make(self, at: Place, got: Mapping[str, Any]) -> float:
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
    units = count_units(view, cell.spec.unit)
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
