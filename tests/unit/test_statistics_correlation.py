"""Correlation: equal to scipy's, sure of no more than few points can tell, whole clusters drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.correlation import LEAST, pearson_correlation, spearman_correlation

GENERATOR = np.random.default_rng(4)
X, Y = GENERATOR.normal(size=(2, 12))
X[3] = X[4]
Y[7] = Y[2] = Y[1]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(spearman_correlation, scipy.stats.spearmanr), (pearson_correlation, scipy.stats.pearsonr)],
    ids=["spearman", "pearson"],
)
@pytest.mark.parametrize("count", [4, 6, 12])
def test_the_coefficient_is_that_of_scipy_with_ties_too(ours, theirs, count):
    expected = theirs(X[:count], Y[:count])
    found = ours(X[:count], Y[:count])
    assert found.value == pytest.approx(expected.statistic)
    if count > 7:
        assert found.p_value == pytest.approx(expected.pvalue)


def coefficients(theirs):
    """Return those of eight points drawn again and again."""
    generator, found = np.random.default_rng(1), []
    x, y = X[:8], Y[:8] + X[:8]
    for _ in range(2000):
        drawn = generator.integers(8, size=8)
        if np.ptp(x[drawn]) > 0 and np.ptp(y[drawn]) > 0:
            found.append(theirs(x[drawn], y[drawn]).statistic)
    return x, y, found


def test_the_interval_of_ranks_is_of_coefficients_of_points_drawn_again():
    x, y, found = coefficients(scipy.stats.spearmanr)
    own = spearman_correlation(x, y)
    assert (own.low, own.high) == pytest.approx(np.quantile(found, (0.025, 0.975)), abs=0.06)


def test_the_other_interval_is_by_t_on_fishers_scale():
    x, y, found = coefficients(scipy.stats.pearsonr)
    own = pearson_correlation(x, y)
    bent = np.arctanh(np.clip(found, -0.999, 0.999))
    below, above = np.quantile(bent, scipy.stats.norm.cdf([-1, 1]))
    half = scipy.stats.t.ppf(0.975, 7) * (above - below) / 2 * np.sqrt(8 / 7)
    expected = np.tanh([np.arctanh(own.value) - half, np.arctanh(own.value) + half])
    assert (own.low, own.high) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("of", [spearman_correlation, pearson_correlation])
@pytest.mark.parametrize("count", [8, 20])
def test_intervals_hold_the_truth_as_often_as_they_say(of, count):
    generator, held, true = np.random.default_rng(count), 0, 0.8
    expected = true if of is pearson_correlation else 6 / np.pi * np.arcsin(true / 2)
    for _ in range(200):
        x, noise = generator.normal(size=(2, count))
        found = of(x, true * x + np.sqrt(1 - true**2) * noise)
        held += found.low <= expected <= found.high
    assert held / 200 >= 0.92


def test_few_points_are_tested_by_all_orders():
    x, y = np.arange(5.0), np.array([2.0, 1.0, 3.0, 4.0, 5.0])
    exact = scipy.stats.permutation_test(
        (x,), lambda own: scipy.stats.spearmanr(own, y)[0], permutation_type="pairings"
    )
    assert spearman_correlation(x, y).p_value == pytest.approx(exact.pvalue)
    # Two orders of 120 are as extreme as no exception at all.
    assert spearman_correlation(x, x).p_value == pytest.approx(2 / 120)
    assert (spearman_correlation(x, -x).low, spearman_correlation(x, -x).high) == (-1, -1)
    assert spearman_correlation(x, -x).is_told


def test_a_relation_that_is_not_straight_is_one_of_ranks():
    x = np.linspace(0, 6, 20)
    assert spearman_correlation(x, np.exp(x)).value == pytest.approx(1)
    assert pearson_correlation(x, np.exp(x)).value < 0.9
    assert pearson_correlation(x, np.log(np.exp(x))).value == pytest.approx(1)


def test_without_a_relation_hardly_ever_one_is_told():
    generator = np.random.default_rng(2)
    for count in (5, 10):
        told = sum(
            spearman_correlation(*generator.normal(size=(2, count))).is_told for _ in range(150)
        )
        assert told / 150 <= 0.08


def test_points_of_one_cluster_are_drawn_together():
    generator = np.random.default_rng(3)
    few = generator.normal(size=(2, 12))
    x, y = (np.repeat(row, 5) + 1e-6 * generator.normal(size=60) for row in few)
    clusters = np.repeat(list("abcdefghijkl"), 5).tolist()
    alone, together = spearman_correlation(x, y), spearman_correlation(x, y, clusters)
    assert (together.points, together.clusters) == (60, 12)
    assert alone.value == together.value
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert together.p_value > alone.p_value
    # As if there were only one point a cluster.
    assert together.high - together.low == pytest.approx(
        spearman_correlation(*few).high - spearman_correlation(*few).low, abs=0.2
    )


def test_of_few_clusters_nothing_is_told_however_many_points():
    x = np.arange(40.0)
    found = spearman_correlation(x, -x, [place % (LEAST - 1) for place in range(40)])
    assert found.value == -1
    assert (found.low, found.high) == (None, None)
    assert not found.is_told
    assert spearman_correlation(x, -x, ["one"] * 40).p_value == 1


def test_the_same_points_give_the_same_numbers():
    assert spearman_correlation(X, Y) == spearman_correlation(X, Y)


@pytest.mark.parametrize("of", [spearman_correlation, pearson_correlation])
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2], [1, 2], "at least three points"),
        ([1, 2, 3], [1, 2, 3, 4], "at least three points"),
        ([1, 1, 1], [1, 2, 3], "all equal"),
        ([1, 2, 3], [4, 4, 4], "all equal"),
        ([1, 2, math.inf], [1, 2, 3], "not all finite"),
        ([], [], "not be empty"),
    ],
)
def test_what_is_in_no_relation_is_refused(of, x, y, said):
    with pytest.raises(Sparc3Error, match=said):
        of(x, y)


def test_there_is_one_cluster_a_point():
    with pytest.raises(Sparc3Error, match="one cluster a point, got 2 for 3"):
        spearman_correlation([1, 2, 3], [3, 2, 1], [0, 1])
