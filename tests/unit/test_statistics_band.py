"""A method beside random controls: the same numbers as a run has, and verdicts that keep word."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t, ttest_ind

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.band import against_controls
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.paired import Difference


def beside(samples, direction="higher"):
    """Compare the first row with the others."""
    values, drawn, count = samples.mean(axis=1), resampled_means(samples), samples.shape[1]
    return against_controls(values[0], drawn[:, 0], values[1:], drawn[:, 1:], direction, count)


def test_errors_of_samples_and_of_controls_add_up():
    samples = np.random.default_rng(0).normal(size=(6, 40)) + 0.3
    values, drawn = samples.mean(axis=1), resampled_means(samples)
    found = beside(samples).difference
    assert found.value == pytest.approx(values[0] - values[1:].mean(), rel=1e-12)
    of_samples = (drawn[:, 0] - drawn[:, 1:].mean(axis=1)).var() * 40 / 39
    of_controls = values[1:].var(ddof=1) / 5
    total = of_samples + of_controls
    freedom = total**2 / (of_samples**2 / 39 + of_controls**2 / 4)
    half = t.ppf(0.975, freedom) * np.sqrt(total)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))
    assert found.p_value == pytest.approx(2 * t.sf(abs(found.value) / np.sqrt(total), freedom))


def test_on_a_log_scale_it_is_the_ratio_to_the_geometric_mean():
    samples = np.random.default_rng(4).normal(3, 0.3, size=(6, 30))
    plain, drawn = beside(samples), np.exp(resampled_means(samples))
    values = np.exp(samples.mean(axis=1))
    found = against_controls(
        values[0], drawn[:, 0], values[1:], drawn[:, 1:], "higher", 30, scale="log"
    )
    assert found.difference.value == pytest.approx(np.exp(plain.difference.value))
    assert found.difference.high == pytest.approx(np.exp(plain.difference.high))
    assert found.difference.p_value == pytest.approx(plain.difference.p_value)
    assert (found.p_draw, found.verdict) == (pytest.approx(plain.p_draw), plain.verdict)


def test_p_draw_is_the_t_test_of_one_against_many():
    samples = np.random.default_rng(1).normal(size=(11, 30))
    values = samples.mean(axis=1)
    known = ttest_ind([values[0]], values[1:]).pvalue
    assert beside(samples).p_draw == pytest.approx(known, rel=1e-9)


def test_verdict_follows_direction():
    generator = np.random.default_rng(2)
    samples = generator.normal(size=(11, 100))
    samples[0] += 2
    assert beside(samples).verdict == "better"
    assert beside(samples, "lower").verdict == "worse"
    assert beside(-samples).verdict == "worse"
    assert beside(-samples, "lower").verdict == "better"
    moved = beside(samples + 9)
    assert moved.verdict == "better"
    assert moved.p_draw == pytest.approx(beside(samples).p_draw, rel=1e-6)


def test_controls_that_fail_alike_leave_the_verdict_to_the_samples():
    # No control gets any sample right; the method gets two of a hundred, or twenty.
    samples = np.zeros((6, 100))
    samples[0, :2] = 1
    few = beside(samples)
    assert (few.p_draw, few.verdict) == (0, "not separable")
    samples[0, :20] = 1
    assert beside(samples).verdict == "better"


def test_a_method_equal_to_all_controls_is_not_separable():
    # The mean of three equal numbers is often off in the last digit.
    same = np.random.default_rng(3).normal(size=2000)
    found = against_controls(0.1, same, [0.1] * 3, np.tile(same[:, None], 3), "higher", 9)
    assert found.difference == Difference(0, 0, 0, 1)
    assert (found.p_draw, found.verdict) == (1, "not separable")


def verdicts(spread, shift=0.0, boards=300, controls=10, count=120):
    """Return verdicts on a method that is one more draw, moved by `shift` standard deviations."""
    generator = np.random.default_rng(7)
    shared = generator.normal(size=(boards, 1, count)) * 2
    draws = generator.normal(size=(boards, controls + 1, 1)) * spread
    draws[:, 0] += shift * np.hypot(spread, 1 / np.sqrt(count))
    samples = shared + draws + generator.normal(size=(boards, controls + 1, count))
    drawn = resampled_means(samples.reshape(-1, count)).reshape(-1, boards, controls + 1)
    values = samples.mean(axis=2)
    return [
        against_controls(
            values[b, 0], drawn[:, b, 0], values[b, 1:], drawn[:, b, 1:], "higher", count
        )
        for b in range(boards)
    ]


@pytest.mark.parametrize("spread", [0.1, 0.5])
def test_one_more_random_draw_is_not_separable(spread):
    found = verdicts(spread)
    assert 0.92 <= np.mean([one.verdict == "not separable" for one in found]) <= 0.99
    # Both ways alike, and not for want of a difference: the mean control is easy to beat or miss.
    assert {one.verdict for one in found} == {"better", "worse", "not separable"}
    assert np.mean([one.difference.p_value <= 0.05 for one in found]) > 0.1


@pytest.mark.parametrize("controls", [2, 3, 5])
def test_one_more_draw_is_called_better_as_seldom_as_is_said_by_few_samples_and_few_controls(
    controls,
):
    generator, boards, count = np.random.default_rng(controls), 300, 12
    draws = generator.normal(size=(boards, controls + 1, 1))
    samples = draws + generator.normal(size=(boards, controls + 1, count))
    drawn = resampled_means(samples.reshape(-1, count)).reshape(-1, boards, controls + 1)
    values = samples.mean(axis=2)
    better = ranged = 0
    for b in range(boards):
        own = values[b, 0], drawn[:, b, 0]
        found = against_controls(*own, values[b, 1:], drawn[:, b, 1:], "higher", count)
        better += found.verdict == "better"
        ranged += values[b, 0] > values[b, 1:].max()
    assert better / boards <= 0.05
    # What was said before, by the range of the controls.
    assert ranged / boards == pytest.approx(1 / (controls + 1), abs=0.07)


def test_the_interval_holds_the_difference_from_the_mean_control():
    generator = np.random.default_rng(8)
    boards, controls, count, spread = 400, 20, 120, 0.2
    draws = generator.normal(size=(boards, controls + 1, 1)) * spread
    draws[:, 0] = 0
    samples = draws + generator.normal(size=(boards, controls + 1, count))
    drawn = resampled_means(samples.reshape(-1, count)).reshape(-1, boards, controls + 1)
    values = samples.mean(axis=2)
    covered = [
        found.low <= 0 <= found.high
        for found in (
            against_controls(
                values[b, 0], drawn[:, b, 0], values[b, 1:], drawn[:, b, 1:], "higher", count
            ).difference
            for b in range(boards)
        )
    ]
    assert 0.925 <= np.mean(covered) <= 0.985


def test_a_method_far_outside_the_band_is_found():
    found = verdicts(0.5, shift=6)
    assert np.mean([one.verdict == "better" for one in found]) > 0.99


@pytest.mark.parametrize(
    ("value", "controls", "drawn", "message"),
    [
        (1.0, [1.0], np.zeros((9, 1)), "needs 2 controls or more, got 1"),
        (1.0, [1.0, 2.0], np.zeros((8, 2)), r"got 2 with replicates of shape \[8, 2\]"),
        (1.0, [1.0, 2.0], np.zeros((9, 3)), r"got 2 with replicates of shape \[9, 3\]"),
        (np.nan, [1.0, 2.0], np.zeros((9, 2)), "values are not all finite"),
        (1.0, [1.0, np.inf], np.zeros((9, 2)), "values of controls are not all finite"),
        (1.0, [1.0, 2.0], np.full((9, 2), np.nan), "replicates of controls are not all finite"),
    ],
)
def test_what_is_no_band_is_refused(value, controls, drawn, message):
    with pytest.raises(Sparc3Error, match=message):
        against_controls(value, np.zeros(9), controls, drawn, "higher", 9)
