"""Uniform: of every comparison group the same share goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench import Allocation, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import Allotting, GroupShares


class Uniform(Allocation):
    """Of every comparison group the share goes that was asked for."""

    name = "uniform"
    title = "Uniform"

    def shares(self, asked: Allotting) -> GroupShares:
        """Return the amount for every name."""
        return dict.fromkeys(asked.scores, asked.amount)


@hookimpl
def sparc3_register_allocations() -> list[type[Allocation]]:
    """Register the allocation."""
    return [Uniform]
