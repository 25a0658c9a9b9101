"""What is kept of a model at an amount: by a ranking, at random, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from sparc3_bench.graph.step import DIGITS, Hold, Inputs
from sparc3_bench.pruning import NewValues
from sparc3_bench.record.spec import content_key
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.selection.bits import as_bits, put_down
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import Cuts, as_mask, choose, chosen_singly, cuts
from sparc3_bench.selection.units import unit_shapes
from sparc3_bench.types.conventions import UNIFORM
from sparc3_bench.types.groups import Group, pattern_of, tiles_of
from sparc3_bench.types.masks import KeepMask

if TYPE_CHECKING:
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.steps.rank import Rank

DENSE = "dense"
"""Names what removes nothing."""

SELECTION = ("unit", "group", "scope", "schedule", "removal", "amount_kind", "allocation")
"""What says how units are chosen by their scores."""


@dataclass(frozen=True)
class Circuit:
    """What is kept."""

    # by unit: bool, a tensor a matrix (weights) or a block (neurons, heads), True = kept
    kept: Mapping[str, Tensor]
    mask: KeepMask  # the weights and biases that go with it
    values: NewValues | None = None  # what a repair sets anew of what is kept

    @cached_property
    def removes_nothing(self) -> bool:
        """Whether everything is kept."""
        return self.mask.removed + self.mask.removed_biases == 0


@dataclass(frozen=True, eq=False)
class CircuitStep(CellStep[Circuit]):
    """What is kept of a cell's model at an amount."""

    amount: float
    hold = Hold.BATCH
    alike: ClassVar[tuple[str, ...]] = ("model", "scope", "unit", "group", "amount_kind")

    def content(self, at: Place) -> str:
        """Name it by what it removes."""
        return at.content(self, circuit_digest)

    def of(self, kept: Iterable[tuple[str, Tensor]], at: Place) -> Circuit:
        """Return the circuit of kept units; of a model larger than memory its bits are put down."""
        if self.cell.model.streams:
            shapes = unit_shapes(self.cell.blank, self.cell.spec.unit)
            whole: Mapping[str, Tensor] = put_down(kept, shapes, at.spill())
        else:
            whole = dict(kept)
        return Circuit(whole, as_mask(whole, self.cell.blank, self.cell.spec.unit))


@dataclass(frozen=True, eq=False)
class CutsStep(CellStep[Cuts]):
    """Where a ranking is cut at several amounts: its scores are sorted or counted once for all."""

    rank: Rank
    amounts: tuple[float, ...]
    spec = SELECTION

    def make(self, at: Place, got: Mapping[str, Any]) -> Cuts:
        asked = self.cell.spec
        return cuts(got["rank"], self.amounts, asked.group, asked.removal, asked.amount_kind)


@dataclass(frozen=True, eq=False)
class Ranked(CircuitStep):
    """What a ranking keeps."""

    rank: Rank
    spec, unnamed = SELECTION, frozenset({"cuts"})

    @property
    def inputs(self) -> Inputs:
        every = self.cell.spec.amounts
        amounts = every if self.amount in every else (self.amount,)  # one of a search
        return {**super().inputs, "cuts": CutsStep(self.cell, self.rank, amounts)}

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        asked = self.cell.spec
        how: dict[str, Any] = {
            "unit": asked.unit,
            "group": asked.group,
            "removal": asked.removal,
            "kind": asked.amount_kind,
        }
        if self.cell.model.streams:
            return self.of(chosen_singly(got["rank"], self.amount, got["cuts"], **how), at)
        return self.of(choose(got["rank"], self.amount, known=got["cuts"], **how).items(), at)


class Uniform(CircuitStep):
    """What is left when everything in scope goes (amount 1) or stays (0), whoever ranked it."""

    spec, code = ("model", "scope", "unit"), ("adapter",)

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        shapes, place = unit_shapes(self.cell.blank, self.cell.spec.unit), self.cell.model.place
        stays = self.amount == 0
        made = ((n, torch.full(one, stays, device=place(n))) for n, one in shapes.items())
        return self.of(made, at)


@dataclass(frozen=True, eq=False)
class Matched(CircuitStep):
    """A random control: as many kept as a circuit keeps, in every row, pattern, tile or tensor."""

    circuit: CircuitStep
    seed: int
    hold = Hold.USE
    spec, code = ("model", *SELECTION), ("adapter",)

    @property
    def unnamed(self) -> frozenset[str]:
        # Where the amount alone says how many each tensor keeps, it is nobody's.
        counted = self._group == "model" or self.cell.spec.amount_kind == "count"
        return frozenset() if counted else frozenset({"circuit"})

    def content(self, at: Place) -> str:
        """Name it by how many are kept of what, without drawing it."""
        named = {"counts": at.content(self.circuit, _counts), "seed": self.seed}
        group = self._group
        rows = group if pattern_of(group) or tiles_of(group) else group == "row"
        return content_key({**named, "rows": rows, **self.cell.named("unit", "scope")}, DIGITS)

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        group, kept = self._group, got["circuit"].kept
        drawn = (matched({name: kept[name]}, group, self.seed) for name in kept)
        return self.of((one for each in drawn for one in each.items()), at)

    @property
    def _group(self) -> Group:
        """The comparison group, where all groups of a tensor lose as much; else as of a model."""
        spec = self.cell.spec
        return spec.group if spec.allocation == UNIFORM else "model"


def _counts(circuit: Circuit) -> str:
    kept = circuit.kept.items()
    counts = {name: [list(keep.shape), int(keep.count_nonzero())] for name, keep in kept}
    return content_key(counts, DIGITS)


def circuit_digest(circuit: Circuit) -> str:
    """Return a digest of what a circuit leaves out: 24 hex digits, or `DENSE`."""
    if circuit.removes_nothing:
        return DENSE
    digest = hashlib.sha256()
    for kind in (circuit.mask.weights, circuit.mask.biases):
        for name in sorted(kind):
            if not (keep := kind[name]).all():
                digest.update(f"{name} {tuple(keep.shape)} ".encode())
                digest.update(as_bits(keep).numpy().tobytes())
        digest.update(b"/")
    return digest.hexdigest()[:24]
