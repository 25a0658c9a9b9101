"""Ratios: what cancels, what cannot be divided by, how often intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.interval import interval
from sparc3_bench.statistics.ratio import ratio


def test_a_ratio_is_of_the_numbers_and_its_interval_of_the_replicates():
    over, under = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 4.0, 4.0])
    found = ratio(0.3, 0.6, over, under, 4)
    assert found.value == 0.5
    assert found.replicates.tolist() == [0.5, 1.0, 0.75, 1.0]
    assert (found.low, found.high) == interval(0.5, found.replicates, 4)


def test_what_both_find_hard_cancels():
    right = np.random.default_rng(0).random(100) < 0.5
    now, before = resampled_means([right * 0.5, right]).T
    found = ratio(right.mean() / 2, right.mean(), now, before, 100)
    assert (found.low, found.value, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_intervals_hold_the_true_ratio_about_as_often_as_they_say():
    generator, held = np.random.default_rng(0), 0
    for _ in range(200):
        before = generator.random(100) < 0.6
        # 0.6 * 0.7083 + 0.4 * 0.0625 = 0.45, three quarters of 0.6.
        now = generator.random(100) < np.where(before, 0.70833, 0.0625)
        drawn = resampled_means([now, before])
        found = ratio(now.mean(), before.mean(), drawn[:, 0], drawn[:, 1], 100)
        held += found.low <= 0.75 <= found.high
    assert 0.90 <= held / 200 <= 0.99


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((1.0, 0.0, [1.0, 1.0], [1.0, 1.0]), "above 0"),
        ((1.0, 1.0, [1.0, 1.0], [1.0, 0.0]), "above 0"),
        ((1.0, -1.0, [1.0, 1.0], [1.0, 1.0]), "above 0"),
        ((float("nan"), 1.0, [1.0, 1.0], [1.0, 1.0]), "above 0"),
        ((1.0, 1.0, [1.0], [1.0, 1.0]), "as many on both sides"),
        ((1.0, 1.0, [1.0, float("inf")], [1.0, 1.0]), "not all finite"),
    ],
)
def test_what_is_no_share_of_something_is_refused(numbers, said):
    with pytest.raises(Sparc3Error, match=said):
        ratio(*numbers, 9)
