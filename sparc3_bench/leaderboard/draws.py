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
        self._follows = _Follows(task)

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

    def beside_dense(self, one: Series, amount: float, metric: str) -> list[tuple[Number, Number]]:
        """Return for every seed a metric at one amount and that of the dense model, paired.

        Raises
        ------
        KeyError
            When it, or a sample that it follows from, is not in the record.
        """
        runs = [run for run in map(self._of, _newest(one)) if run.has(amount)]
        return [(run.at(amount, metric), run.at(0.0, metric)) for run in runs]

    def sets(self, metric: str) -> set[str]:
        """Return the named sets of samples that a metric follows from; see `Evaluation`.

        Raises
        ------
        KeyError
            When there are no samples in the records.
        """
        for run in self._section.runs:
            if not any("/" in kind for kind in run.result.points[0].samples):
                continue
            if kinds := self._follows.kinds(run.result, metric, of_curve=False):
                return {kind.partition("/")[0] for kind in kinds if "/" in kind}
        return set()

    def chances(self) -> Mapping[str, float]:
        """Return what guessing gives, where the task says so."""
        return self._task.chances()

    def _mean(self, one: Series, number: Callable[[_Drawn], Number]) -> Number:
        numbers = [number(self._of(result)) for result in _newest(one)]
        return Number(
            float(np.mean([number.value for number in numbers])),
            np.mean([number.replicates for number in numbers], axis=0),
            min(number.clusters for number in numbers),
        )

    def _of(self, result: Result) -> _Drawn:
        # The key of a spec; what is in it twice was measured alike.
        if result.key not in self._drawn:
            self._drawn[result.key] = _Drawn(result, self._task, self._follows)
        return self._drawn[result.key]


def _newest(one: Series) -> list[Result]:
    """Return the run of every seed; of a seed that was run twice, the newest."""
    newest: dict[int, Result] = {}
    for run in sorted(one.runs, key=lambda run: (run.result.created, run.result.key)):
        newest[run.result.spec.seed] = run.result
    return list(newest.values())


class _Follows:
    """What the metrics of a task follow from: kinds of samples, found by moving their means.

    It is the same for every run of a section, so it is looked for once.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._kinds: dict[tuple[str, bool], set[str]] = {}

    def kinds(self, result: Result, metric: str, *, of_curve: bool) -> set[str]:
        """Return the kinds that a metric follows from, as this run or an earlier one shows."""
        key = metric, of_curve
        # In a run whose curve is flat a metric may not move; another run then shows it.
        if not self._kinds.get(key):
            self._look(result)
        return self._kinds.get(key, set())

    def _look(self, result: Result) -> None:
        amounts = [point.amount.requested for point in result.points]
        observed = observed_means(_samples(result.points))
        points = points_of(self._task, amounts, observed)
        curve = self._task.summarise(amounts, points, result.spec.removal)
        for kind in observed[0]:
            moved = points_of(self._task, amounts, _moved(observed, kind))
            # It is the same at every amount, though it need not show at the ends of a curve.
            pairs = list(zip(points, moved, strict=True))
            for name in {name for old, new in pairs for name in old if old[name] != new[name]}:
                self._kinds.setdefault((name, False), set()).add(kind)
            now = self._task.summarise(amounts, moved, result.spec.removal)
            for name in (name for name in curve if curve[name] != now[name]):
                self._kinds.setdefault((name, True), set()).add(kind)


class _Drawn:
    """The replicates of one run."""

    def __init__(self, result: Result, task: Task, follows: _Follows) -> None:
        self._result, self._task, self._follows = result, task, follows
        self._places = {point.amount.requested: i for i, point in enumerate(result.points)}

    def has(self, amount: float) -> bool:
        return amount in self._places

    def at(self, amount: float, metric: str) -> Number:
        place = self._places[amount]
        value = self._result.points[place].metrics[metric]
        replicates = np.asarray(self._points[place][metric])
        return Number(value, replicates, self._clusters(metric))

    def chosen(self, metric: str) -> Number:
        if self._result.found is None:
            raise KeyError(metric)
        return number_at(self._result, self._result.found.point, self._task, metric)

    def curve(self, metric: str) -> Number:
        value = self._result.curve[metric].value
        whole = self._task.summarise(list(self._places), self._points, self._result.spec.removal)
        return Number(value, np.asarray(whole[metric]), self._clusters(metric, of_curve=True))

    def _clusters(self, metric: str, *, of_curve: bool = False) -> int:
        """Return how many independent samples a metric follows from: of its kinds, the fewest."""
        kinds = self._follows.kinds(self._result, metric, of_curve=of_curve)
        return min((self._counts[kind] for kind in kinds if kind in self._counts), default=1)

    @cached_property
    def _counts(self) -> dict[str, int]:
        return _independent(self._result)

    @cached_property
    def _points(self) -> list[dict[str, Any]]:
        """The replicates of every metric at every amount."""
        drawn = drawn_means(_samples(self._result.points), self._result.clusters)
        return points_of(self._task, list(self._places), drawn)


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
