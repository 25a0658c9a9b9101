"""Draws: the bootstrap replicates behind the numbers of a section, each made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

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

if TYPE_CHECKING:
    from sparc3_bench.contracts import Task
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section
    from sparc3_bench.record.parts import Point
    from sparc3_bench.record.result import Result
    from sparc3_bench.statistics.numbers import Array
    from sparc3_bench.types.values import Scale


@dataclass(frozen=True)
class BootstrapNumber:
    """A number with its bootstrap replicates and how many independent samples it follows from."""

    value: float
    replicates: Any
    clusters: int


class Replicates:
    """The numbers of a section's rows with their replicates.

    All methods raise KeyError where a number, or a sample that it follows from, is not recorded.

    Parameters
    ----------
    section
        The runs that are compared.
    task
        Says how metrics follow from samples; of the version that measured.
    """

    def __init__(self, section: Section, task: Task) -> None:
        self._section, self._task = section, task
        self._drawn: dict[str, ReplicatesOfRun] = {}
        self._follows = _Follows(task)
        self._scales = scales_of(task, section.spec.removal)

    def scale(self, metric: str) -> Scale:
        """Return on which scale the task compares a number."""
        return self._scales.get(metric, "linear")

    def ordering(self, one: Series) -> BootstrapNumber:
        """Return the number of a row by which the rows are ordered."""
        section = self._section
        if section.order_chosen is not None:
            name = section.order_chosen.name
            return average([run.chosen(name) for run in self._newest(one)])
        if section.order_curve is not None:
            name = section.order_curve.name
            return average([run.curve(name) for run in self._newest(one)])
        return self.at(one, section.order, section.metrics[0].name)

    def at(self, one: Series, amount: float, metric: str) -> BootstrapNumber:
        """Return a metric of a row at one amount, the mean over its seeds."""
        return average([run.at(amount, metric) for run in self._newest(one)])

    def seeds(self, one: Series, amount: float) -> list[ReplicatesOfRun]:
        """Return the newest run of every seed of a row, of those that have the amount."""
        return [run for run in self._newest(one) if run.has(amount)]

    def sets(self, metric: str) -> set[str]:
        """Return the named sets of samples that a metric follows from; see `Evaluation`."""
        for run in self._section.runs:
            if not any("/" in kind for kind in run.result.points[0].samples):
                continue
            if kinds := self._follows.kinds(run.result, metric, of_curve=False):
                return {kind.partition("/")[0] for kind in kinds if "/" in kind}
        return set()

    def chances(self) -> Mapping[str, float]:
        """Return what guessing gives, where the task says so."""
        return self._task.chances()

    def _newest(self, one: Series) -> list[ReplicatesOfRun]:
        newest = {result.spec.seed: result for result in one.rising}
        for result in newest.values():
            # The key of a spec; what is in it twice was measured alike.
            if result.key not in self._drawn:
                self._drawn[result.key] = ReplicatesOfRun(result, self._task, self._follows)
        return [self._drawn[result.key] for result in newest.values()]


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


class _Follows:
    """What the metrics of a task follow from: kinds of samples, found by moving their means.

    It is the same for every run of a section, so it is looked for once.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._kinds: tuple[Kinds, Kinds] = ({}, {})

    def kinds(self, result: Result, metric: str, *, of_curve: bool) -> set[str]:
        """Return the kinds that a metric follows from, as this run or an earlier one shows."""
        # In a run whose curve is flat a metric may not move; another run then shows it.
        if not self._kinds[of_curve].get(metric):
            amounts = [point.amount.requested for point in result.points]
            means = observed_means(_samples(result.points))
            found = kinds_behind(self._task, amounts, means, result.spec.removal)
            for known, new in zip(self._kinds, found, strict=True):
                for name, kinds in new.items():
                    known.setdefault(name, set()).update(kinds)
        return self._kinds[of_curve].get(metric, set())


class ReplicatesOfRun:
    """The replicates of one run."""

    def __init__(self, result: Result, task: Task, follows: _Follows) -> None:
        self._result, self._task, self._follows = result, task, follows
        self._places = {point.amount.requested: i for i, point in enumerate(result.points)}

    def has(self, amount: float) -> bool:
        """Return whether the run has the amount."""
        return amount in self._places

    def at(self, amount: float, metric: str) -> BootstrapNumber:
        """Return a metric at one amount."""
        place = self._places[amount]
        value = self._result.points[place].metrics[metric]
        replicates = np.asarray(self._points[place][metric])
        return BootstrapNumber(value, replicates, self._clusters(metric))

    def chosen(self, metric: str) -> BootstrapNumber:
        """Return a metric of what was chosen."""
        if self._result.found is None:
            raise KeyError(metric)
        return bootstrap_number(self._result, self._result.found.point, self._task, metric)

    def curve(self, metric: str) -> BootstrapNumber:
        """Return a number of the whole curve."""
        value = self._result.curve[metric].value
        whole = summary_of(self._task, list(self._places), self._points, self._result.spec.removal)
        return BootstrapNumber(
            value, np.asarray(whole[metric]), self._clusters(metric, of_curve=True)
        )

    def _clusters(self, metric: str, *, of_curve: bool = False) -> int:
        """Return how many independent samples a metric follows from: of its kinds, the fewest."""
        kinds = self._follows.kinds(self._result, metric, of_curve=of_curve)
        return fewest({metric: kinds}, self._counts)[metric]

    @cached_property
    def _counts(self) -> dict[str, int]:
        return independent(self._result.points[0].samples, self._result.clusters)

    @cached_property
    def _points(self) -> list[dict[str, Any]]:
        """The replicates of every metric at every amount."""
        drawn = drawn_means(_samples(self._result.points), self._result.clusters)
        return points_of(self._task, list(self._places), drawn)


def bootstrap_number(result: Result, here: Point, task: Task, name: str) -> BootstrapNumber:
    """Return a metric at one point of a run.

    Raises
    ------
    KeyError
        When a sample that it follows from is not in the record.
    """
    points = [result.points[0], here, *([result.points[-1]] if task.needs_empty else [])]
    amounts = [point.amount.requested for point in points]
    samples = _samples(points)
    means, removal = observed_means(samples), result.spec.removal
    kinds, _ = kinds_behind(task, amounts, means, removal)
    counts = independent(samples[0], result.clusters)
    drawn = points_of(task, amounts, drawn_means(samples, result.clusters))
    behind = {name: kinds.get(name, set())}
    return BootstrapNumber(
        here.metrics[name], np.asarray(drawn[1][name]), fewest(behind, counts)[name]
    )


def _samples(points: Sequence[Point]) -> list[Samples]:
    samples = [point.samples for point in points]
    if not all(samples):
        raise KeyError("samples")
    return list(samples)
