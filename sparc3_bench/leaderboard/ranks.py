"""Ranks: who is better than whom in a section, and who cannot be told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.run.curve import drawn_means, observed_means, points_of
from sparc3_bench.run.options import task_of
from sparc3_bench.statistics.ranking import rank_text, ranked

if TYPE_CHECKING:
    from sparc3_bench.contracts import Means, Task
    from sparc3_bench.host import PluginHost
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section
    from sparc3_bench.record.parts import MetricRecord, Point
    from sparc3_bench.record.result import Result

_MOST = 30
"""Rows of a table that is ranked: with more, hardly any pair is told apart any more."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of a section's rows by the number that orders them.

    Attributes
    ----------
    texts
        By position of the row, `1` or `2–3`; none for controls.
    resolvable
        What neighbours must typically differ by to be told apart.
    metric
        What they are ranked by.
    clusters
        How many independent samples that follows from.
    """

    texts: Mapping[int, str]
    resolvable: float
    metric: MetricRecord
    clusters: int


@dataclass(frozen=True)
class Number:
    """A number with its bootstrap replicates and how many independent samples it follows from."""

    value: float
    replicates: Any
    clusters: int


def ranks(section: Section, host: PluginHost) -> Ranks | None:
    """Return the ranks of a section; None where nothing can be tested.

    That is so where there are fewer than two scorers or very many, where per-sample measurements
    are missing or are of one document, or where the task is not installed in the version that
    measured.
    """
    rows = [(place, one) for place, one in enumerate(section.series) if not one.is_control]
    if not 2 <= len(rows) <= _MOST:
        return None
    metric = section.order_chosen or section.order_curve or section.metrics[0]
    try:
        task = task_of(section.runs[0].result, host)
        numbers = [_of_series(section, one, task, metric.name) for _, one in rows]
        clusters = min(number.clusters for number in numbers)
        found = ranked(
            [number.value for number in numbers],
            np.stack([number.replicates for number in numbers], axis=1),
            metric.direction,
            clusters=clusters,
        )
    except (Sparc3Error, KeyError, StopIteration):
        return None
    assert found.resolvable is not None
    pairs = zip(found.best_rank, found.worst_rank, strict=True)
    texts = {place: rank_text(*pair) for (place, _), pair in zip(rows, pairs, strict=True)}
    return Ranks(texts, found.resolvable, metric, clusters)


def _of_series(section: Section, one: Series, task: Task, name: str) -> Number:
    """Return the number of a row, the mean over its seeds."""
    newest: dict[int, Result] = {}
    for run in sorted(one.runs, key=lambda run: (run.result.created, run.result.key)):
        newest[run.result.spec.seed] = run.result
    numbers = [_of_result(section, result, task, name) for result in newest.values()]
    return Number(
        float(np.mean([number.value for number in numbers])),
        np.mean([number.replicates for number in numbers], axis=0),
        min(number.clusters for number in numbers),
    )


def _of_result(section: Section, result: Result, task: Task, name: str) -> Number:
    """Return the number of a run by which rows are ordered.

    Raises
    ------
    KeyError, StopIteration
        When it, or a sample that it follows from, is not in the record.
    """
    removal = result.spec.removal
    points: Sequence[Point] = result.points
    if section.order_curve is not None and section.order_chosen is None:
        amounts = [point.amount.requested for point in points]

        def of_curve(means: Sequence[Means]) -> Any:
            return task.summarise(amounts, points_of(task, amounts, means), removal)[name]

        return _number(result.curve[name].value, points, result, of_curve)
    if section.order_chosen is None:
        here = next(one for one in points if one.amount.requested == section.order)
        return number_at(result, here, task, name)
    if result.found is None:
        raise KeyError(name)
    return number_at(result, result.found.point, task, name)


def number_at(result: Result, here: Point, task: Task, name: str) -> Number:
    """Return a metric at one point of a run.

    Raises
    ------
    KeyError
        When a sample that it follows from is not in the record.
    """
    points = [result.points[0], here, *([result.points[-1]] if task.needs_empty else [])]
    amounts = [point.amount.requested for point in points]
    return _number(
        here.metrics[name], points, result, lambda means: points_of(task, amounts, means)[1][name]
    )


def _number(
    value: float,
    points: Sequence[Point],
    result: Result,
    metric: Callable[[Sequence[Means]], Any],
) -> Number:
    samples = [point.samples for point in points]
    if not all(samples):
        raise KeyError("samples")
    observed, drawn = observed_means(samples), drawn_means(samples, result.clusters)
    counts = []
    for kind, values in samples[0].items():
        # Does the metric move when only this kind of sample is drawn again?
        alone = [{**o, kind: d[kind]} for o, d in zip(observed, drawn, strict=True)]
        if np.ptp(metric(alone)) > 0:
            counts.append(len(set(result.clusters.get(kind, range(len(values))))))
    return Number(value, np.asarray(metric(drawn)), min(counts, default=1))
