"""Paired comparisons: what cancels, what counts as equal, one quantity for interval and p-value."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.interval import interval
from sparc3_bench.statistics.numbers import finite, gap
from sparc3_bench.statistics.paired import Difference, of_pair, of_replicates


def means(samples, clusters=None):
    return resampled_means(samples, clusters).T


def difference(left, right, value, clusters=30):
    """Compare replicates whose observed values are `value` and 0."""
    return of_pair(left, right, value, 0.0, clusters)


def test_identical_methods_do_not_differ():
    ours = means([np.random.default_rng(0).normal(size=20)])[0]
    assert difference(ours, ours.copy(), 0.0) == Difference(0.0, 0.0, 0.0, 1.0)


def test_rounding_is_no_difference():
    ours = np.random.default_rng(0).normal(size=200) * 1e6
    found = difference(ours * (1 + 4e-16), ours, 0.0)
    assert (found.low, found.high, found.p_value) == (0, 0, 1)
    same = np.abs(ours)
    alike = of_pair(same * (1 + 4e-16), same, 2.0, 2.0, 9, "log")
    assert alike == Difference(1.0, 1.0, 1.0, 1.0, "log")


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
    low, high = interval(0.0, left, 50)
    assert high - low > 30


def test_sides_swap_and_constants_cancel():
    left, right = means(np.random.default_rng(4).normal(size=(2, 30)))
    found, swapped = difference(left, right, 0.3), difference(right, left, -0.3)
    moved = difference(left + 5, right + 5, 0.3)
    assert swapped.p_value == moved.p_value == found.p_value
    assert -swapped.high == pytest.approx(found.low)
    assert -swapped.low == pytest.approx(found.high)
    assert (moved.low, moved.high) == pytest.approx((found.low, found.high))
    assert (found.sign, swapped.sign, difference(left, left, 0.0).sign) == (1, -1, 0)


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


def test_an_observed_number_that_is_not_finite_is_refused():
    with pytest.raises(Sparc3Error, match="The values are not all finite"):
        difference([1.0, 2.0], [1.0, 2.0], np.nan)
    with pytest.raises(Sparc3Error, match="The differences are not all finite"):
        of_replicates(np.array([1.0, 2.0]), np.nan, 9)
    assert finite([1, 2], "numbers", 1).dtype == np.float64


@pytest.mark.parametrize(("count", "size"), [(8, 1), (16, 4), (120, 4)])
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
    found = [of_pair(drawn[2 * b], drawn[2 * b + 1], *observed[b], count) for b in range(boards)]
    covered = np.mean([one.low <= true <= one.high for one in found])
    assert 0.93 <= covered <= 0.97
    # And they are short: unpaired they would be as wide as the shared noise.
    width = np.median([one.high - one.low for one in found])
    quantile = scipy.stats.t.ppf(0.975, count - 1)
    assert width == pytest.approx(2 * quantile * np.sqrt(2 * (1 + 1 / 9 / size) / count), rel=0.1)
    # Interval and p-value are of one quantity.
    assert all((one.p_value < 0.05) == (not one.low <= 0 <= one.high) for one in found)


def test_it_is_the_paired_t_test_but_for_the_draws():
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


@pytest.mark.parametrize("apart", [0.03, 9.0])
def test_on_a_log_scale_interval_and_p_value_are_of_the_ratio_however_far_apart(apart):
    # Losses of 16 windows; of perplexities a large one may be a few windows' alone.
    generator = np.random.default_rng(4)
    easy = generator.normal(4, 0.1, size=16)
    hard = easy + generator.normal(apart, apart / 3.6, size=16)
    drawn, values = np.exp(resampled_means([hard, easy])), np.exp([hard.mean(), easy.mean()])
    found = of_pair(drawn[:, 0], drawn[:, 1], *values, 16, "log")
    losses = scipy.stats.ttest_rel(hard, easy)
    assert np.log10(found.p_value) == pytest.approx(np.log10(losses.pvalue), rel=0.1)
    assert found.value == pytest.approx(values[0] / values[1])
    low, high = losses.confidence_interval()
    assert np.log([found.low, found.high]) == pytest.approx([low, high], rel=0.15)
    assert (found.low > 1) == (found.p_value < 0.05)
    turned = of_pair(drawn[:, 1], drawn[:, 0], *values[::-1], 16, "log")
    assert turned.p_value == pytest.approx(found.p_value)
    assert turned.low == pytest.approx(1 / found.high)
    assert (found.sign, turned.sign) == (1, -1)


def test_a_number_that_has_no_logarithm_is_refused():
    drawn = np.array([1.0, 2.0])
    with pytest.raises(Sparc3Error, match="must be above 0"):
        of_pair(drawn, drawn - 1, 1.0, 0.5, 9, "log")
