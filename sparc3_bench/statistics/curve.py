"""From per-sample measurements to metrics, curves, their intervals, and controls beside them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.band import from_mean
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.dependence import (
    Kinds,
    Samples,
    fewest,
    independent,
    kinds_behind,
    observed_means,
    points_of,
    summary_of,
)
from sparc3_bench.statistics.interval import interval
from sparc3_bench.statistics.paired import Difference
from sparc3_bench.types.values import Estimate, Scale

if TYPE_CHECKING:
    from sparc3_bench.contracts import Task
    from sparc3_bench.types.conventions import Removal

Clusters = Mapping[str, Sequence[int]]
"""See `PreparedTask.clusters`."""


@dataclass(frozen=True)
class CurveNumbers:
    """The numbers of one run: a dict a point, and those of the whole curve.

    Attributes
    ----------
    points, whole
        The numbers.
    intervals
        Those of `points`; a metric of one independent sample has none.
    clusters, whole_clusters
        By name, how many independent samples a number follows from, 0 where it needs none; empty
        without intervals.
    """

    points: list[dict[str, float]]
    intervals: list[dict[str, tuple[float, float]]]
    whole: dict[str, Estimate]
    clusters: dict[str, int] = field(default_factory=dict)
    whole_clusters: dict[str, int] = field(default_factory=dict)


def curve_numbers(
    task: Task,
    amounts: Sequence[float],
    samples: Sequence[Samples],
    clusters: Clusters,
    removal: Removal,
    *,
    with_intervals: bool = True,
) -> CurveNumbers:
    """Return metrics and intervals of a curve.

    Amounts rise; the first is 0 and, if the task needs it, the last is 1. Samples are those of
    every amount. For `clusters` see `PreparedTask.clusters`; for intervals, `interval`. Raises
    Sparc3Error when a sample or a metric is not finite.
    """
    means = observed_means(samples)
    points = points_of(task, amounts, means)
    whole = summary_of(task, amounts, points, removal)
    for amount, point in zip(amounts, points, strict=True):
        _check_finite(point, f"at amount {amount:g}")
    _check_finite(whole, "of the curve")
    numbers = [{name: float(value) for name, value in point.items()} for point in points]
    if not with_intervals:
        estimates = {name: Estimate(float(value)) for name, value in whole.items()}
        return CurveNumbers(numbers, [], estimates)
    replicates = points_of(task, amounts, drawn_means(samples, clusters))
    of_whole = summary_of(task, amounts, replicates, removal)
    for found in (*replicates, of_whole):
        _check_finite(found, "of a bootstrap replicate")
    counts = independent(samples[0], clusters)
    scales = scales_of(task, removal)
    of_points, of_curve = kinds_behind(task, amounts, means, removal)
    of_point = _counted(of_points, counts, replicates)
    of_estimate = _counted(of_curve, counts, [of_whole])
    intervals = [
        _intervals(point, drawn, of_point, scales)
        for point, drawn in zip(numbers, replicates, strict=True)
    ]
    values = {name: float(value) for name, value in whole.items()}
    ends = _intervals(values, of_whole, of_estimate, scales)
    estimates = {name: Estimate(value, *ends.get(name, ())) for name, value in values.items()}
    return CurveNumbers(numbers, intervals, estimates, of_point, of_estimate)


def beside_controls(
    task: Task,
    amounts: Sequence[float],
    own: Sequence[Samples],
    controls: Sequence[Sequence[Samples]],
    clusters: Clusters,
    removal: Removal,
) -> tuple[list[dict[str, Difference]], dict[str, Difference]]:
    """Return how every metric at every amount, and of the whole curve, differs from controls.

    Samples of the run at every amount and of every control at every amount are of the same prompts,
    in the same order. What the controls were not measured on is left out, and so is what one
    independent sample tells of. Returned are a dict an amount, and one of the whole curve.
    """
    kinds = set(controls[0][0]) & set(own[0])
    runs = [[{kind: here[kind] for kind in kinds} for here in run] for run in (own, *controls)]
    means = [observed_means(run) for run in runs]
    points = [points_of(task, amounts, one) for one in means]
    drawn = [points_of(task, amounts, drawn_means(run, clusters)) for run in runs]
    counts = independent(runs[0][0], clusters)
    scales = scales_of(task, removal)
    of_points, of_curve = kinds_behind(task, amounts, means[0], removal)
    of_point = _counted(of_points, counts, drawn[0])
    found = [
        _beside([p[at] for p in points], [d[at] for d in drawn], of_point, scales)
        for at in range(len(amounts))
    ]
    whole = [summary_of(task, amounts, one, removal) for one in points]
    of_whole = [summary_of(task, amounts, one, removal) for one in drawn]
    return found, _beside(whole, of_whole, _counted(of_curve, counts, of_whole[:1]), scales)


def scales_of(task: Task, removal: Removal) -> dict[str, Scale]:
    """Return on which scale each number of a task is compared."""
    return {m.name: m.scale for m in (*task.metrics_for(removal), *task.curve_metrics)}


def drawn_means(samples: Sequence[Samples], clusters: Clusters) -> list[dict[str, Any]]:
    """Return the bootstrap replicates of every mean: for each point, kind to ``[replicates]``.

    Those of two runs on the same samples draw the same ones, so that they are paired. Independent
    sets of samples (see `Evaluation`) are drawn independently of each other.
    """
    drawn: list[dict[str, Any]] = [{} for _ in samples]
    for name in samples[0]:
        rows = [here[name] for here in samples]
        means = resampled_means(rows, clusters.get(name), _seed(name))
        for index, point in enumerate(drawn):
            point[name] = means[:, index]
    return drawn


def _counted(
    kinds: Kinds, counts: Mapping[str, int], replicates: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """Return by name of a number how many independent samples it follows from; 0 for none."""
    found = fewest(kinds, counts)
    for name in replicates[0]:
        # A number in steps, such as a size that was reached, may not move by a little.
        moves = any(np.ptp(here[name]) > 0 for here in replicates)
        found.setdefault(name, min(counts.values()) if moves else 0)
    return found


def _intervals(
    numbers: Mapping[str, float],
    replicates: Mapping[str, Any],
    clusters: Mapping[str, int],
    scales: Mapping[str, Scale],
) -> dict[str, tuple[float, float]]:
    found = {}
    for name, value in numbers.items():
        if clusters[name] == 0:
            found[name] = (value, value)
        elif clusters[name] > 1:
            drawn = np.broadcast_to(
                np.asarray(replicates[name], dtype=np.float64), _shape(replicates)
            )
            found[name] = interval(value, drawn, clusters[name], scales.get(name, "linear"))
    return found


def _beside(
    points: Sequence[Mapping[str, Any]],
    replicates: Sequence[Mapping[str, Any]],
    clusters: Mapping[str, int],
    scales: Mapping[str, Scale],
) -> dict[str, Difference]:
    """Return how the first of several points differs from the others."""
    own, *others = points
    found = {}
    for name, value in own.items():
        if clusters[name] < 2:
            continue
        first, *drawn = (
            np.broadcast_to(np.asarray(one[name], dtype=np.float64), _shape(replicates[0]))
            for one in replicates
        )
        found[name] = from_mean(
            float(value),
            first,
            [float(other[name]) for other in others],
            np.stack(drawn, axis=1),
            clusters[name],
            scales.get(name, "linear"),
        )
    return found


def _shape(replicates: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape that replicates have, one of which may be the same in all."""
    return max((np.shape(one) for one in replicates.values()), default=()) or (1,)


def _check_finite(numbers: Mapping[str, Any], where: str) -> None:
    for name, value in numbers.items():
        if not np.isfinite(value).all():
            raise Sparc3Error(
                f"The metric '{name}' {where} is not finite; the samples of the task overflow it."
            )


def _seed(kind: str) -> int:
    """Return what the draws of a kind of samples begin with: one number a set of samples."""
    of, slash, _ = kind.partition("/")
    return zlib.crc32(of.encode()) if slash else 0
