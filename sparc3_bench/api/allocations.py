"""An allocation by name, for scores in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.run.options import chosen
from sparc3_bench.run.steps.allot import allotting
from sparc3_bench.selection.allocate import allotted, check_divided
from sparc3_bench.selection.select import rankable
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from torch import Tensor

    from sparc3_bench.model.view import ModelView
    from sparc3_bench.types.conventions import AmountKind, Removal, Unit
    from sparc3_bench.types.groups import Group


def allocated(
    text: str,
    ranking: Mapping[str, Tensor],
    amount: float,
    ways: tuple[Unit, Group, AmountKind, Removal],
    view: ModelView,
    lent: Mapping[str, Mapping[str, Tensor]] | None,
) -> dict[str, Tensor]:
    """Return what is kept of a ranking."""
    unit, group, kind, removal = ways
    check_divided(text, [group], kind, removal)
    _, allocation = chosen("allocation", text, default_host())
    if allocation.needs_loss:
        raise Sparc3Error(
            f"Allocation '{allocation.name}' measures losses, which takes a task; use "
            "`sparc3_bench.run`."
        )
    lent = lent or {}
    for name in allocation.scorers:
        if name not in lent:
            raise Sparc3Error(
                f"Allocation '{text}' looks at the scores of '{name}'; give them as "
                f"`lent={{'{name}': …}}`."
            )
    others = {name: rankable(ScoreMap(one), view, unit) for name, one in lent.items()}
    shares = allocation.shares(allotting(allocation, amount, ranking, group, view, others))
    return allotted(ranking, shares, group, text)
