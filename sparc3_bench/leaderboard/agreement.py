"""Agreement: the same pruned models in two tasks, and whether one metric tells of the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sparc3_bench.comparison.comparable import judge_of, samples_of
from sparc3_bench.comparison.phrasing import is_reference
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import ResultFile, Series
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import PluginHost
from sparc3_bench.leaderboard.boards import Board
from sparc3_bench.leaderboard.sentences import WITHOUT_CONTROLS, said
from sparc3_bench.record.parts import MetricRecord, Point
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import canonical_json
from sparc3_bench.run.options import as_typed, build

_WIDE = 10
"""Numbers that span more than this factor are compared by their logarithms."""


@dataclass(frozen=True, eq=False)
class PrunedPoint:
    """A pruned model as one task measured it: a point of a run, of a row of a section."""

    section: Section
    series: Series
    run: ResultFile
    point: Point

    @property
    def metric(self) -> MetricRecord:
        """How to read the number: the main metric of the task."""
        return self.run.result.metrics[0]

    @property
    def value(self) -> float:
        """The number."""
        return self.point.metrics[self.metric.name]

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval, where there is one."""
        return self.point.intervals.get(self.metric.name)

    @property
    def amount(self) -> str:
        """How much is removed, in words."""
        return self.section.sizes.words(self.point.amount.requested)

    @property
    def dense(self) -> float:
        """The number of the dense model in the same run."""
        return self.run.result.points[0].metrics[self.metric.name]

    @property
    def ran(self) -> tuple[str, str]:
        """In which number format, on what kind of device."""
        model = self.run.result.spec.model
        return model.dtype, model.device


Pair = tuple[PrunedPoint, PrunedPoint]
"""The same pruned model in the first task and in the second."""

Masks = Mapping[tuple[str, float], Sequence[PrunedPoint]]
"""By pruned model and amount, where it was measured: newest last."""


@dataclass(frozen=True)
class Side:
    """One of the two tasks; `is_log` where its numbers are compared by their logarithm."""

    board: Board
    metric: MetricRecord
    is_log: bool

    def scaled(self, value: float) -> float:
        """Return a number as it is compared."""
        return math.log(value) if self.is_log else value


@dataclass(frozen=True)
class Agreement:
    """Two tasks on the same pruned models of a model."""

    id: str  # unlike that of any other on a page
    x: Side
    y: Side
    pairs: tuple[Pair, ...]  # the pruned models, by scorer, convention and amount
    # The dense model in both, of those runs; each number format its own
    dense: tuple[tuple[float, float], ...]
    # How the metrics go together, `spearman` and `pearson`, over the pruned models that `words`
    # names: all of them first; none where there are too few
    lines: tuple[SimpleNamespace, ...]

    @property
    def has_interval(self) -> bool:
        """Whether there are models and scorers enough for more than their number."""
        return bool(self.lines) and self.lines[0].spearman.low is not None

    def is_about(self, section: Section) -> bool:
        """Return whether it is of pruned models of a section, with an interval for what is said."""
        return self.has_interval and any(s.section is section for pair in self.pairs for s in pair)

    @property
    def remarks(self) -> list[str]:
        """What a reader must know of how the models were paired."""
        apart = [pair for pair in self.pairs if pair[0].ran != pair[1].ran]
        ways = sorted({" and ".join(" on ".join(side.ran) for side in pair) for pair in apart})
        told = [said("formats", self, len(apart), ways)] if apart else []
        digests = [[s.run.result.spec.scorer.source_digest for s in pair] for pair in self.pairs]
        if codes := sum(one != other for one, other in digests):
            told.append(said("codes", self, codes))
        return told


def agreements(boards: Sequence[Board], host: PluginHost) -> dict[str, tuple[Agreement, ...]]:
    """Return by id of a board how its task goes together with every other on the same model.

    The first of two is drawn along the horizontal axis. `host` says which defaults options have
    that a record lacks.
    """
    pruned = [(board, _by_samples(board, host)) for board in boards]
    found: dict[str, tuple[Agreement, ...]] = {}
    for (one, ours), (other, theirs) in itertools.combinations(pruned, 2):
        if one.spec.task.name != other.spec.task.name:
            for made in _agreement(one, other, ours, theirs):
                for board in (one, other):
                    found[board.id] = (*found.get(board.id, ()), made)
    return found


