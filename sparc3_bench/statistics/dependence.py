"""What numbers follow from: the kinds of samples behind each, and how many are independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sparc3_bench.contracts import Task
    from sparc3_bench.types.conventions import Removal
    from sparc3_bench.types.values import Means

Samples = Mapping[str, Sequence[float]]
Kinds = dict[str, set[str]]
"""By name of a number, the kinds of samples that it follows from."""


def points_of(task: Task, amounts: Sequence[float], means: Sequence[Means]) -> list[dict[str, Any]]:
    """Return the metrics of every amount; of replicates of the means, their replicates."""
    empty = means[-1] if task.needs_empty and amounts[-1] == 1 else None
    return [dict(task.point_metrics(here, means[0], empty)) for here in means]


def observed_means(samples: Sequence[Samples]) -> list[dict[str, float]]:
    """Return the mean of each kind of sample at every point."""
    return [{name: float(np.mean(v)) for name, v in here.items()} for here in samples]


def kinds_behind(
    task: Task, amounts: Sequence[float], means: Sequence[Mapping[str, float]], removal: Removal
) -> tuple[Kinds, Kinds]:
    """Return what the metrics of points follow from, and the numbers of the whole curve.

    The means of one kind are moved by a little, each by another step, and what moves follows from
    it. A number that no kind moves is in neither: it is known without any sample.
    """
    points = points_of(task, amounts, means)
    curve = task.summarise(amounts, points, removal)
    of_points: Kinds = {}
    of_curve: Kinds = {}
    for kind in means[0]:
        moved = points_of(task, amounts, _moved(means, kind))
        # It is the same at every amount, though it need not show at the ends of a curve.
        for old, new in zip(points, moved, strict=True):
            for name in (name for name in old if old[name] != new[name]):
                of_points.setdefault(name, set()).add(kind)
        now = task.summarise(amounts, moved, removal)
        for name in (name for name in curve if curve[name] != now[name]):
            of_curve.setdefault(name, set()).add(kind)
    return of_points, of_curve


def independent(samples: Samples, clusters: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return how many independent samples there are of each kind."""
    return {k: len(set(clusters.get(k, range(len(values))))) for k, values in samples.items()}


def fewest(kinds: Kinds, counts: Mapping[str, int]) -> dict[str, int]:
    """Return how many independent samples each number follows from: of its kinds, the fewest."""
    return {
        name: min((counts[kind] for kind in behind if kind in counts), default=1)
        for name, behind in kinds.items()
    }


def _moved(means: Sequence[Mapping[str, float]], kind: str) -> list[dict[str, float]]:
    """Return other means of one kind of samples, each moved by another step."""
    steps = [1 + 1e-6 * (place + 1) for place in range(len(means))]
    return [{**m, kind: m[kind] * s + s * 1e-9} for m, s in zip(means, steps, strict=True)]
