"""Intervals: Student's by hand, on both scales, that hold the truth as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.interval import error_of, interval, spread, two_sided

TRIALS = 1500


def test_an_interval_is_that_of_the_textbook_but_for_the_draws():
    values = np.random.default_rng(0).normal(3, 2, size=12)
    low, high = interval(values.mean(), resampled_means([values])[:, 0], 12)
    known = scipy.stats.t.interval(0.95, 11, values.mean(), scipy.stats.sem(values))
    assert (low, high) == pytest.approx(known, rel=0.05)


def test_on_a_log_scale_it_is_the_exponential_of_that_of_the_logarithm():
    values = np.random.default_rng(1).normal(3, 0.4, size=12)
    drawn = resampled_means([values])[:, 0]
    plain = interval(values.mean(), drawn, 12)
    log = interval(math.exp(values.mean()), np.exp(drawn), 12, "log")
    assert log == pytest.approx(np.exp(plain))
    error = math.sqrt(12 / 11) * drawn.std()
    assert error_of(*plain, 12) == error_of(*log, 12, "log") == pytest.approx(error)


def draw(kind, generator, size):
    """Return samples, the metric as a function of their means, and its true value."""
    if kind == "mean":
        return generator.normal(size=size), lambda means: means, 0.0
    return generator.normal(3, 0.6, size=size), np.exp, math.exp(3)


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("count", [8, 16, 32])
@pytest.mark.parametrize(("kind", "scale"), [("mean", "linear"), ("perplexity", "log")])
def test_intervals_hold_the_truth_as_often_as_they_say(kind, scale, count, size):
    generator, member = np.random.default_rng(count), np.repeat(np.arange(count), size)
    own, metric, true = draw(kind, generator, (TRIALS, count))
    samples = own[:, member] + 0.1 * generator.normal(size=(TRIALS, count * size))
    drawn, values = metric(resampled_means(samples, member)), metric(samples.mean(axis=1))
    held = percentiles = 0
    for value, replicates in zip(values, drawn.T, strict=True):
        low, high = interval(value, replicates, count, scale)
        held += low <= true <= high
        low, high = np.quantile(replicates, (0.025, 0.975))
        percentiles += low <= true <= high
    assert 0.935 <= held / TRIALS <= 0.965
    if count < 32:  # what was printed before, and called 95 %
        assert percentiles / TRIALS < 0.935


def test_what_has_no_spread_is_known():
    assert interval(2.0, np.full(50, 2.0), 5) == (2.0, 2.0)
    assert interval(2.0, np.full(50, 2.0), 5, "log") == (2.0, 2.0)
    assert spread(7.0 + 1e-14 * np.arange(50), 5) == 0
    assert (two_sided(1.0, 0.0, 4), two_sided(0.0, 0.0, 4)) == (0, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1.0, [1.0, 2.0], 1), "at least two independent samples"),
        ((1.0, [1.0, math.inf], 9), "not all finite"),
        ((0.0, [1.0, 2.0], 9, "log"), "must be above 0"),
        ((1.0, [1.0, 0.0], 9, "log"), "must be above 0"),
    ],
)
def test_what_has_no_interval_is_refused(given, said):
    with pytest.raises(Sparc3Error, match=said):
        interval(*given)


def test_an_end_that_overflows_is_finite():
    drawn = np.exp(np.random.default_rng(2).normal(700, 3, size=200))
    assert interval(math.exp(700), drawn, 4, "log")[1] == np.finfo(float).max
