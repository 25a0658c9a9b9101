"""What is kept of a model at an amount: by a ranking, at random, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sparc3_bench.graph.step import Hold, Step
from sparc3_bench.record.spec import content_key
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask, choose
from sparc3_bench.selection.units import unit_shapes
from sparc3_bench.types.masks import KeepMask

if TYPE_CHECKING:
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.steps.rank import Rank

DENSE = "dense"
"""Names what removes nothing."""


@dataclass(frozen=True)
class Circuit:
    """What is kept.

    Attributes
    ----------
    kept
        By unit: bool, a tensor a matrix (weights) or a block (neurons, heads), True = kept.
    mask
        The weights and biases that go with it.
    """

    kept: Mapping[str, Tensor]
    mask: KeepMask

    @property
    def removes_nothing(self) -> bool:
        """Whether everything is kept."""
        return self.mask.removed + self.mask.removed_biases == 0


@dataclass(frozen=True, eq=False)
class CircuitStep(Step[Circuit]):
    """What is kept of a cell's model at an amount."""

    cell: Cell
    amount: float
    hold = Hold.BATCH

    def content(self, at: Place) -> str:
        """Name it by what it removes."""
        return circuit_digest(at.get(self))

    def like(self) -> Mapping[str, Any]:
        """All circuits of one model that are chosen in the same set."""
        return self.cell.named("model", "scope", "unit", "group", "amount_kind")


@dataclass(frozen=True, eq=False)
class Ranked(CircuitStep):
    """What a ranking keeps."""

    rank: Rank

    @property
    def recipe(self) -> Mapping[str, Any]:
        """How much goes, in which set, from which end."""
        return {"amount": self.amount, **selection_of(self.cell)}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The ranking."""
        return {"rank": self.rank}

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        """Choose."""
        spec = self.cell.spec
        kept = choose(
            got["rank"],
            self.amount,
            unit=spec.unit,
            group=spec.group,
            removal=spec.removal,
            kind=spec.amount_kind,
        )
        return Circuit(kept, as_mask(kept, self.cell.blank, spec.unit))


@dataclass(frozen=True, eq=False)
class Uniform(CircuitStep):
    """What is left when everything in scope goes (amount 1) or stays (0), whoever ranked it."""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The model, and what is removed as a whole."""
        named = {"amount": self.amount, **self.cell.named("model", "scope", "unit")}
        return {**named, **self.cell.made_by("adapter")}

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        """Keep all or nothing."""
        shapes = unit_shapes(self.cell.blank, self.cell.spec.unit)
        kept = {name: torch.full(shape, self.amount == 0) for name, shape in shapes.items()}
        return Circuit(kept, as_mask(kept, self.cell.blank, self.cell.spec.unit))


@dataclass(frozen=True, eq=False)
class Matched(CircuitStep):
    """A random control: as many kept as a circuit keeps, in every row or tensor."""

    of: CircuitStep
    seed: int
    hold = Hold.USE

    @property
    def recipe(self) -> Mapping[str, Any]:
        """What it is drawn from; where the amount alone says how many, not whose circuit it is."""
        told = {"amount": self.amount, **selection_of(self.cell), **self.cell.named("model")}
        # Where nothing is kept there is nothing to draw.
        return told if self._is_empty else {**told, "seed": self.seed}

    @property
    def inputs(self) -> Mapping[str, Step[Any]]:
        """The circuit."""
        return {"of": self.of}

    @property
    def named_by(self) -> Mapping[str, Step[Any]]:
        """The circuit, where it decides how many each tensor keeps."""
        spec = self.cell.spec
        counted = spec.group == "model" or spec.amount_kind == "count"
        return self.inputs if counted and not self._is_empty else {}

    def content(self, at: Place) -> str:
        """Name it by how many are kept of what, without drawing it."""
        kept = at.get(self.of).kept
        counts = {n: [list(keep.shape), int(keep.count_nonzero())] for n, keep in kept.items()}
        some = any(count for _, count in counts.values())
        named = {"counts": counts, **self.cell.named("unit", "scope")}
        rows = self.cell.spec.group == "row"
        return content_key({**named, "rows": rows, "seed": self.seed if some else None})

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        """Draw it."""
        kept = matched(got["of"].kept, self.cell.spec.group, self.seed)
        return Circuit(kept, as_mask(kept, self.cell.blank, self.cell.spec.unit))

    @property
    def _is_empty(self) -> bool:
        return self.amount == 1 and self.cell.spec.amount_kind == "fraction"


def selection_of(cell: Cell) -> dict[str, Any]:
    """Return what says how units are chosen by their scores."""
    return cell.named("unit", "group", "scope", "schedule", "removal", "amount_kind")


def circuit_digest(circuit: Circuit) -> str:
    """Return a digest of what a circuit leaves out: 24 hex digits, or `DENSE`."""
    if circuit.removes_nothing:
        return DENSE
    digest = hashlib.sha256()
    for kind in (circuit.mask.weights, circuit.mask.biases):
        for name in sorted(kind):
            if not kind[name].all():
                digest.update(f"{name} {tuple(kind[name].shape)} ".encode())
                digest.update(np.packbits(kind[name].cpu().numpy()).tobytes())
        digest.update(b"/")
    return digest.hexdigest()[:24]
