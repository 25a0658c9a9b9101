"""The bootstrap: clusters whole, draws paired, intervals that cover as often as they say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sparc3_bench.statistics.bootstrap import (
    REPLICATES,
    interval,
    mean_estimate,
    resampled_means,
)


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


def test_one_sample_or_one_cluster_has_an_interval_without_width():
    assert interval(resampled_means([[4.0]])[:, 0]) == (4.0, 4.0)
    low, high = interval(resampled_means([[1.0, 2.0, 6.0]], clusters=[3, 3, 3])[:, 0])
    assert (low, high) == (pytest.approx(3), pytest.approx(3))


def test_interval_leaves_as_much_out_below_as_above():
    replicates = np.random.default_rng(0).permutation(np.arange(1001.0))
    assert interval(replicates) == (pytest.approx(25), pytest.approx(975))
    assert interval(replicates, level=0.5) == (pytest.approx(250), pytest.approx(750))


def coverage(clusters: int, size: int) -> float:
    """Return how often the interval covers the true mean, 0, of clusters that move together."""
    generator = np.random.default_rng(17)
    trials, covered = 400, 0
    members = np.repeat(np.arange(clusters), size)
    for _ in range(trials):
        values = generator.normal(size=clusters)[members] + generator.normal(size=len(members)) / 4
        means = resampled_means([values], None if size == 1 else members)[:, 0]
        low, high = interval(means)
        covered += low <= 0 <= high
    return covered / trials


@pytest.mark.parametrize(("clusters", "size"), [(60, 1), (50, 4)])
def test_interval_covers_the_true_mean_as_often_as_it_says(clusters, size):
    assert 0.92 <= coverage(clusters, size) <= 0.98


def test_mean_has_the_interval_of_its_replicates():
    values, clusters = [1.0, 2.0, 9.0, 4.0], [0, 0, 1, 2]
    found = mean_estimate(values, clusters)
    assert found.value == 4.0
    assert (found.low, found.high) == interval(resampled_means([values], clusters)[:, 0])
    assert found.high > mean_estimate(values).high
