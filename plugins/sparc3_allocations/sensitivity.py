"""By sensitivity: blocks whose pruning raises the loss more keep more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sparc3_bench import Allocation, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import Allotting, GroupShares


@dataclass(frozen=True)
class Sensitivity(Allocation):
    """Of a block the more is kept the more the loss rises when that block alone is pruned.

    The loss on the reference samples is measured once for every block, pruned as much as is asked
    for. The logarithms of these losses are stretched to a band 2λ wide around what would be kept of
    all, as OWL does with outliers [yin2024owl].

    Parameters
    ----------
    width
        λ: at most so far a block's sparsity is from the mean.
    """

    name = "sensitivity"
    title = "By sensitivity"
    needs_loss = True

    width: Annotated[float, Field(ge=0, lt=1)] = 0.08

    def shares(self, asked: Allotting) -> GroupShares:
        """Return the share of each block, for all its matrices."""
        from math import log

        from sparc3_bench import banded_shares

        assert asked.loss is not None
        blocks = sorted(set(asked.blocks.values()))
        losses = [
            asked.loss({n: asked.amount * (at == block) for n, at in asked.blocks.items()})
            for block in blocks
        ]
        found = dict(
            zip(blocks, banded_shares([*map(log, losses)], asked.amount, self.width), strict=True)
        )
        return {name: found[block] for name, block in asked.blocks.items()}


@hookimpl
def sparc3_register_allocations() -> list[type[Allocation]]:
    """Register the allocation."""
    return [Sensitivity]
