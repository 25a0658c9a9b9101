"""Methods over tables: ranks in closed form, missing methods, and what numbers cannot be added."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.interval import interval
from sparc3_bench.statistics.overall import Table, overall
from sparc3_bench.types.values import Estimate


def fixed(values, methods="abc", direction="higher", count=40):
    """Return a table whose replicates are all alike."""
    return Table(list(methods)[: len(values)], np.tile(values, (count, 1)), direction, 16)


def test_ranks_and_win_rates_of_certain_tables():
    found = overall([fixed([3.0, 2.0, 1.0]), fixed([20.0, 10.0, 30.0], direction="lower")])
    assert found["a"].rank == Estimate(1.5, 1.5, 1.5)
    assert found["b"].rank == Estimate(1.5, 1.5, 1.5)
    assert found["c"].rank == Estimate(3, 3, 3)
    assert found["a"].win_rate == Estimate(0.75, 0.75, 0.75)
    assert found["c"].win_rate == Estimate(0, 0, 0)
    assert list(found) == ["a", "b", "c"]


def test_equal_methods_share_the_mean_of_their_ranks():
    found = overall([fixed([5.0, 5.0 * (1 + 2e-16), 1.0])])
    assert [found[name].rank.value for name in "abc"] == [1.5, 1.5, 3]
    assert [found[name].win_rate.value for name in "abc"] == [0.75, 0.75, 0]


def test_methods_count_in_the_tables_they_are_in():
    found = overall([fixed([3.0, 2.0, 1.0]), fixed([1.0, 2.0], "ac"), fixed([9.0], "b")])
    assert {name: one.tables for name, one in found.items()} == {"a": 2, "b": 1, "c": 2}
    assert found["a"].rank.value == 1.5
    assert found["c"].rank.value == 2
    # Last of three, first of two: the share of the others that it beats.
    assert found["c"].win_rate.value == 0.5
    assert overall([fixed([9.0], "b")]) == overall([]) == {}


def test_units_and_scales_of_metrics_do_not_matter():
    draws = np.random.default_rng(0).normal(size=(200, 3))
    other = np.random.default_rng(1).normal(size=(200, 3))
    plain = overall([Table("abc", draws, "higher", 16), Table("abc", other, "higher", 16)])
    scaled = overall([Table("abc", 1e6 * draws, "higher", 16), Table("abc", -other, "lower", 16)])
    assert scaled == plain


def test_order_of_methods_and_tables_does_not_matter():
    draws, other = np.random.default_rng(2).normal(size=(2, 100, 3))
    one = overall([Table("abc", draws, "higher", 16), Table("abc", other, "lower", 16)])
    two = overall(
        [Table("cab", other[:, [2, 0, 1]], "lower", 16), Table("abc", draws, "higher", 16)]
    )
    assert list(one) == list(two)
    for name, standing in one.items():
        assert standing.rank.value == pytest.approx(two[name].rank.value, rel=1e-12)
        assert standing.win_rate == two[name].win_rate


def test_ranks_are_those_of_scipy_in_every_replicate():
    draws = np.random.default_rng(3).integers(4, size=(300, 5)).astype(float)
    ranks = rankdata(-draws, axis=1)
    found = overall([Table("abcde", draws, "higher", 16)])
    for index, name in enumerate("abcde"):
        rank = found[name].rank
        assert rank.value == pytest.approx(ranks[:, index].mean())
        low, high = interval(rank.value, ranks[:, index], 16)
        assert (rank.low, rank.high) == (max(1, low), min(5, high))
        assert found[name].win_rate.value == pytest.approx((5 - rank.value) / 4)


def test_replicates_of_tables_are_combined_index_by_index():
    # One table flips where the other does not: the mean rank is certain, though neither is.
    flips = np.tile([[1.0, 2.0], [2.0, 1.0]], (50, 1))
    found = overall([Table("ab", flips, "higher", 16), Table("ab", flips[:, ::-1], "higher", 16)])
    assert found["a"].rank == found["b"].rank == Estimate(1.5, 1.5, 1.5)
    alone = overall([Table("ab", flips, "higher", 16)])
    assert (alone["a"].rank.low, alone["a"].rank.high) == (1, 2)


def test_a_hairs_breadth_in_every_table_is_no_certain_lead():
    generator = np.random.default_rng(4)
    tables = []
    for seed in range(8):
        noise = generator.normal(size=(2, 100))
        noise -= noise.mean(axis=1, keepdims=True)
        noise[0] += 1e-3  # as observed, the first is ahead everywhere
        tables.append(Table("ab", resampled_means(noise, seed=seed), "higher", 16))
    rank = overall(tables)["a"].rank
    assert rank.low <= 1.5 <= rank.high
    assert rank.low < rank.value < rank.high


def test_a_clear_order_is_certain():
    generator = np.random.default_rng(5)
    tables = [
        Table(
            "abc", resampled_means(generator.normal([[4], [2], [0]], size=(3, 100))), "higher", 16
        )
        for _ in range(3)
    ]
    found = overall(tables)
    assert [found[name].rank for name in "abc"] == [Estimate(n, n, n) for n in (1.0, 2.0, 3.0)]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([fixed([1.0, 2.0], "aa")], "name none twice, got 2 columns for a, a"),
        ([Table("ab", np.zeros((9, 3)), "higher", 16)], "got 3 columns for a, b"),
        ([Table("ab", np.full((9, 2), np.inf), "higher", 16)], "not all finite"),
        ([fixed([1.0, 2.0]), fixed([1.0, 2.0], count=41)], "equally many replicates"),
    ],
)
def test_what_cannot_be_combined_is_refused(tables, message):
    with pytest.raises(Sparc3Error, match=message):
        overall(tables)
