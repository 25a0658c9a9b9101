"""Normalised: the scores of each matrix are made comparable, then ranked together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sparc3_bench import Allocation, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench import Allotting, GroupShares


@dataclass(frozen=True)
class Normalised(Allocation):
    """All are ranked together by scores that are divided by a number of their matrix.

    Parameters
    ----------
    by
        The mean, the median or the sum of the absolute scores of the matrix; or `lamp`: squares are
        divided by the sum of all squares of the matrix that are no smaller, of ties the last first
        [lee2021lamp].

    Notes
    -----
    Relevance and gradients differ by depth by orders of magnitude, and whole layers empty when they
    are ranked as they are. A matrix whose divisor is 0 is left as it is. Published for magnitudes,
    LAMP takes any score here.
    """

    name = "normalised"
    title = "Normalised by matrix"
    citation = "lee2021lamp"

    by: Literal["mean", "median", "sum", "lamp"] = "mean"

    def shares(self, asked: Allotting) -> GroupShares:
        """Return which share of each group is among the lowest of all."""
        from sparc3_bench import joint_shares

        scaled = {name: self._scaled(values) for name, values in asked.scores.items()}
        return joint_shares(scaled, asked.amount)

    def _scaled(self, values: Tensor) -> Tensor:
        if self.by == "lamp":
            return _lamp(values)
        absolute = values.abs().double()
        if self.by == "median":
            divisor = absolute.median()
        else:
            divisor = absolute.mean() if self.by == "mean" else absolute.sum()
        return values.double() / divisor if divisor else values.double()


def _lamp(values: Tensor) -> Tensor:
    import torch

    squares = values.double().square().flatten()
    order = squares.argsort(stable=True)
    rising = squares[order]
    from_here = rising.flip(0).cumsum(0).flip(0)
    found = torch.empty_like(squares)
    found[order] = torch.where(from_here > 0, rising / from_here, 0.0)
    return found.view_as(values)


@hookimpl
def sparc3_register_allocations() -> list[type[Allocation]]:
    """Register the allocation."""
    return [Normalised]
