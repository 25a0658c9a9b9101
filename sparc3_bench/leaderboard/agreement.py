"""Agreement: the same pruned models in two tasks, and whether one metric tells of the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.pruned import Pair, by_samples, pairs_of

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.leaderboard.boards import Board
    from sparc3_bench.leaderboard.entries import Entry
    from sparc3_bench.leaderboard.pruned import Masks
    from sparc3_bench.record.parts import MetricRecord

WITHOUT_CONTROLS = "without controls"
"""What the pruned models are called that were ranked by something."""

_WIDE = 10
"""Numbers that span more than this factor are compared by their logarithms."""


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
    """Two tasks on the same pruned models of a model.

    Attributes
    ----------
    id
        Unlike that of any other on a page.
    pairs
        The pruned models, by scorer, convention and amount.
    dense
        The dense model in both, of those runs; each number format its own.
    lines
        How the metrics go together, `spearman` and `pearson`, over the pruned models that `words`
        names: all of them first; none where there are too few.
    """

    id: str
    x: Side
    y: Side
    pairs: tuple[Pair, ...]
    dense: tuple[tuple[float, float], ...]
    lines: tuple[SimpleNamespace, ...]

    @property
    def has_interval(self) -> bool:
        """Whether there are models and scorers enough for more than their number."""
        return bool(self.lines) and self.lines[0].spearman.low is not None


def agreements_of(entry: Entry, found: Sequence[Agreement]) -> tuple[Agreement, ...]:
    """Return those with pruned models of a section, and with an interval for what is said."""
    return tuple(
        one
        for one in found
        if one.has_interval and any(side.entry is entry for pair in one.pairs for side in pair)
    )


def agreements(boards: Sequence[Board], host: PluginHost) -> dict[str, tuple[Agreement, ...]]:
    """Return by id of a board how its task goes together with every other on the same model.

    Parameters
    ----------
    boards
        The first of two is drawn along the horizontal axis.
    host
        Where scorers are found that say which defaults options have that a record lacks.
    """
    known = {board.id: by_samples(board, host) for board in boards}
    found: dict[str, list[Agreement]] = {}
    for one, other in itertools.combinations(boards, 2):
        ours, theirs = one.spec, other.spec
        if ours.task.name != theirs.task.name and ours.model.slug == theirs.model.slug:
            made = _agreement(one, other, known[one.id], known[other.id])
            if made is not None:
                found.setdefault(one.id, []).append(made)
                found.setdefault(other.id, []).append(made)
    return {name: tuple(members) for name, members in found.items()}


def _agreement(
    one: Board, other: Board, ours: Sequence[Masks], theirs: Sequence[Masks]
) -> Agreement | None:
    """Return how two boards go together on the samples that share most pruned models."""
    best: list[Pair] = []
    for left, right in itertools.product(ours, theirs):
        pairs = list(pairs_of(left, right))
        if len(pairs) > len(best):
            best = pairs
    if not best:
        return None
    best.sort(key=_position)
    x, y = (
        Side(board, here[0].run.result.metrics[0], _is_wide([m.value for m in here]))
        for board, here in zip((one, other), zip(*best, strict=True), strict=True)
    )
    dense = {
        (
            left.run.result.points[0].metrics[x.metric.name],
            right.run.result.points[0].metrics[y.metric.name],
        )
        for left, right in best
    }
    return Agreement(
        id=f"with-{one.id}-{other.id}",
        x=x,
        y=y,
        pairs=tuple(best),
        dense=tuple(sorted(dense)),
        lines=tuple(_lines(best, x, y)),
    )


def _position(pair: Pair) -> tuple[Any, ...]:
    spec = pair[0].run.result.spec
    return (
        pair[0].series.is_control,
        *(spec.scorer.title, spec.scorer.name, pair[0].entry.words, pair[0].series.variant),
        *(spec.seed, pair[0].point.amount.requested, pair[0].run.path.as_posix()),
    )


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / _WIDE > min(values)


def _lines(pairs: Sequence[Pair], x: Side, y: Side) -> Iterator[SimpleNamespace]:
    """Yield how metrics go together over all, over those that know something, at each amount."""
    groups = {"all": list(pairs)}
    if any(one.series.is_control for one, _ in pairs):
        groups[WITHOUT_CONTROLS] = [pair for pair in pairs if not pair[0].series.is_control]
    by_amount: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: pair[0].point.amount.requested):
        by_amount.setdefault(pair[0].amount, []).append(pair)
    if len(by_amount) > 1:
        groups.update(by_amount)
    for words, members in groups.items():
        line = _line(words, members, x, y)
        if line is not None:
            yield line


def _line(words: str, pairs: Sequence[Pair], x: Side, y: Side) -> SimpleNamespace | None:
    # Loads numpy and scipy.
    from sparc3_bench.statistics.correlation import LEAST, pearson_correlation, spearman_correlation

    if len(pairs) < LEAST:
        return None
    ours = [x.scaled(one.value) for one, _ in pairs]
    theirs = [y.scaled(other.value) for _, other in pairs]
    # What one scorer removes under several options, seeds and amounts is much alike.
    scorers = [one.series.scorer.name for one, _ in pairs]
    try:
        spearman = spearman_correlation(ours, theirs, scorers)
        pearson = pearson_correlation(ours, theirs, scorers)
    except Sparc3Error:
        return None
    return SimpleNamespace(words=words, spearman=spearman, pearson=pearson)
