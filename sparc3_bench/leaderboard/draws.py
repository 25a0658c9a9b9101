"""Draws: the bootstrap replicates behind the numbers of a section, each made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc3_bench.run.curve import Samples, drawn_means, observed_means, points_of

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
    """The replicates of one run, and what its metrics follow from."""

    def __init__(self, result: Result, task: Task) -> None:
        self._result, self._task = result, task
        self._amounts = [point.amount.requested for point in result.points]

    def at(self, amount: float, metric: str) -> Number:
        if amount not in self._amounts:
            raise KeyError(amount)
        place = self._amounts.index(amount)
        value = self._result.points[place].metrics[metric]
        replicates = np.asarray(self._points[place][metric])
        return Number(value, replicates, self._clusters[0].get(metric, 1))

    def chosen(self, metric: str) -> Number:
        if self._result.found is None:
            raise KeyError(metric)
        return number_at(self._result, self._result.found.point, self._task, metric)

    def curve(self, metric: str) -> Number:
        value = self._result.curve[metric].value
        replicates = np.asarray(self._whole(self._points)[metric])
        return Number(value, replicates, self._clusters[1].get(metric, 1))

    @cached_property
    def _points(self) -> list[dict[str, Any]]:
        """The replicates of every metric at every amount."""
        samples = _samples(self._result.points)
        return points_of(self._task, self._amounts, drawn_means(samples, self._result.clusters))

    @cached_property
    def _clusters(self) -> tuple[dict[str, int], dict[str, int]]:
        """How many independent samples each metric follows from: of points, and of the curve."""
        observed = observed_means(_samples(self._result.points))
        of_points: dict[str, int] = {}
        of_curve: dict[str, int] = {}
        points = points_of(self._task, self._amounts, observed)
        curve = self._whole(points)
        for kind, count in _independent(self._result).items():
            moved = points_of(self._task, self._amounts, _moved(observed, kind))
            # It is the same at every amount, though it need not show at the ends of a curve.
            here = {
                n for old, new in zip(points, moved, strict=True) for n in old if old[n] != new[n]
            }
            _note(of_points, here, count)
            now = self._whole(moved)
            _note(of_curve, {name for name in curve if curve[name] != now[name]}, count)
        return of_points, of_curve

    def _whole(self, points: list[dict[str, Any]]) -> Mapping[str, Any]:
        return self._task.summarise(self._amounts, points, self._result.spec.removal)


def number_at(result: Result, here: Point, task: Task, name: str) -> Number:
    """Return a metric at one point of a run.

    Raises
    ------
    KeyError
        When a sample that it follows from is not in the record.
    """
    points = [result.points[0], here, *([result.points[-1]] if task.needs_empty else [])]
    amounts = [point.amount.requested for point in points]

    def metric(means: Sequence[Means]) -> Any:
        return points_of(task, amounts, means)[1][name]

    samples = _samples(points)
    observed = observed_means(samples)
    counts = [
        count
        for kind, count in _independent(result).items()
        if metric(_moved(observed, kind)) != metric(observed)
    ]
    replicates = np.asarray(metric(drawn_means(samples, result.clusters)))
    return Number(here.metrics[name], replicates, min(counts, default=1))


def _samples(points: Sequence[Point]) -> list[Samples]:
    samples = [point.samples for point in points]
    if not all(samples):
        raise KeyError("samples")
    return list(samples)


def _independent(result: Result) -> dict[str, int]:
    """Return how many independent samples there are of each kind."""
    kinds = result.points[0].samples
    return {k: len(set(result.clusters.get(k, range(len(kinds[k]))))) for k in kinds}


def _moved(means: Sequence[Mapping[str, float]], kind: str) -> list[dict[str, float]]:
    """Return other means of one kind of samples, each moved by another step."""
    steps = [1 + 1e-6 * (place + 1) for place in range(len(means))]
    return [{**m, kind: m[kind] * s + s * 1e-9} for m, s in zip(means, steps, strict=True)]


def _note(found: dict[str, int], names: set[str], count: int) -> None:
    """Keep for every metric the fewest of the samples that it follows from."""
    for name in names:
        found[name] = min(count, found.get(name, count))
