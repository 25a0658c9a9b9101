"""Ranks: who is better than whom in a section, and who cannot be told apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sparc3_bench.comparison.comparable_rows import ComparableRows
from sparc3_bench.comparison.replicates import BootstrapNumber, Replicates, side_by_side
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.run.options import task_of
from sparc3_bench.statistics.interval import LEVEL
from sparc3_bench.statistics.numbers import Array
from sparc3_bench.statistics.paired import Difference
from sparc3_bench.statistics.ranking import rank_methods, rank_text
from sparc3_bench.types.values import Direction, Scale

_MOST = 30
"""Rows of a table that is ranked: with more, hardly any pair is told apart any more."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of rows by a number."""

    texts: Mapping[int, str]  # by position of the row, `1` or `2–3`; none for controls
    # What neighbours must typically differ by to be told apart; a factor where `scale` is `log`
    resolvable: float
    scale: Scale
    clusters: int  # how many independent samples that follows from
    # By the positions of two rows, rising, the first beside the second, with the p-value that ranks
    # go by: adjusted by Holm over all pairs
    differences: Mapping[tuple[int, int], tuple[Difference, float]]
    replicates: Mapping[int, Array]  # by position of the row, those of the number, ``[replicates]``

    def beside(self, at: int, place: int, direction: Direction) -> tuple[Difference, float, str]:
        """Return how a row differs from another, the p-value, and `better`, `worse` or `tied`."""
        found, p_value = self.differences[min(at, place), max(at, place)]
        found = found if at < place else found.turned()
        if p_value > LEVEL:
            return found, p_value, "tied"
        ahead = found.sign * (1 if direction == "higher" else -1) > 0
        return found, p_value, "better" if ahead else "worse"


def draws_of(section: ComparableRows) -> Replicates | None:
    """Return what the numbers of a section are tested by; None without the task that measured."""
    try:
        return Replicates(section, task_of(section.runs[0].result, section.host))
    except Sparc3Error:
        return None


def ranks(
    section: ComparableRows, draws: Replicates | None, places: Collection[int] | None = None
) -> Ranks | None:
    """Return the ranks of a section's rows at `places`, or of all but controls.

    None where nothing can be tested: of fewer than two scorers or very many, where per-sample
    measurements are missing or of one document, or the task is not installed in the version that
    measured.
    """
    rows = [
        (place, one)
        for place, one in enumerate(section.series)
        if not one.is_control and (places is None or place in places)
    ]
    direction = section.metric.direction
    if draws is None or len(rows) > _MOST or direction == "neither":
        return None
    try:
        numbers = {place: draws.ordering(one) for place, one in rows}
    except (Sparc3Error, KeyError):
        return None
    return ranks_in(numbers, direction, draws.scale(section.metric.name))


def ranks_in(
    numbers: Mapping[int, BootstrapNumber], direction: Direction, scale: Scale
) -> Ranks | None:
    """Return the ranks of numbers by position; None of fewer than two, or of one sample."""
    if len(numbers) < 2:
        return None
    values, drawn, clusters = side_by_side(list(numbers.values()))
    try:
        found = rank_methods(values, drawn, direction, clusters, scale=scale)
    except Sparc3Error:
        return None
    assert found.resolvable is not None
    texts = map(rank_text, found.best_rank, found.worst_rank)
    at = list(numbers)
    return Ranks(
        texts=dict(zip(at, texts, strict=True)),
        resolvable=found.resolvable,
        scale=scale,
        clusters=clusters,
        differences={
            (at[i], at[j]): (one, float(found.p_values[i, j]))
            for (i, j), one in found.differences.items()
        },
        replicates={place: number.replicates for place, number in numbers.items()},
    )
