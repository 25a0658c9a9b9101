"""Borrowed: one scorer ranks inside a comparison group, the means of another between groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc3_bench import Allocation, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import Allotting, GroupShares


@dataclass(frozen=True)
class Borrowed(Allocation):
    """All are ranked together by scores that are given the group means of another scorer.

    A score is divided by the mean absolute score of its group (a row, or with `layer` a matrix) and
    multiplied by that of the other scorer there.

    Parameters
    ----------
    between
        The other scorer.
    """

    name = "borrowed"
    title = "Borrowed means"

    between: str = "gradient"

    @property
    def scorers(self) -> tuple[str, ...]:
        """The other one."""
        return (self.between,)

    def shares(self, asked: Allotting) -> GroupShares:
        """Return which share of each group is among the lowest of all."""
        from sparc3_bench import joint_shares

        other, scaled = asked.lent[self.between], {}
        for name, values in asked.scores.items():
            own = values.double().abs().mean(1, keepdim=True)
            own[own == 0] = 1
            means = other[name].double().abs().mean(1, keepdim=True)
            scaled[name] = values.double() / own * means
        return joint_shares(scaled, asked.amount)


@hookimpl
def sparc3_register_allocations() -> list[type[Allocation]]:
    """Register the allocation."""
    return [Borrowed]
