"""Found: what is looked for on the selection part, by a bar or as the best choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from sparc3_bench.contracts import Task
from sparc3_bench.record.parts import Found, Point, Tried, Versus
from sparc3_bench.run import store
from sparc3_bench.run.controls import at_choice
from sparc3_bench.run.search import largest_amount
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask
from sparc3_bench.statistics.curve import curve_numbers
from sparc3_bench.statistics.dependence import Samples
from sparc3_bench.types.conventions import Removal
from sparc3_bench.types.parts import Bar, Choice

if TYPE_CHECKING:
    from sparc3_bench.run.judging import Measured
    from sparc3_bench.run.points import OneShot
    from sparc3_bench.types.scores import Ranking as Scored

Ranking = Mapping[str, Tensor]


@dataclass(frozen=True)
class Chosen:
    """What was chosen on the selection part.

    Attributes
    ----------
    candidate
        Name of the ranking.
    amount
        The amount; None where the task has nothing to choose.
    tried
        Everything it was chosen from.
    """

    candidate: str
    amount: float | None = None
    tried: tuple[Tried, ...] = ()


def candidates_of(task: Task, rankings: Mapping[str, Scored]) -> Mapping[str, Ranking]:
    """Return by name the rankings that may be pruned by, from those of the references."""
    contrasts = None if task.choice is None else task.choice.contrasts
    if contrasts is None or "" in rankings:  # of a scorer without a reference
        return {"": next(iter(rankings.values())).scores}
    return {name: contrasts.ranking(name, rankings) for name in contrasts.usable(rankings)}


def choose_candidate(run: OneShot, candidates: Mapping[str, Ranking]) -> Chosen:
    """Measure every candidate at every amount on the selection part, and choose.

    Of what keeps the limits, the best wins, the smaller amount in a tie; the dense model always
    keeps them. Where it wins, the candidate is the one that goes least beyond the limits at the
    smallest amount.
    """
    task = run.session.plan.task
    choice = task.choice
    if choice is None:
        return Chosen(next(iter(candidates)))
    tried = [
        one for name, ranking in candidates.items() for one in _tries(run, choice, name, ranking)
    ]
    sign = _sign(run, choice)
    best = max(
        (one for one in tried if one.passes or one.requested == 0),
        key=lambda one: (sign * one.metrics[choice.metric], -one.requested),
    )
    name = best.candidate
    if best.requested == 0:
        smallest = min((one.requested for one in tried if one.requested > 0), default=0.0)
        first = [one for one in tried if one.requested == smallest]
        name = min(first, key=lambda one: _excess(choice, one.metrics)).candidate
    return Chosen(name, best.requested, tuple(tried))


def found_choice(run: OneShot, amount: float, points: Sequence[Point]) -> Found:
    """Measure the random controls of the chosen amount, and return it beside them."""
    if amount > 0:
        run.paired = [_paired(run, amount, seed) for seed in range(run.spec.controls)]
    return chosen_point(
        run.session.plan.task,
        amount,
        points,
        [at.samples for at in run.paired],
        run.cell.prepared.clusters,
        run.spec.removal,
    )


def chosen_point(
    task: Task,
    amount: float,
    points: Sequence[Point],
    paired: Sequence[Samples],
    clusters: Mapping[str, Sequence[int]],
    removal: Removal,
) -> Found:
    """Return the chosen amount on the test part, beside its random controls.

    Parameters
    ----------
    task
        Whose choice it is.
    amount, points
        The amount, and the points of the curve.
    paired
        Samples of its random controls; empty where there are none.
    clusters
        See `PreparedTask.clusters`.
    removal
        Which end was removed.
    """
    choice = task.choice
    assert choice is not None
    own = next(point for point in points if point.amount.requested == amount)
    drawn: dict[str, tuple[float, ...]] = {}
    beside: dict[str, Versus] = {}
    if paired:
        samples = [points[0].samples, own.samples]
        drawn, beside = at_choice(task, amount, samples, paired, clusters, removal)
    return Found(
        metric=choice.metric,
        limits=dict(choice.limits),
        title=choice.title,
        point=own.model_copy(update={"control": drawn, "versus": beside}),
        versus=beside.get(choice.metric),
    )


def found_by_bar(run: OneShot, ranking: Ranking, bar: Bar) -> Found:
    """Look for the largest amount that reaches the task's bar, and measure it on the test part."""
    task, cell = run.session.plan.task, run.cell
    label = f"{run.label} · looking for {bar.metric} ≥ {bar.at_least:g}"

    def samples(amount: float) -> Mapping[str, Sequence[float]]:
        at = run.evaluated(run.masked(ranking, amount), label, "selection")
        run.charge("search", at)
        return at.samples

    dense, empty = samples(0.0), samples(1.0)
    whole = run.evaluated(run.masked(ranking, 1.0), label).samples

    def passes(amount: float) -> bool:
        curve = curve_numbers(
            task,
            (0.0, amount, 1.0),
            (dense, samples(amount), empty),
            {},
            "lowest",
            with_intervals=False,
        )
        return curve.points[1][bar.metric] >= bar.at_least

    amount = largest_amount(passes)
    kept = run.chosen(ranking, amount)
    keep = as_mask(kept, run.session.view, run.spec.unit)
    at = run.evaluated(keep, label)
    curve = curve_numbers(
        task,
        (0.0, amount, 1.0),
        (run.samples[0], at.samples, whole),
        cell.prepared.clusters,
        "lowest",
    )
    point = Point(
        amount=run.amount(amount, keep, run.removed(kept)),
        metrics=curve.points[1],
        intervals=curve.intervals[1],
        samples=dict(at.samples),
        control={},
        versus={},
        kept=run.counted(keep),
    )
    return Found(
        metric=bar.metric,
        at_least=bar.at_least,
        limits={},
        title=bar.title,
        point=point,
    )


def _tries(run: OneShot, choice: Choice, name: str, ranking: Ranking) -> list[Tried]:
    samples = []
    for amount in run.spec.amounts:
        label = f"{run.label} · choosing · {name} {amount:g}".replace("·  ", "· ")
        at = run.evaluated(run.masked(ranking, amount), label, "selection")
        run.charge("search", at)
        samples.append(at.samples)
    curve = curve_numbers(
        run.session.plan.task,
        run.spec.amounts,
        samples,
        {},
        run.spec.removal,
        with_intervals=False,
    )
    return [
        Tried(
            candidate=name,
            requested=amount,
            metrics=point,
            passes=_excess(choice, point) <= 0,
        )
        for amount, point in zip(run.spec.amounts, curve.points, strict=True)
    ]


def _excess(choice: Choice, metrics: Mapping[str, float]) -> float:
    return max((metrics[name] - most for name, most in choice.limits.items()), default=0.0)


def _sign(run: OneShot, choice: Choice) -> float:
    metrics = run.session.plan.task.metrics_for(run.spec.removal)
    direction = next(metric.direction for metric in metrics if metric.name == choice.metric)
    return 1.0 if direction == "higher" else -1.0


def _paired(run: OneShot, amount: float, seed: int) -> Measured:
    spec, session = run.spec, run.session
    kept = run.chosen(run.ranking, amount)

    def random() -> AbstractContextManager[None]:
        keep = as_mask(matched(kept, spec.group, seed), session.view, spec.unit)
        return session.ablated(run.cell, keep)

    digest = store.counts_digests(kept, spec)[seed]
    label = f"{run.label} · {amount:g} chosen · random controls"
    at = session.evaluate(run.cell, "paired", digest, random, label)
    run.charge("controls", at)
    return at
