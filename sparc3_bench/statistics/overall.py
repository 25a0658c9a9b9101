"""Methods over several tables: by rank, as unlike metrics cannot be added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.interval import interval
from sparc3_bench.statistics.numbers import Array, finite, gap
from sparc3_bench.types.values import Direction, Estimate


@dataclass(frozen=True, eq=False)
class Table:
    """One metric of several methods on the same samples."""

    methods: Sequence[str]  # their names, no two alike
    # paired bootstrap replicates of the metric, ``[replicates, methods]``: see `of_pair`
    replicates: Array
    direction: Direction  # which way is better
    clusters: int  # how many independent samples the replicates are drawn from


@dataclass(frozen=True)
class Standing:
    """Where a method stands over the tables it is in.

    Attributes
    ----------
    rank
        Mean rank over tables; 1 is best, equal methods share the mean of their ranks. It depends on
        how many methods are in the tables.
    win_rate
        Mean over tables of the share of the other methods that it does better than, in [0, 1], half
        of those it equals counted; 1 is best. That is 1 - (rank - 1) / (methods - 1), which makes
        tables of different sizes comparable, and what HELM calls the mean win rate
        [liang2023helm].
    tables
        How many it is in.
    """

    rank: Estimate
    win_rate: Estimate
    tables: int


def overall(tables: Iterable[Table]) -> dict[str, Standing]:
    """Return how methods stand over tables, each table counting as much; best win rate first.

    Replicates are combined index by index. Tables of the same samples should share a seed, so that
    what a draw does to one it does to the other; tables of different samples are independent. A
    table of fewer than two methods ranks nothing and is left out.

    Ranks are made anew in every replicate, and the mean over replicates is reported in place of the
    ranks of the observed values: of two methods that are all but equal one is always ahead as
    observed, and the interval of its rank would then not hold it. The interval says what other
    samples would do, not what other tasks would. Where methods are equal it is wide but not exact,
    as the bootstrap of ranks is not consistent there [hall2009].

    Methods that are in different tables met different rivals: compare those of equal `tables`.

    Raises Sparc3Error when a table names a method twice, its replicates do not fit its methods or
    are not finite, a table is of one independent sample, or tables have different numbers of
    replicates.
    """
    found: dict[str, list[tuple[Array, int, int]]] = {}
    for table in tables:
        methods, won = _won(table)
        if len(methods) > 1:
            for name, column in zip(methods, won.T, strict=True):
                found.setdefault(name, []).append((column, len(methods), table.clusters))
    if len({len(column) for columns in found.values() for column, *_ in columns}) > 1:
        raise Sparc3Error(
            "Tables must have equally many replicates to be combined; draw them alike."
        )
    standings = {name: _standing(columns) for name, columns in found.items()}
    return dict(sorted(standings.items(), key=lambda one: (-one[1].win_rate.value, one[0])))


def _standing(columns: Sequence[tuple[Array, int, int]]) -> Standing:
    """Return a standing from wins, number of methods, and of independent samples, by table."""
    fewest, most = min(clusters for *_, clusters in columns), max(size for _, size, _ in columns)
    return Standing(
        _expected([size - won for won, size, _ in columns], fewest, (1, most)),
        _expected([won / (size - 1) for won, size, _ in columns], fewest, (0, 1)),
        len(columns),
    )


def _won(table: Table) -> tuple[list[str], Array]:
    """Return how many others every method does better than, equals counted half."""
    methods = list(table.methods)
    drawn = finite(table.replicates, "replicates", 2)
    if len(set(methods)) < len(methods) or drawn.shape[1] != len(methods):
        raise Sparc3Error(
            f"A table must have one column a method and name none twice, got {drawn.shape[1]} "
            f"columns for {', '.join(methods)}; stack them as [replicates, methods]."
        )
    sign = 1 if table.direction == "higher" else -1
    # Not scipy's rankdata, to which numbers that are equal but for rounding are no ties.
    over = [np.sign(gap(sign * drawn[:, [i]], sign * drawn)).sum(1) for i in range(len(methods))]
    return methods, (np.stack(over, axis=1) + len(methods) - 1) / 2


def _expected(columns: Sequence[Array], clusters: int, bounds: tuple[int, int]) -> Estimate:
    """Return the mean over replicates, with its 95 % interval within what is possible."""
    means = np.mean(columns, axis=0)
    value = float(means.mean())
    low, high = interval(value, means, clusters)
    return Estimate(value, max(low, bounds[0]), min(high, bounds[1]))
