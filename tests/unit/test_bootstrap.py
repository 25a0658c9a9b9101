"""The bootstrap: clusters whole, draws paired, means with their spread."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sparc3_bench.statistics.bootstrap import REPLICATES, mean_estimate, resampled_means
from sparc3_bench.statistics.interval import interval


def test_replicates_are_means_of_samples_drawn_with_replacement():
    values = [1.0, 10.0, 100.0]
    means = resampled_means([values])
    possible = {round(sum(draw) / 3, 9) for draw in itertools.product(values, repeat=3)}
    assert means.shape == (REPLICATES, 1)
    assert {round(mean, 9) for mean in means[:, 0]} == possible


def test_a_sample_is_drawn_as_often_as_chance_says():
    counts = np.unique(resampled_means([[0.0, 0.0, 3.0]]).round(9), return_counts=True)
    chances = {0.0: 8 / 27, 1.0: 12 / 27, 2.0: 6 / 27, 3.0: 1 / 27}  # binomial(3, 1/3)
    assert counts[0].tolist() == list(chances)
    for count, chance in zip(counts[1], chances.values(), strict=True):
        assert abs(count - REPLICATES * chance) < 5 * (REPLICATES * chance) ** 0.5


def test_variance_is_that_of_the_mean_in_closed_form():
    values = np.random.default_rng(0).normal(size=40)
    found = resampled_means([values])[:, 0]
    assert found.mean() == pytest.approx(values.mean(), abs=4 * values.std() / (40 * 2000) ** 0.5)
    assert found.var() == pytest.approx(values.var() / 40, rel=0.15)


def test_clusters_are_drawn_whole():
    # Two clusters of different sizes: the mean is of one, of the other, or of all samples.
    means = resampled_means([[1.0, 2.0, 3.0, 10.0]], clusters=[5, 5, 5, 2])[:, 0]
    values, counts = np.unique(means.round(9), return_counts=True)
    assert values.tolist() == [2.0, 4.0, 10.0]
    for count, chance in zip(counts, (1 / 4, 1 / 2, 1 / 4), strict=True):
        assert abs(count - REPLICATES * chance) < 5 * (REPLICATES * chance) ** 0.5


def test_order_of_samples_within_clusters_does_not_matter():
    one = resampled_means([[1.0, 2.0, 3.0, 4.0]], clusters=[0, 0, 1, 1])
    two = resampled_means([[3.0, 1.0, 4.0, 2.0]], clusters=[1, 0, 1, 0])
    assert np.allclose(one, two, rtol=1e-12)


def test_each_sample_its_own_cluster_is_no_clusters():
    values = [[3.0, 1.0, 4.0]]
    assert np.array_equal(resampled_means(values), resampled_means(values, clusters=[2, 5, 9]))


def test_rows_draw_the_same_samples():
    values = np.random.default_rng(1).normal(size=12)
    means = resampled_means([values, values + 3, -2 * values])
    assert np.allclose(means[:, 1], means[:, 0] + 3, rtol=1e-12)
    assert np.allclose(means[:, 2], -2 * means[:, 0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("clusters", [None, [0, 0, 1, 1, 2, 2]])
def test_calls_draw_the_same_samples(clusters):
    values, more = np.arange(6.0), np.arange(6.0) ** 2
    together = resampled_means([values, more], clusters)
    assert np.array_equal(together[:, :1], resampled_means([values], clusters))
    assert np.array_equal(together[:, 1:], resampled_means([more], clusters))


def test_seed_moves_the_draws():
    values = [np.arange(9.0)]
    assert not np.array_equal(resampled_means(values), resampled_means(values, seed=1))
    assert np.array_equal(resampled_means(values, seed=1), resampled_means(values, seed=1))


def test_mean_has_the_interval_of_its_replicates():
    values, clusters = [1.0, 2.0, 9.0, 4.0], [0, 0, 1, 2]
    found = mean_estimate(values, clusters)
    assert found.value == 4.0
    assert (found.low, found.high) == interval(4.0, resampled_means([values], clusters)[:, 0], 3)


@pytest.mark.parametrize("given", [([4.0], None), ([1.0, 2.0, 6.0], [3, 3, 3])])
def test_of_one_sample_or_one_cluster_no_interval_is_known(given):
    found = mean_estimate(*given)
    assert (found.low, found.high) == (None, None)
