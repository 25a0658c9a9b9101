"""No repair: what is kept stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench import NewValues, Repair, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import KeepMask, ModelView, ReferenceSamples


class NoRepair(Repair):
    """What is kept stays as it is."""

    name = "none"
    title = "None"

    def repair(self, model: ModelView, keep: KeepMask, reference: ReferenceSamples) -> NewValues:
        """Return nothing new."""
        return NewValues()


@hookimpl
def sparc3_register_repairs() -> list[type[Repair]]:
    """Register the repair."""
    return [NoRepair]
