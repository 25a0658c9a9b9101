"""Recording: what came out of a cell, with everything that a reader must know of it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from sparc3_bench.record.result import SCHEMA_VERSION, Result
from sparc3_bench.run.environment import command_line, describe_environment
from sparc3_bench.run.intervals import metrics_read
from sparc3_bench.run.objectives import objective_remarks

if TYPE_CHECKING:
    from sparc3_bench.run.plan import Cell, Plan


def recorded(plan: Plan, cell: Cell, **parts: Any) -> Result:
    """Return the result of a cell.

    Parameters
    ----------
    plan, cell
        What was run.
    parts
        Fields of the result that were measured; `measured`, the curve they are of; and `remarks`,
        which join the warnings.
    """
    now = datetime.datetime.now(datetime.UTC)
    remarks, curve = parts.pop("remarks", ()), parts.pop("measured", None)
    return Result(
        schema_version=SCHEMA_VERSION,
        key=cell.spec.key,
        created=now.isoformat(timespec="seconds"),
        is_control=cell.scorer.is_control,
        spec=cell.spec,
        asked=dict(plan.asked),
        command=command_line(),
        **metrics_read(plan.task, cell.spec.removal, curve, parts.get("curve", ())),
        clusters={name: tuple(ids) for name, ids in cell.prepared.clusters.items()},
        environment=describe_environment(),
        warnings=(
            *plan.model.adapter.warnings,
            *plan.model.notes,
            *cell.prepared.warnings,
            *cell.remarks,
            *objective_remarks(cell.scorer, cell.spec.objective),
            *remarks,
        ),
        **parts,
    )
