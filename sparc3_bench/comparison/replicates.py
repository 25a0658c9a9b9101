"""Draws: the bootstrap replicates behind the numbers of a section, each made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sparc3_bench.comparison.comparable_rows import ComparableRows
from sparc3_bench.comparison.series import Series
from sparc3_bench.contracts import Task
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.parts import Point
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.curve import drawn_means, scales_of
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
from sparc3_bench.statistics.numbers import Array
from sparc3_bench.types.values import Scale


@dataclass(frozen=True)
class BootstrapNumber:
    """A number with its bootstrap replicates and how many independent samples it follows from."""

    value: float
    replicates: Any
    clusters: int


class Replicates:
    """The numbers of a section's rows with their replicates, by the task that measured them.

    All methods raise KeyError where a number, or a sample that it follows from, is not recorded.
    """

    def __init__(self, section: ComparableRows, task: Task) -> None:
        self._section, self._task = section, task
        self._drawn: dict[str, ReplicatesOfRun] = {}
        self._known: tuple[Kinds, Kinds] = ({}, {})
        self._scales = scales_of(task, section.spec.removal)

    def scale(self, metric: str) -> Scale:
        """Return on which scale the task compares a number."""
        return self._scales.get(metric, "linear")

    def ordering(self, one: Series) -> BootstrapNumber:
        """Return the number of a row by which the rows are ordered."""
        section = self._section
        name, runs = section.metric.name, self._newest(one)
        if section.order_chosen is not None:
            return average([run.chosen(name) for run in runs])
        if section.order_curve is not None:
            return average([run.curve(name) for run in runs])
        return average([run.at(section.order, name) for run in runs])

    def at(self, one: Series, amount: float, metric: str) -> BootstrapNumber:
        """Return a metric of a row at one amount, the mean over its seeds."""
        return average([run.at(amount, metric) for run in self._newest(one)])

    def get(self, one: Series, amount: float, metric: str) -> BootstrapNumber | None:
        """Return the same, None where it, or a sample that it follows from, is not recorded."""
        try:
            return self.at(one, amount, metric)
        except (Sparc3Error, KeyError):
            return None

    def seeds(self, one: Series, amount: float) -> list[ReplicatesOfRun]:
        """Return the newest run of every seed of a row, of those that have the amount."""
        return [run for run in self._newest(one) if run.has(amount)]

    def sets(self, metric: str) -> set[str]:
        """Return the named sets of samples that a metric follows from; see `Evaluation`."""
        for run in self._section.runs:
            if not any("/" in kind for kind in run.result.points[0].samples):
                continue
            if kinds := self._of(run.result).kinds(metric):
                return {kind.partition("/")[0] for kind in kinds if "/" in kind}
        return set()

    def chances(self) -> Mapping[str, float]:
        """Return what guessing gives, where the task says so."""
        return self._task.chances()

    def _newest(self, one: Series) -> list[ReplicatesOfRun]:
        newest = {result.spec.seed: result for result in one.rising}
        return [self._of(result) for result in newest.values()]

    def _of(self, result: Result) -> ReplicatesOfRun:
        # The key of a spec; what is in it twice was measured alike.
        if result.key not in self._drawn:
            found = ReplicatesOfRun(result, result.points, self._task, self._known)
            self._drawn[result.key] = found
        return self._drawn[result.key]


def average(numbers: Sequence[BootstrapNumber]) -> BootstrapNumber:
    """Return the mean of numbers, with as many independent samples as that with the fewest."""
    values, replicates, clusters = side_by_side(numbers)
    return BootstrapNumber(float(np.mean(values)), np.mean(replicates, axis=1), clusters)


def side_by_side(numbers: Sequence[BootstrapNumber]) -> tuple[list[float], Array, int]:
    """Return numbers, their replicates ``[replicates, numbers]``, and the fewest clusters."""
    return (
        [number.value for number in numbers],
        np.stack([number.replicates for number in numbers], axis=1),
        min(number.clusters for number in numbers),
    )


class ReplicatesOfRun:
    """The replicates of one run at some of its points.

    `known` is what metrics at points, and of whole curves, follow from, as far as other runs of the
    task have shown: kinds of samples, found by moving their means. It is added to.
    """

    def __init__(
        self, result: Result, points: Sequence[Point], task: Task, known: tuple[Kinds, Kinds]
    ) -> None:
        self._result, self._shown, self._task, self._known = result, points, task, known
        self._amounts = [point.amount.requested for point in points]

    def kinds(self, metric: str, *, of_curve: bool = False) -> set[str]:
        """Return the kinds that a metric follows from, as this run or an earlier one shows."""
        # In a run whose curve is flat a metric may not move; another run then shows it.
        if not self._known[of_curve].get(metric):
            means, removal = observed_means(_samples(self._shown)), self._result.spec.removal
            found = kinds_behind(self._task, self._amounts, means, removal)
            for known, new in zip(self._known, found, strict=True):
                for name, kinds in new.items():
                    known.setdefault(name, set()).update(kinds)
        return self._known[of_curve].get(metric, set())

    def has(self, amount: float) -> bool:
        """Return whether the run has the amount."""
        return amount in self._amounts

    def at(self, amount: float, metric: str) -> BootstrapNumber:
        """Return a metric at one amount."""
        if not self.has(amount):
            raise KeyError(amount)
        return self.number(self._amounts.index(amount), metric)

    def number(self, place: int, metric: str) -> BootstrapNumber:
        """Return a metric at the point at a place."""
        return BootstrapNumber(
            self._shown[place].metrics[metric],
            np.asarray(self._points[place][metric]),
            self._clusters(metric),
        )

    def chosen(self, metric: str) -> BootstrapNumber:
        """Return a metric of what was chosen."""
        if self._result.found is None:
            raise KeyError(metric)
        return bootstrap_number(self._result, self._result.found.point, self._task, metric)

    def curve(self, metric: str) -> BootstrapNumber:
        """Return a number of the whole curve."""
        value = self._result.curve[metric].value
        whole = summary_of(self._task, self._amounts, self._points, self._result.spec.removal)
        return BootstrapNumber(
            value, np.asarray(whole[metric]), self._clusters(metric, of_curve=True)
        )

    def _clusters(self, metric: str, *, of_curve: bool = False) -> int:
        """Return how many independent samples a metric follows from: of its kinds, the fewest."""
        kinds = self.kinds(metric, of_curve=of_curve)
        return fewest({metric: kinds}, self._counts)[metric]

    @cached_property
    def _counts(self) -> dict[str, int]:
        return independent(self._shown[0].samples, self._result.clusters)

    @cached_property
    def _points(self) -> list[dict[str, Any]]:
        """The replicates of every metric at every amount."""
        drawn = drawn_means(_samples(self._shown), self._result.clusters)
        return points_of(self._task, self._amounts, drawn)


def bootstrap_number(result: Result, here: Point, task: Task, name: str) -> BootstrapNumber:
    """Return a metric at one point of a run; KeyError where a sample behind it is not recorded."""
    points = [result.points[0], here, *([result.points[-1]] if task.needs_empty else [])]
    return ReplicatesOfRun(result, points, task, ({}, {})).number(1, name)


def _samples(points: Sequence[Point]) -> list[Samples]:
    samples = [point.samples for point in points]
    if not all(samples):
        raise KeyError("samples")
    return list(samples)
