"""A method beside random controls: the same numbers as a run has, and verdicts that keep word."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from sparc3_bench import Metric, Task
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.band import against_controls, redrawn
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.curve import compared
from sparc3_bench.statistics.paired import Difference


class Plain(Task):
    """The mean itself."""

    name, title, version = "plain", "Plain", 1
    metrics = (Metric("x", "higher", "1", "X"),)
    amounts = (0.0, 0.5)
    default_objective = "loss"

    def prepare(self, *args):
        raise NotImplementedError

    def point_metrics(self, means, dense, empty):
        return {"x": means["x"]}

    def summarise(self, amounts, points, removal):
        return {}


def beside(samples, direction="higher"):
    """Compare the first row with the others."""
    values, drawn = samples.mean(axis=1), resampled_means(samples)
    return against_controls(values[0], drawn[:, 0], values[1:], drawn[:, 1:], direction)


def test_the_difference_is_the_one_a_run_records():
    samples = np.random.default_rng(0).normal(size=(6, 40)) + 0.3
    own, *controls = [{"x": row} for row in samples]
    versus, _ = compared(Plain(), "x", own, own, controls, {})
    found = beside(samples).difference
    assert found.value == pytest.approx(versus.difference, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((versus.low, versus.high), rel=1e-9)
    assert found.p_value == versus.p_value


def test_controls_are_drawn_again_in_every_replicate():
    # Controls 0 and 1 that samples do not move: the mean of two drawn is 0, ½, ½ or 1.
    means = redrawn(np.tile([0.0, 1.0], (4000, 1)))
    shares = [np.mean(means == value) for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert np.array_equal(means, redrawn(np.tile([0.0, 1.0], (4000, 1))))


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
    found = against_controls(0.1, same, [0.1] * 3, np.tile(same[:, None], 3), "higher")
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
        against_controls(values[b, 0], drawn[:, b, 0], values[b, 1:], drawn[:, b, 1:], "higher")
        for b in range(boards)
    ]


@pytest.mark.parametrize("spread", [0.1, 0.5])
def test_one_more_random_draw_is_not_separable(spread):
    found = verdicts(spread)
    assert 0.92 <= np.mean([one.verdict == "not separable" for one in found]) <= 0.99
    # Both ways alike, and not for want of a difference: the mean control is easy to beat or miss.
    assert {one.verdict for one in found} == {"better", "worse", "not separable"}
    assert np.mean([one.difference.p_value <= 0.05 for one in found]) > 0.1


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
                values[b, 0], drawn[:, b, 0], values[b, 1:], drawn[:, b, 1:], "higher"
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
        (1.0, [1.0], np.zeros((9, 1)), "needs two controls or more"),
        (1.0, [1.0, 2.0], np.zeros((8, 2)), r"got 2 with replicates of shape \[8, 2\]"),
        (1.0, [1.0, 2.0], np.zeros((9, 3)), r"got 2 with replicates of shape \[9, 3\]"),
        (np.nan, [1.0, 2.0], np.zeros((9, 2)), "values are not all finite"),
        (1.0, [1.0, np.inf], np.zeros((9, 2)), "values of controls are not all finite"),
        (1.0, [1.0, 2.0], np.full((9, 2), np.nan), "replicates of controls are not all finite"),
    ],
)
def test_what_is_no_band_is_refused(value, controls, drawn, message):
    with pytest.raises(Sparc3Error, match=message):
        against_controls(value, np.zeros(9), controls, drawn, "higher")
