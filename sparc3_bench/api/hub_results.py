"""Hub results: what a model repository says of itself in `.eval_results`, a file a task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc3_bench.comparison.phrasing import brief, metric_title, scorer_text, short_text
from sparc3_bench.errors import Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result

_BENCHMARK = re.compile(r"(?P<dataset>[\w.-]+/[\w.-]+):(?P<task>[\w.-]+)")


def hub_results(result: Result, amount: float, benchmarks: Mapping[str, str]) -> tuple[str, str]:
    """Return the path of the file in the repository, and its content.

    The model there is at `amount` of the result. A hub lists only numbers of data sets that are
    registered there as benchmarks: `benchmarks` are these, by metric, as ``DATASET:TASK``.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    spec = result.spec
    points = {point.amount.requested: point for point in result.points}
    if amount not in points:
        raise Sparc3Error(
            f"The result {result.key} has no amount {amount:g}; it has "
            f"{', '.join(f'{known:g}' for known in points)}."
        )
    metrics = {metric.name: metric for metric in result.metrics}
    pruned = f"{amount:g} removed by {scorer_text(spec)}, {', '.join(brief(spec)[:2])}"
    run = ", ".join(filter(None, (f"run {result.key}", short_text(spec))))
    entries = []
    for name, benchmark in benchmarks.items():
        found = _BENCHMARK.fullmatch(benchmark)
        if found is None:
            raise Sparc3Error(
                f"The benchmark of '{name}' must be OWNER/DATASET:TASK as on the hub, got "
                f"'{benchmark}'."
            )
        if name not in metrics:
            raise Sparc3Error(
                f"Task '{spec.task.name}' has no metric '{name}'; it has {', '.join(metrics)}."
            )
        value, ends = points[amount].read(name)
        between = f", 95 % interval {ends[0]:.6g} to {ends[1]:.6g}" if ends else ""
        entries.append(
            EvalResultEntry(
                dataset_id=found["dataset"],
                task_id=found["task"],
                value=value,
                date=result.created,
                notes=f"{metric_title(metrics[name])}{between}; "
                f"{pruned if amount else 'nothing removed'}; measured by sparc3-bench, {run}",
            )
        )
    text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)
    return f".eval_results/sparc3-{spec.task.name}.yaml", text
