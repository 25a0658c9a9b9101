"""Match or not: Welch's test where both sides tell their spread, rounding where neither does."""

from __future__ import annotations

import math
import random
import statistics
from types import SimpleNamespace

import pytest
from scipy import stats

from sparc3_bench.leaderboard.literature import literature
from sparc3_bench.replication.rows import digit
from sparc3_bench.replication.verdict import SeedMean, mean_of, verdict_of


def test_with_both_spreads_it_is_welchs_test():
    draw = random.Random(0)
    words = []
    for _ in range(60):
        shift, spread = draw.choice((0, 8)), draw.choice((0.3, 2))
        own = [draw.gauss(0, 1) for _ in range(draw.randrange(2, 6))]
        other = [draw.gauss(shift, spread) for _ in range(3)]
        published = mean_of(other)
        verdict = verdict_of(mean_of(own), published, digit=0, tolerance=0)
        tested = stats.ttest_ind(own, other, equal_var=False)
        assert verdict.word == ("match" if tested.pvalue > 0.05 else "differs")
        assert verdict.difference == pytest.approx(statistics.fmean(own) - published.value)
        words.append(verdict.word)
    assert min(words.count(word) for word in ("match", "differs")) > 10


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("count", [1, 4])
def test_a_side_without_a_spread_has_that_of_the_other(swapped, count):
    values = (10.0, 10.4, 10.9)
    known, other = mean_of(values), SeedMean(12.0, None, count)
    sides = (other, known) if swapped else (known, other)
    # The variance of three seeds serves both means: Student's t with two degrees of freedom.
    error = statistics.stdev(values) * math.sqrt(1 / 3 + 1 / count)
    expected = stats.t.ppf(0.975, 2) * error
    assert verdict_of(*sides, digit=0, tolerance=0).allowed == pytest.approx(expected)


@pytest.mark.parametrize(
    ("own", "word"),
    [(16.134, "match"), (16.136, "differs"), (16.126, "match"), (16.124, "differs")],
)
def test_without_any_spread_only_the_last_digit_counts(own, word):
    verdict = verdict_of(mean_of([own]), SeedMean(16.13, None, 3), digit=0.01, tolerance=0)
    assert verdict.word == word
    assert verdict.allowed == pytest.approx(0.005)


def test_tolerance_is_relative_and_added():
    verdict = verdict_of(mean_of([5.47]), SeedMean(5.48, None, 1), digit=0.01, tolerance=0.002)
    assert verdict.allowed == pytest.approx(0.005 + 0.002 * 5.48)
    assert verdict.word == "match"


def test_errors_over_items_add_to_the_variance():
    published = SeedMean(10.0, None, 1)
    plain = verdict_of(mean_of([10.3], items=0.2), published, digit=0, tolerance=0)
    assert plain.allowed == pytest.approx(stats.norm.ppf(0.975) * 0.2)
    values = (9.0, 10.0, 11.0)
    both = verdict_of(mean_of(values, items=5.0), mean_of(values), digit=0, tolerance=0)
    # Where items are nearly all of the error, the few seeds hardly cost degrees of freedom.
    assert both.allowed == pytest.approx(1.96 * math.sqrt(25 + 2 / 3), rel=0.01)


def test_seeds_that_agree_leave_no_error():
    own = mean_of([2.0, 2.0])
    assert own.error == 0
    assert verdict_of(own, SeedMean(2.0, 0.0, 3), digit=0, tolerance=0).word == "match"


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("11.52 ± 0.01", 11.52, 0.01),
        ("206.82", 206.82, 0.01),
        ("38.77 †", 38.77, 0.01),
        ("48,419.12", 48419.12, 0.01),
        ("7", 7.0, 1),
        ("2 × 10¹⁰", 2e10, 1e10),
    ],
)
def test_the_unit_of_the_last_printed_digit(text, value, unit):
    assert digit(SimpleNamespace(text=text, value=value)) == pytest.approx(unit)


def test_no_number_of_the_literature_is_finer_than_it_is_printed():
    numbers = [number for table in literature() for number in table.numbers]
    assert len(numbers) > 100
    for number in numbers:
        steps = number.value / digit(number)
        assert steps == pytest.approx(round(steps), rel=1e-9)
