"""Draws: the bootstrap replicates behind the numbers of a section, each made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc3_bench.run.curve import drawn_means, observed_means, points_of

if TYPE_CHECKING:
    from sparc3_bench.contracts import Means, Task
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section
    from sparc3_bench.record.parts import Point
    from sparc3_bench.record.result import Result


@dataclass(frozen=True)
class Number:
    """A number with its bootstrap replicates and how many independent samples it follows from."""

    value: float
    replicates: Any
    clusters: int


class Draws:
    """The numbers of a section's rows with their replicates.

    Parameters
    ----------
    section
        The runs that are compared.
    task
        Says how metrics follow from samples; of the version that measured.
    """

    def __init__(self, section: Section, task: Task) -> None:
        self._section, self._task = section, task
        self._drawn: dict[str, _Drawn] = {}

    def ordering(self, one: Series) -> Number:
        """Return the number of a row by which the rows are ordered.

        Raises
        ------
        KeyError
            When it, or a sample that it follows from, is not in the record.
        """
        section = self._section
        if section.order_chosen is not None:
            name = section.order_chosen.name
            return self._mean(one, lambda drawn: drawn.chosen(name))
        if section.order_curve is not None:
            name = section.order_curve.name
            return self._mean(one, lambda drawn: drawn.curve(name))
        return self.at(one, section.order, section.metrics[0].name)

    def at(self, one: Series, amount: float, metric: str) -> Number:
        """Return a metric of a row at one amount, the mean over its seeds.

        Raises
        ------
        KeyError
            When it, or a sample that it follows from, is not in the record.
        """
        return self._mean(one, lambda drawn: drawn.at(amount, metric))

    def _mean(self, one: Series, number: Callable[[_Drawn], Number]) -> Number:
        newest: dict[int, Result] = {}
        for run in sorted(one.runs, key=lambda run: (run.result.created, run.result.key)):
            newest[run.result.spec.seed] = run.result
        numbers = [number(self._of(result)) for result in newest.values()]
        return Number(
            float(np.mean([number.value for number in numbers])),
            np.mean([number.replicates for number in numbers], axis=0),
            min(number.clusters for number in numbers),
        )

    def _of(self, result: Result) -> _Drawn:
        # The key of a spec; what is in it twice was measured alike.
        if result.key not in self._drawn:
            self._drawn[result.key] = _Drawn(result, self._task)
        return self._drawn[result.key]


class _Drawn:
    """The replicates of one run."""

    def __init__(self, result: Result, task: Task) -> None:
        self._result, self._task = result, task
        self._points: list[dict[str, Any]] | None = None
        self._clusters: dict[str, int] = {}

    def at(self, amount: float, metric: str) -> Number:
        points = self._result.points
        place = {point.amount.requested: i for i, point in enumerate(points)}[amount]
        if self._points is None:
            self._points = points_of(self._task, self._amounts, self._means(points))
        if metric not in self._clusters:
            # What a metric follows from is the same at every amount.
            around, of_point = _at_point(self._result, points[-1], self._task, metric)
            self._clusters[metric] = _clusters(self._result, around, of_point)
        replicates = np.asarray(self._points[place][metric])
        return Number(points[place].metrics[metric], replicates, self._clusters[metric])

    def chosen(self, metric: str) -> Number:
        if self._result.found is None:
            raise KeyError(metric)
        return number_at(self._result, self._result.found.point, self._task, metric)

    def curve(self, metric: str) -> Number:
        task, result = self._task, self._result

        def of_curve(means: Sequence[Means]) -> Any:
            points = points_of(task, self._amounts, means)
            return task.summarise(self._amounts, points, result.spec.removal)[metric]

        replicates = np.asarray(of_curve(self._means(result.points)))
        clusters = _clusters(result, result.points, of_curve)
        return Number(result.curve[metric].value, replicates, clusters)

    @property
    def _amounts(self) -> list[float]:
        return [point.amount.requested for point in self._result.points]

    def _means(self, points: Sequence[Point]) -> list[dict[str, Any]]:
        samples = [point.samples for point in points]
        if not all(samples):
            raise KeyError("samples")
        return drawn_means(samples, self._result.clusters)


def number_at(result: Result, here: Point, task: Task, name: str) -> Number:
    """Return a metric at one point of a run.

    Raises
    ------
    KeyError
        When a sample that it follows from is not in the record.
    """
    points, of_point = _at_point(result, here, task, name)
    samples = [point.samples for point in points]
    if not all(samples):
        raise KeyError("samples")
    replicates = np.asarray(of_point(drawn_means(samples, result.clusters)))
    return Number(here.metrics[name], replicates, _clusters(result, points, of_point))


def _at_point(
    result: Result, here: Point, task: Task, name: str
) -> tuple[list[Point], Callable[[Sequence[Means]], Any]]:
    """Return the points that a metric of one of them follows from, and how it does."""
    points = [result.points[0], here, *([result.points[-1]] if task.needs_empty else [])]
    amounts = [point.amount.requested for point in points]
    return points, lambda means: points_of(task, amounts, means)[1][name]


def _clusters(
    result: Result, points: Sequence[Point], metric: Callable[[Sequence[Means]], Any]
) -> int:
    """Return how many independent samples a metric follows from: of its kinds, the fewest."""
    observed = observed_means([point.samples for point in points])
    value = metric(observed)
    counts = []
    for kind, values in points[0].samples.items():
        # Does the metric move when only the means of this kind are others, each by another step?
        steps = [1 + 1e-6 * (i + 1) for i in range(len(observed))]
        moved = [{**m, kind: m[kind] * s + s * 1e-9} for m, s in zip(observed, steps, strict=True)]
        if metric(moved) != value:
            counts.append(len(set(result.clusters.get(kind, range(len(values))))))
    return min(counts, default=1)
