"""Head to head: every two rows of a section on the same samples, amount by amount."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sparc3_bench.comparison.comparable_rows import ComparableRows
from sparc3_bench.comparison.replicates import BootstrapNumber, Replicates, side_by_side
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.holm import holm
from sparc3_bench.statistics.paired import Difference, of_pair
from sparc3_bench.statistics.ranking import resolvable
from sparc3_bench.types.values import Scale

_MOST = 60
"""Rows of a section that are compared pair by pair; more are the variants of a few."""


@dataclass(frozen=True)
class Meeting:
    """Two rows at one amount."""

    amount: float
    # The first row beside the second; its interval and p-value are those of this amount alone
    difference: Difference
    p_adjusted: float  # the p-value adjusted by Holm over the amounts of these two rows

    @property
    def told(self) -> tuple[float, ...]:
        """The difference, both ends of its interval, its p-value and the adjusted one."""
        one = self.difference
        return one.value, one.low, one.high, one.p_value, self.p_adjusted


def meetings(
    section: ComparableRows, draws: Replicates | None
) -> dict[tuple[int, int], list[Meeting]]:
    """Return by the positions of two rows how they differ in the first metric.

    What cannot be tested is left out: rows without samples, or of one independent sample.
    """
    if draws is None or not 2 <= len(section.series) <= _MOST:
        return {}
    name, amounts = section.metrics[0].name, [amount for amount in section.amounts if amount > 0]
    numbers = [
        {amount: number for amount in amounts if (number := draws.get(one, amount, name))}
        for one in section.series
    ]
    found: dict[tuple[int, int], list[Meeting]] = {}
    for (first, ours), (second, theirs) in itertools.combinations(enumerate(numbers), 2):
        pairs = [(amount, ours[amount], theirs[amount]) for amount in ours if amount in theirs]
        try:
            rows = meetings_by_amount(pairs, draws.scale(name))
        except Sparc3Error:  # numbers are not of the scale that the task declares
            continue
        if rows:
            found[first, second] = rows
    return found


def resolvables(
    section: ComparableRows, draws: Replicates | None
) -> dict[tuple[float, str], float]:
    """Return by amount and metric what neighbours must typically differ by to be told apart.

    Of the numbers that the table of a section shows; controls are no neighbours. Of a metric on a
    log scale it is a factor.
    """
    rows = [one for one in section.series if not one.is_control]
    if draws is None or not 2 <= len(rows) <= _MOST:
        return {}
    columns = [(amount, section.metrics[0].name) for amount in section.amounts if amount > 0]
    columns += [(section.focus, metric.name) for metric in section.metrics[1:]]
    found = {}
    for amount, metric in columns:
        numbers = [number for one in rows if (number := draws.get(one, amount, metric))]
        if len(numbers) < len(rows):
            continue
        try:
            least = resolvable(*side_by_side(numbers), scale=draws.scale(metric))
        except Sparc3Error:
            continue
        if least:
            found[amount, metric] = least
    return found


def meetings_by_amount(
    pairs: list[tuple[float, BootstrapNumber, BootstrapNumber]], scale: Scale
) -> list[Meeting]:
    """Return how two numbers differ at every amount, tested together.

    Where there is only one independent sample they are left out, as it says nothing of how samples
    differ.
    """
    rows = []
    for amount, one, other in pairs:
        clusters = min(one.clusters, other.clusters)
        if clusters > 1:
            drawn = one.replicates, other.replicates
            rows.append((amount, of_pair(*drawn, one.value, other.value, clusters, scale)))
    if not rows:
        return []
    adjusted = holm([difference.p_value for _, difference in rows])
    return [Meeting(*row, float(p)) for row, p in zip(rows, adjusted, strict=True)]
