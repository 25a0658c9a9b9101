"""How much goes of each comparison group, as an allocation says, and what is kept then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sparc3_bench.attribution.objectives import find_objective
from sparc3_bench.graph.codec import AsTensors
from sparc3_bench.graph.step import Inputs
from sparc3_bench.pruning import Allocation, Allotting
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.steps.facts import general_content, general_reference, learned
from sparc3_bench.run.steps.mask import SELECTION, Circuit, CircuitStep
from sparc3_bench.run.steps.model import CellStep
from sparc3_bench.run.steps.rank import Rank
from sparc3_bench.selection.allocate import allotted, grouped
from sparc3_bench.selection.select import as_mask

if TYPE_CHECKING:
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.pruning import GroupShares
    from sparc3_bench.run.place import Place
    from sparc3_bench.types.groups import Group


@dataclass(frozen=True, eq=False)
class Allotment(CellStep[Mapping[str, Tensor]]):
    """Which share of each comparison group goes at an amount."""

    amount: float
    rank: Rank
    spec, code, codec = ("model", *SELECTION), ("allocation", "adapter"), AsTensors(dict, dict)
    alike = ("model", *SELECTION)

    @property
    def phase(self) -> str:
        return self.cell.phase

    @property
    def with_model(self) -> bool:  # type: ignore[override]
        return self._allocation.needs_loss

    @property
    def recipe(self) -> dict[str, Any]:
        return {**super().recipe, **(general_content(self.cell) if self.with_model else {})}

    @property
    def inputs(self) -> Inputs:
        lent = [
            Rank(self.cell.lenders[one], self.rank.contrast) for one in self._allocation.scorers
        ]
        known = learned(self.cell) if self.with_model else {}
        return {**super().inputs, **({"lent": lent} if lent else {}), **known}

    def make(self, at: Place, got: Mapping[str, Any]) -> Mapping[str, Tensor]:
        cell, allocation, view = self.cell, self._allocation, got.get("model")
        asked = allotting(
            allocation,
            self.amount,
            got["rank"],
            cell.spec.group,
            cell.blank,
            dict(zip(allocation.scorers, got.get("lent", ()), strict=True)),
            loss=self._loss(at, view, got["rank"]) if view else None,
        )
        who = f"Allocation '{allocation.name}'"
        with guarded(view, who) if view else nullcontext():
            return {
                name: torch.as_tensor(share, dtype=torch.float64)
                for name, share in allocation.shares(asked).items()
            }

    def _loss(
        self, at: Place, view: ModelView, rank: Mapping[str, Tensor]
    ) -> Callable[[GroupShares], float]:
        """Return what measures the mean loss on the reference samples without the lowest shares."""
        spec, objective = self.cell.spec, find_objective("loss")
        reference = general_reference(self.cell, at)

        def loss(shares: GroupShares) -> float:
            kept, total = allotted(rank, shares, spec.group, spec.allocation), 0.0
            with torch.no_grad(), view.masked(as_mask(kept, view, spec.unit)):
                for batch in reference.batches(view.device):
                    total += float(objective(view.forward(batch), batch))
            return total / len(reference.samples)

        return loss

    @property
    def _allocation(self) -> Allocation:
        assert self.cell.allocation is not None
        return self.cell.allocation


@dataclass(frozen=True, eq=False)
class Allotted(CircuitStep):
    """What a ranking keeps when every comparison group loses its own share."""

    rank: Rank
    spec = SELECTION

    @property
    def inputs(self) -> Inputs:
        return {**super().inputs, "shares": Allotment(self.cell, self.amount, self.rank)}

    def make(self, at: Place, got: Mapping[str, Any]) -> Circuit:
        spec = self.cell.spec
        kept = allotted(got["rank"], got["shares"], spec.group, spec.allocation)
        return self.of(kept.items(), at)


def allotting(
    allocation: Allocation,
    amount: float,
    ranking: Mapping[str, Tensor],
    group: Group,
    view: ModelView,
    lent: Mapping[str, Mapping[str, Tensor]],
    loss: Callable[[GroupShares], float] | None = None,
) -> Allotting:
    """Return what an allocation is asked about a ranking."""
    weights = view.weights()
    return Allotting(
        amount,
        grouped(ranking, group),
        {name: weights[name].block if name in weights else int(name) for name in ranking},
        {name: grouped(lent[name], group) for name in allocation.scorers},
        loss,
    )