def pruning_key(result: Result, host: PluginHost) -> str:
    """Return what two runs share that remove the same weights; the number format may differ.

    Options that the record of an older scorer lacks have the defaults of the one that is installed.
    """
    spec, model = result.spec, result.spec.model
    options: Mapping[str, Any] = spec.scorer.options
    try:
        cls = host.get("scorer", spec.scorer.name).cls
        options = build("scorer", cls, as_typed(options)).options()
    except Sparc3Error:
        pass  # not installed, or not with these options: then only equal records are alike
    return canonical_json(
        {
            "model": (model.slug, model.weight_digest),
            "scorer": (spec.scorer.name, options),
            "objective": spec.objective,
            "seed": spec.seed,
            **spec.conventions(),
            "reference": [
                (data.digest, *samples)
                for data, samples in zip(
                    filter(is_reference, spec.datasets),
                    samples_of(spec, of_reference=True),
                    strict=True,
                )
            ],
        }
    )


def _by_samples(board: Board, host: PluginHost) -> list[Masks]:
    """Return what a board measured, apart by the samples that it was measured on."""
    found: dict[Any, dict[tuple[str, float], list[PrunedPoint]]] = {}
    for section in board.drawn:
        for one in section.series:
            for run in one.runs:
                result = run.result
                first = result.metrics[0]
                if result.candidate or first.direction == "neither":
                    continue
                key = pruning_key(result, host)
                data = samples_of(result.spec, of_reference=False)
                samples = (data, (first.name, first.direction), judge_of(result.spec))
                here = found.setdefault(samples, {})
                for point in result.points:
                    # The dense model and the empty one are the same whatever was ranked.
                    if 0 < point.amount.in_scope < 1:
                        made = PrunedPoint(section, one, run, point)
                        here.setdefault((key, point.amount.requested), []).append(made)
    for masks in found.values():
        for members in masks.values():
            members.sort(key=lambda one: (one.run.result.created, one.run.result.key))
    return [found[name] for name in sorted(found, key=str)]


def _pairs(left: Masks, right: Masks) -> Iterator[Pair]:
    """Yield every pruned model once; measured in one number format by both, where it was."""
    for mask, ours in left.items():
        pairs = [
            (one, other)
            for one in ours
            for other in right.get(mask, ())
            if one.point.amount.weights_removed == other.point.amount.weights_removed
        ]
        if pairs:
            yield max(enumerate(pairs), key=lambda at: (at[1][0].ran == at[1][1].ran, at[0]))[1]


def _agreement(
    one: Board, other: Board, ours: Sequence[Masks], theirs: Sequence[Masks]
) -> Iterator[Agreement]:
    """Yield how two boards go together on the samples that share most pruned models, if any do."""
    every = [list(_pairs(*both)) for both in itertools.product(ours, theirs)]
    best: list[Pair] = max(every, key=len, default=[])
    if best:
        best.sort(key=_position)
        x, y = (
            Side(board, here[0].metric, _is_wide([m.value for m in here]))
            for board, here in zip((one, other), zip(*best, strict=True), strict=True)
        )
        dense = sorted({(left.dense, right.dense) for left, right in best})
        name = f"with-{one.id}-{other.id}"
        yield Agreement(name, x, y, tuple(best), tuple(dense), tuple(_lines(best, x, y)))


def _position(pair: Pair) -> tuple[Any, ...]:
    one = pair[0]
    spec = one.run.result.spec
    return (
        *(one.series.is_control, spec.scorer.title, spec.scorer.name, one.section.words),
        *(one.series.variant, spec.seed, one.point.amount.requested, one.run.path.as_posix()),
    )


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / _WIDE > min(values)


def _lines(pairs: Sequence[Pair], x: Side, y: Side) -> Iterator[SimpleNamespace]:
    """Yield how metrics go together over all, over those that know something, at each amount."""
    # Loads numpy and scipy.
    from sparc3_bench.statistics.correlation import LEAST, pearson_correlation, spearman_correlation

    groups = {"all": list(pairs)}
    if any(one.series.is_control for one, _ in pairs):
        groups[WITHOUT_CONTROLS] = [pair for pair in pairs if not pair[0].series.is_control]
    by_amount: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: pair[0].point.amount.requested):
        by_amount.setdefault(pair[0].amount, []).append(pair)
    if len(by_amount) > 1:
        groups.update(by_amount)
    for words, members in groups.items():
        if len(members) < LEAST:
            continue
        ours = [x.scaled(one.value) for one, _ in members]
        theirs = [y.scaled(other.value) for _, other in members]
        # What one scorer removes under several options, seeds and amounts is much alike.
        scorers = [one.series.scorer.name for one, _ in members]
        try:
            spearman = spearman_correlation(ours, theirs, scorers)
            pearson = pearson_correlation(ours, theirs, scorers)
        except Sparc3Error:
            continue
        yield SimpleNamespace(words=words, spearman=spearman, pearson=pearson)
