"""Paired differences: what cancels, what counts as equal, how often intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.bootstrap import interval, resampled_means
from sparc3_bench.statistics.numbers import finite, gap
from sparc3_bench.statistics.paired import Difference, difference, of_pair, of_replicates


def means(samples, clusters=None):
    return resampled_means(samples, clusters).T


def test_p_value_counts_the_replicates_on_the_wrong_side():
    # 100 replicates: 3 below 0, 97 above.
    left = np.concatenate([np.full(3, -1.0), np.linspace(1, 2, 97)])
    found = difference(left, np.zeros(100), 1.4)
    assert found.p_value == 2 * (3 + 1) / 101
    assert (found.low, found.high) == interval(left)
    assert found.value == 1.4


def test_ties_count_against_either_side():
    left = np.array([0.0] * 10 + [1.0] * 89)
    assert difference(left, np.zeros(99), 1.0).p_value == 2 * 11 / 100


def test_no_replicate_on_the_wrong_side_is_no_certainty():
    assert difference(np.ones(1999), np.zeros(1999), 1.0).p_value == 2 / 2000


def test_identical_methods_do_not_differ():
    ours = means([np.random.default_rng(0).normal(size=20)])[0]
    assert difference(ours, ours.copy(), 0.0) == Difference(0.0, 0.0, 0.0, 1.0)


def test_rounding_is_no_difference():
    ours = np.random.default_rng(0).normal(size=200) * 1e6
    found = difference(ours * (1 + 4e-16), ours, 0.0)
    assert (found.low, found.high, found.p_value) == (0, 0, 1)
    assert difference(ours + 1e-5, ours, 1e-5).p_value == 2 / 201


def test_gap_is_zero_within_rounding_of_the_larger_number():
    left = np.array([1.0, 1.0, -3e9, 0.0, 0.0])
    right = np.array([1.0 + 5e-13, 1.0 + 5e-12, -3e9 - 1e-3, 0.0, 1e-30])
    assert (gap(left, right) == 0).tolist() == [True, False, True, True, False]
    assert np.array_equal(gap(right, left), -gap(left, right))


def test_what_all_methods_find_hard_cancels():
    generator = np.random.default_rng(3)
    hard, own = generator.normal(size=50) * 100, generator.normal(size=50)
    left, right, alone, nothing = means([hard + own, hard, own, np.zeros(50)])
    paired, direct = difference(left, right, 0.1), difference(alone, nothing, 0.1)
    assert (paired.low, paired.high) == pytest.approx((direct.low, direct.high), abs=1e-9)
    assert paired.high - paired.low < 1
    assert interval(left)[1] - interval(left)[0] > 30


def test_sides_swap_and_constants_cancel():
    left, right = means(np.random.default_rng(4).normal(size=(2, 30)))
    found, swapped = difference(left, right, 0.3), difference(right, left, -0.3)
    moved = difference(left + 5, right + 5, 0.3)
    assert swapped.p_value == moved.p_value == found.p_value
    assert (-swapped.high, -swapped.low) == pytest.approx((found.low, found.high))
    assert (moved.low, moved.high) == pytest.approx((found.low, found.high))


def test_the_same_seed_gives_the_same_difference():
    samples = np.random.default_rng(5).normal(size=(2, 30))
    assert difference(*means(samples), 0.1) == difference(*means(samples), 0.1)


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ([1.0, 2.0], [1.0], "must be as many on both sides, got 2 and 1"),
        ([1.0, np.nan], [1.0, 2.0], "The replicates are not all finite"),
        ([1.0, 2.0], [1.0, np.inf], "The replicates are not all finite"),
        ([[1.0, 2.0]], [[1.0, 2.0]], "must have 1 dimension"),
        ([], [], "and not be empty"),
    ],
)
def test_what_is_not_paired_and_finite_is_refused(left, right, message):
    with pytest.raises(Sparc3Error, match=message):
        difference(left, right, 0.0)


def test_an_observed_difference_that_is_not_finite_is_refused():
    with pytest.raises(Sparc3Error, match="The differences are not all finite"):
        difference([1.0, 2.0], [1.0, 2.0], np.nan)
    assert finite([1, 2], "numbers", 1).dtype == np.float64


@pytest.mark.parametrize(("count", "size"), [(150, 1), (120, 4)])
def test_intervals_hold_the_true_difference_as_often_as_they_say(count, size):
    # A thousand boards of two methods; what is hard for both is most of the noise.
    generator = np.random.default_rng(20)
    boards, true, members = 1000, 0.2, np.repeat(np.arange(count), size)
    shared = generator.normal(size=(boards, 1, count)) * 3
    own = generator.normal(size=(boards, 2, count))
    samples = (shared + own)[:, :, members] + generator.normal(size=(boards, 2, len(members))) / 3
    samples[:, 0] += true
    drawn = means(samples.reshape(2 * boards, -1), None if size == 1 else members)
    observed = samples.mean(axis=2)
    found = [
        difference(drawn[2 * board], drawn[2 * board + 1], observed[board, 0] - observed[board, 1])
        for board in range(boards)
    ]
    covered = np.mean([one.low <= true <= one.high for one in found])
    assert 0.93 <= covered <= 0.97
    # And they are short: unpaired they would be as wide as the shared noise.
    width = np.median([one.high - one.low for one in found])
    assert width == pytest.approx(2 * 1.96 * np.sqrt(2 * (1 + 1 / 9 / size) / count), rel=0.05)


@pytest.mark.parametrize("count", [8, 16])
def test_few_samples_are_not_taken_for_many(count):
    generator = np.random.default_rng(11)
    samples = generator.normal(size=(1000, count))
    drawn = resampled_means(samples)
    held = {None: 0, count: 0}
    for values, replicates in zip(samples, drawn.T, strict=True):
        for clusters in held:
            found = of_replicates(replicates, values.mean(), clusters)
            held[clusters] += found.low <= 0 <= found.high
            assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high) or not clusters
    assert held[None] < 935
    assert 935 <= held[count] <= 970


def test_by_t_it_is_the_paired_t_test_but_for_the_draws():
    values = np.random.default_rng(2).normal(0.3, 1, size=40)
    found = of_replicates(resampled_means([values])[:, 0], values.mean(), 40)
    expected = scipy.stats.ttest_1samp(values, 0)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.2)
    low, high = expected.confidence_interval()
    assert (found.low, found.high) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))


def test_one_sample_says_nothing_and_no_spread_is_certain():
    with pytest.raises(Sparc3Error, match="at least two independent samples"):
        of_replicates(np.zeros(10), 0.0, 1)
    assert of_replicates(np.zeros(10), 0.0, 5).p_value == 1
    assert of_replicates(np.ones(10), 1.0, 5).p_value == 0


def test_what_is_many_times_larger_is_tested_by_its_ratio():
    # Losses of 16 windows, nine nats apart; of perplexities the larger one is a few windows' alone.
    generator = np.random.default_rng(4)
    easy = generator.normal(4, 0.1, size=16)
    hard = easy + generator.normal(9, 2.5, size=16)
    drawn = np.exp(resampled_means([hard, easy]))
    values = np.exp([hard.mean(), easy.mean()])
    plain = of_replicates(drawn[:, 0] - drawn[:, 1], values[0] - values[1], 16)
    found = of_pair(drawn[:, 0], drawn[:, 1], *values, 16)
    assert plain.p_value > 0.01
    losses = scipy.stats.ttest_rel(hard, easy).pvalue
    assert np.log10(found.p_value) == pytest.approx(np.log10(losses), rel=0.1)
    assert (found.value, found.low, found.high) == (plain.value, plain.low, plain.high)
    turned = of_pair(drawn[:, 1], drawn[:, 0], *values[::-1], 16)
    assert turned.p_value == pytest.approx(found.p_value)
    assert turned.value == -found.value


@pytest.mark.parametrize("factor", [-1.0, 0.2])
def test_of_others_the_difference_is_tested(factor):
    generator = np.random.default_rng(5)
    samples = np.abs(generator.normal(3, 1, size=(2, 20)))
    samples[1] *= factor
    drawn, values = resampled_means(samples), samples.mean(axis=1)
    gaps = drawn[:, 0] - drawn[:, 1]
    found = of_pair(drawn[:, 0], drawn[:, 1], *values, 20)
    assert found == of_replicates(gaps, values[0] - values[1], 20)
    few = of_pair(drawn[:, 0], np.full(len(drawn), 1e-3), values[0], 1e-3)
    assert few == of_replicates(drawn[:, 0] - 1e-3, values[0] - 1e-3)
