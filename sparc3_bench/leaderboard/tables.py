"""Sections: runs grouped so that only comparable numbers stand side by side.

A section holds the runs that were measured on the same data under the same conventions; it
becomes one chart and one table of the page.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from sparc3_bench.contracts import Group, Schedule, Scope, Unit
from sparc3_bench.errors import RecordError
from sparc3_bench.leaderboard.series import Run, Series, merge
from sparc3_bench.record.spec import DatasetRecord, RunSpec, content_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sparc3_bench.record.result import MetricRecord, Result

Convention = tuple[
    tuple[str, int, str],
    tuple[int, int, int, int],
    tuple[str, str, str, str],
    tuple[tuple[str, int, int], ...],
    tuple[tuple[str, str], ...],
]
"""What two runs must share before their numbers may be compared; sorts in reading order."""


@dataclass(frozen=True)
class Section:
    """The runs that may be compared: same task, model, evaluation data and conventions.

    Attributes
    ----------
    series
        Best first by the first metric at `order`, controls last.
    amounts
        Every sparsity that some run has, rising.
    focus
        The sparsity at which the numbers beyond the first metric are shown.
    order
        The sparsity whose first metric orders the rows.
    """

    id: str
    runs: tuple[Run, ...]
    series: tuple[Series, ...]
    amounts: tuple[float, ...]
    focus: float
    order: float

    @property
    def spec(self) -> RunSpec:
        """The spec of one run, for the fields that all runs share."""
        return self.runs[0].result.spec

    @property
    def metrics(self) -> tuple[MetricRecord, ...]:
        """How to read the numbers; the first is the one that is plotted."""
        return self.runs[0].result.metrics

    @property
    def datasets(self) -> tuple[DatasetRecord, ...]:
        """The texts used, reference before evaluation, each description once."""
        found: dict[tuple[bool, str, str, int, int], DatasetRecord] = {}
        for run in self.runs:
            for data in run.result.spec.datasets:
                last = data.purpose == "evaluation"
                kind = (last, data.purpose, data.source, data.windows, data.window_length)
                found.setdefault(kind, data)
        return tuple(found[kind] for kind in sorted(found))

    @property
    def suites(self) -> int:
        """How many different states of the suite's code made the runs."""
        return len({run.result.environment.source_digest for run in self.runs})

    @property
    def dense(self) -> float | None:
        """The first metric of the dense model."""
        found = [series.value(0.0, self.metrics[0].name) for series in self.series]
        centres = [value.centre for value in found if value]
        return statistics.median_low(centres) if centres else None

    def beaten_by(self, series: Series, amount: float) -> str:
        """Return the name of a control that `series` does not leave behind, or an empty string.

        A scorer leaves a control behind when its first metric lies outside the range of the
        control's runs, on the better side. The dense model has nothing to leave behind.
        """
        first = self.metrics[0]
        own = series.value(amount, first.name)
        if series.is_control or amount <= 0 or own is None:
            return ""
        for control in self.series:
            band = control.value(amount, first.name) if control.is_control else None
            if band is None:
                continue
            lower = first.direction == "lower"
            if (own.centre >= band.low) if lower else (own.centre <= band.high):
                return control.scorer.name
        return ""


def split(results: Iterable[tuple[Path, Result]]) -> tuple[tuple[Section, ...], tuple[Run, ...]]:
    """Return the sections of the finished runs, and the failed runs.

    Raises
    ------
    RecordError
        When a finished run holds nothing that could be shown.
    """
    runs = [Run(*pair) for pair in sorted(results, key=lambda pair: pair[0].as_posix())]
    groups: dict[Convention, list[Run]] = {}
    for run in runs:
        if run.result.status == "failed":
            continue
        if not run.result.metrics or not run.result.points:
            raise RecordError(f"{run.path}: a finished run needs at least one metric and a point.")
        groups.setdefault(_convention(run.result), []).append(run)
    sections = tuple(_section(convention, groups[convention]) for convention in sorted(groups))
    return sections, tuple(run for run in runs if run.result.status == "failed")


def _convention(result: Result) -> Convention:
    spec, model = result.spec, result.spec.model
    return (
        # Newest version of the task first.
        (spec.task.name, -spec.task.task_version, model.slug),
        (
            get_args(Unit).index(spec.unit),
            get_args(Group).index(spec.group),
            get_args(Schedule).index(spec.schedule),
            get_args(Scope).index(spec.scope),
        ),
        (model.dtype, model.label, model.weight_digest, model.tokenizer_digest),
        # Sizes too: the task decides whether its digest marks where a window ends.
        tuple(
            (data.token_digest, data.windows, data.window_length)
            for data in spec.datasets
            if data.purpose == "evaluation"
        ),
        tuple((metric.name, metric.direction) for metric in result.metrics),
    )


def _section(convention: Convention, runs: list[Run]) -> Section:
    amounts = sorted({point.amount.requested for run in runs for point in run.result.points})
    pruned = [amount for amount in amounts if amount > 0] or amounts
    focus = 0.5 if 0.5 in pruned else pruned[len(pruned) // 2]
    series = merge(runs)
    common = [amount for amount in amounts if all(amount in one.metrics for one in series)]
    order = 0.5 if 0.5 in common else max(common, default=focus)
    first = runs[0].result.metrics[0]
    sign = 1 if first.direction == "lower" else -1

    def position(one: Series) -> tuple[bool, float, str, int]:
        value = one.value(order, first.name)
        best = sign * value.centre if value else math.inf
        return one.is_control, best, one.scorer.name, one.variant

    key = content_key([list(part) for part in convention])
    ranked = tuple(sorted(series, key=position))
    return Section(f"s-{key}", tuple(runs), ranked, tuple(amounts), focus, order)
