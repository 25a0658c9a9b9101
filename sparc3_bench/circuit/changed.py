"""A changed model: what a run removes of it at one amount, and the folder that hands it on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from sparc3_bench.circuit.folder import Kind, replacing
from sparc3_bench.circuit.rebuild import Rebuilt
from sparc3_bench.circuit.writer import MASK, parameter_masks, save_bits, save_mask, write_model
from sparc3_bench.comparison.phrasing import units
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.parts import Point
from sparc3_bench.record.result import Result
from sparc3_bench.run.steps.mask import Circuit
from sparc3_bench.run.steps.size import Size, size_of


@dataclass(frozen=True)
class ChangedModel(ABC):
    """A model without what a run removes of it."""

    made: Rebuilt
    """The run, with its circuits."""
    amount: float
    """How much is removed; 0 for nothing."""
    place: str | None
    """Where in its folder the model lies; None for no model."""

    kind: ClassVar[Kind]
    """Which folders it may replace."""
    packs: ClassVar[bool] = False
    """Whether its mask takes a bit a weight; else a byte, which any reader of tensors reads."""

    @abstractmethod
    def add(self, part: Path) -> Mapping[str, Any]:
        """Write what else is in the folder; return what the description says besides the run."""

    @property
    def result(self) -> Result:
        """The record of the run."""
        return self.made.result

    @cached_property
    def circuit(self) -> Circuit:
        """What is kept."""
        return self.made.circuit(self.amount)

    @cached_property
    def size(self) -> Size:
        """How much is removed, and of what."""
        return size_of(self.made.cell, self.circuit)

    @property
    def agreement(self) -> float | None:
        """How far it is what was measured; see `Rebuilt`."""
        return self.made.agreement(self.size, self.amount)

    @property
    def point(self) -> Point:
        """The measurements at the amount, with controls on the same samples where there are any."""
        if self.is_choice:
            return self.result.found.point  # type: ignore[union-attr]
        points = self.result.points
        return next(point for point in points if point.amount.requested == self.amount)

    @property
    def is_choice(self) -> bool:
        """Whether the amount is the one that was looked for."""
        found = self.result.found
        return found is not None and found.point.amount.requested == self.amount

    @property
    def removed(self) -> str:
        """What is removed, in words."""
        count = self.point.amount.units_removed or 0
        return f"{count:,} {units(self.result.spec, count)}"

    @property
    def lost(self) -> dict[str, list[int]]:
        """The numbers of the neurons or heads that go, by layer; of weights none are named."""
        kept = {} if self.result.spec.unit == "weight" else self.circuit.kept
        lost = {layer: (~keep).nonzero().flatten().tolist() for layer, keep in kept.items()}
        return {layer: which for layer, which in lost.items() if which}

    @property
    def dtype(self) -> str:
        """The number format of the model's files."""
        return str(self.made.cell.model.stored_dtype).removeprefix("torch.")

    def check(self) -> None:
        """Refuse to hand on what is not what was measured."""
        counts, recorded = self.size.kept, self.point.kept
        same = all(tuple(counts[role]) == tuple(recorded[role]) for role in recorded)
        if not same or self.agreement not in (1, None):
            raise Sparc3Error(
                f"Scorer '{self.result.spec.scorer.name}' gave other scores when asked again, so "
                "what was measured cannot be saved; it must give the same for the same seed."
            )

    def write(self, folder: Path) -> None:
        """Write the folder; whatever interrupts it, none is left half written under its name.

        An earlier one of this kind is replaced; anything else is refused.
        """
        self.check()
        self.kind.check_free(folder)
        run = {"key": self.result.key, "spec": self.result.spec.model_dump(mode="json")}
        with replacing(folder) as part:
            self.save(part)
            self.kind.write(part, run | dict(self.add(part)))

    def save(self, part: Path) -> None:
        """Write the mask, and the model in the number format of its files."""
        found, view = self.made.cell.model, self.made.view
        if self.place is not None and found.stored_dtype != found.dtype:
            view = found.load(self.result.spec.scope, found.stored_dtype)
        masks, circuit = parameter_masks(view, self.circuit.mask), self.circuit
        (save_bits if self.packs else save_mask)(masks, part / MASK)
        if self.place is not None:
            with view.masked(circuit.mask, circuit.values), self.cut(view):
                write_model(view.model, part / self.place, view.tokenizer, found.folder)

    def cut(self, view: ModelView) -> AbstractContextManager[None]:
        """Make a model as small as it is written, for a while; as large as it is by default."""
        return nullcontext()
