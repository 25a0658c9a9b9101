"""Verdict: whether a measured number and a published one are the same but for known errors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

DEFINITION = (
    "A number matches when it differs from the published one by no more than t · s, half a unit of "
    "the last printed digit and the table's tolerance for other number formats, added up. s is the "
    "standard error of the difference over seeds of the reference samples, both sides independent; "
    "t is the 97.5 % quantile of Student's t with Welch's degrees of freedom [welch1947]. A side "
    "that does not tell its spread is taken to have the other's; where neither has one, s is 0. "
    "Errors over the items measured on do not count, as both sides have the same ones; where "
    "options of a task were changed they may be others, and the bootstrap error of ours counts. "
    "Published errors are taken to be standard errors over seeds that were drawn as ours."
)
"""What is said and assumed, for reports."""

_LEVEL = 0.975


@dataclass(frozen=True)
class SeedMean:
    """A number that is the mean over seeds."""

    value: float
    error: float | None
    """Standard error of that mean over seeds; None where it is not known."""
    seeds: int
    """How many."""
    items: float = 0.0
    """Standard error over the items measured on, where it counts."""
    item_count: int | None = None
    """How many independent items that is of; None where it is not known, or does not count."""


@dataclass(frozen=True)
class ReplicationVerdict:
    """The difference, here minus published, and how large it may be."""

    difference: float
    allowed: float

    @property
    def word(self) -> str:
        """`match` or `differs`."""
        return "match" if abs(self.difference) <= self.allowed else "differs"


def mean_of(values: Sequence[float], items: float = 0.0, item_count: int | None = None) -> SeedMean:
    """Return the mean over seeds with its standard error, which one seed does not tell."""
    count = len(values)
    error = statistics.stdev(values) / math.sqrt(count) if count > 1 else None
    return SeedMean(statistics.fmean(values), error, count, items, item_count)


def verdict_of(
    own: SeedMean, published: SeedMean, digit: float, tolerance: float
) -> ReplicationVerdict:
    """Compare a number with a published one in the same unit; see `DEFINITION`.

    `digit` is a unit of the last one that was printed; `tolerance`, relative to the published
    number, how much other number formats may move it.
    """
    allowed = _error(own, published) + digit / 2 + tolerance * abs(published.value)
    return ReplicationVerdict(own.value - published.value, allowed)


def _error(own: SeedMean, published: SeedMean) -> float:
    """Return t · s."""
    from scipy import stats

    parts = _parts(own, published)
    total = own.items**2 + published.items**2 + sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0
    parts += [(side.items**2, side.item_count - 1) for side in (own, published) if side.item_count]
    spread = sum(variance**2 / freedom for variance, freedom in parts if freedom > 0)
    freedom = total**2 / spread if spread else math.inf
    return float(stats.t.ppf(_LEVEL, freedom)) * math.sqrt(total)


def _parts(own: SeedMean, published: SeedMean) -> list[tuple[float, int]]:
    """Return what seeds add to the variance of the difference, with degrees of freedom."""
    known = [(side.error**2, side.seeds) for side in (own, published) if side.error is not None]
    if len(known) == 1:  # the other side is taken to spread as much
        ((variance, seeds),) = known
        return [(variance * seeds * (1 / own.seeds + 1 / published.seeds), seeds - 1)]
    return [(variance, seeds - 1) for variance, seeds in known]
