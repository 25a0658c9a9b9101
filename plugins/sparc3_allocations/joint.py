"""Global: the lowest of the whole model go, wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench import Allocation, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import Allotting, GroupShares


class Global(Allocation):
    """All are ranked together: what goes is what goes with group `model`."""

    name = "global"
    title = "Global"

    def shares(self, asked: Allotting) -> GroupShares:
        """Return which share of each group is among the lowest of all."""
        from sparc3_bench import joint_shares

        return joint_shares(asked.scores, asked.amount)


@hookimpl
def sparc3_register_allocations() -> list[type[Allocation]]:
    """Register the allocation."""
    return [Global]
