"""From per-sample measurements to metrics, curves and their intervals."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparc3_bench.contracts import Estimate, Means, Removal, Task
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.parts import Versus
from sparc3_bench.statistics.bootstrap import interval, resampled_means

Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Curve:
    """The numbers of one run: a dict a point, and those of the whole curve."""

    points: list[dict[str, float]]
    intervals: list[dict[str, tuple[float, float]]]
    whole: dict[str, Estimate]


def measured(
    task: Task,
    amounts: Sequence[float],
    samples: Sequence[Samples],
    clusters: Mapping[str, Sequence[int]],
    removal: Removal,
    *,
    with_intervals: bool = True,
) -> Curve:
    """Return metrics and intervals of a curve.

    Parameters
    ----------
    task
        Says how metrics follow from the means of samples.
    amounts
        Rising; the first is 0 and, if the task needs it, the last is 1.
    samples
        Those of every amount.
    clusters
        See `PreparedTask.clusters`.
    removal
        Which end was removed.
    with_intervals
        Whether to bootstrap.

    Raises
    ------
    Sparc3Error
        When a sample or a metric is not finite.
    """
    means = observed_means(samples)
    points = points_of(task, amounts, means)
    whole = task.summarise(amounts, points, removal)
    for amount, point in zip(amounts, points, strict=True):
        _check_finite(point, f"at amount {amount:g}")
    _check_finite(whole, "of the curve")
    numbers = [{name: float(value) for name, value in point.items()} for point in points]
    if not with_intervals:
        estimates = {name: Estimate(float(value)) for name, value in whole.items()}
        return Curve(numbers, [], estimates)
    replicates = points_of(task, amounts, drawn_means(samples, clusters))
    intervals = [
        {name: interval(np.asarray(values)) for name, values in point.items()}
        for point in replicates
    ]
    of_whole = task.summarise(amounts, replicates, removal)
    for found in (*replicates, of_whole):
        _check_finite(found, "of a bootstrap replicate")
    estimates = {
        name: Estimate(float(value), *interval(np.asarray(of_whole[name])))
        for name, value in whole.items()
    }
    return Curve(numbers, intervals, estimates)


def compared(
    task: Task,
    metric: str,
    dense: Samples,
    own: Samples,
    controls: Sequence[Samples],
    clusters: Mapping[str, Sequence[int]],
) -> tuple[Versus, dict[str, tuple[float, ...]]]:
    """Return how a metric differs from that of random controls, and all metrics of the controls.

    Parameters
    ----------
    task, clusters
        As for `measured`.
    metric
        The one that is compared.
    dense, own, controls
        Samples of the dense model, of the run and of every control: of the same prompts, in the
        same order. What the controls were not measured on is left out.
    """
    kinds = set(controls[0]) & set(own)
    rows = [{name: here[name] for name in kinds} for here in (dense, own, *controls)]
    means = [{name: float(np.mean(values)) for name, values in row.items()} for row in rows]
    numbers = [dict(task.point_metrics(here, means[0], None)) for here in means]
    drawn = drawn_means(rows, clusters)
    replicates = [
        np.asarray(task.point_metrics(here, drawn[0], None)[metric]) for here in drawn[1:]
    ]
    # The controls are a sample, too: in every replicate some of them are drawn.
    generator = np.random.default_rng(zlib.crc32(b"controls"))
    picked = generator.integers(len(controls), size=(len(replicates[0]), len(controls)))
    of_controls = np.take_along_axis(np.stack(replicates[1:], axis=1), picked, axis=1).mean(1)
    differences = replicates[0] - of_controls
    low, high = interval(differences)
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    versus = Versus(
        difference=float(numbers[1][metric] - np.mean([here[metric] for here in numbers[2:]])),
        low=low,
        high=high,
        p_value=min(1.0, 2 * (tail + 1) / (len(differences) + 1)),
    )
    names = numbers[2]
    return versus, {name: tuple(float(here[name]) for here in numbers[2:]) for name in names}


def _check_finite(numbers: Mapping[str, Any], where: str) -> None:
    for name, value in numbers.items():
        if not np.isfinite(value).all():
            raise Sparc3Error(
                f"The metric '{name}' {where} is not finite; the samples of the task overflow it."
            )


def points_of(task: Task, amounts: Sequence[float], means: Sequence[Means]) -> list[dict[str, Any]]:
    """Return the metrics of every amount; of replicates of the means, their replicates."""
    empty = means[-1] if task.needs_empty and amounts[-1] == 1 else None
    return [dict(task.point_metrics(here, means[0], empty)) for here in means]


def observed_means(samples: Sequence[Samples]) -> list[dict[str, float]]:
    """Return the mean of each kind of sample at every point."""
    return [{name: float(np.mean(v)) for name, v in here.items()} for here in samples]


def drawn_means(
    samples: Sequence[Samples], clusters: Mapping[str, Sequence[int]]
) -> list[dict[str, Any]]:
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


def _seed(kind: str) -> int:
    """Return what the draws of a kind of samples begin with: one number a set of samples."""
    of, slash, _ = kind.partition("/")
    return zlib.crc32(of.encode()) if slash else 0
