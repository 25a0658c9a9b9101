"""Energy compensation: what is kept of a row grows until the row is as long as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench import NewValues, Repair, hookimpl

if TYPE_CHECKING:
    from sparc3_bench import KeepMask, ModelView, ReferenceSamples


class Energy(Repair):
    """w ← w · ‖row before‖₂ / ‖row that is kept‖₂.

    Notes
    -----
    The simplest repair that takes no data. A row of which nothing is left stays empty.
    """

    name = "energy"
    title = "Energy compensation"

    def repair(self, model: ModelView, keep: KeepMask, reference: ReferenceSamples) -> NewValues:
        """Return the new weights."""
        weights, found = model.weights(), {}
        for name, mask in keep.weights.items():
            whole = weights[name].matrix.float()
            kept = whole * mask
            before, after = (one.norm(dim=1, keepdim=True) for one in (whole, kept))
            found[name] = kept * (before / after).masked_fill(after == 0, 0)
        return NewValues(found)


@hookimpl
def sparc3_register_repairs() -> list[type[Repair]]:
    """Register the repair."""
    return [Energy]
