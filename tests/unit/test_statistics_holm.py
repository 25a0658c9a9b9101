"""Holm's correction, against numbers worked out by hand and the rule as it was published."""

from __future__ import annotations

import numpy as np
import pytest

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.holm import holm


def test_worked_example():
    # Sorted 0.005 0.01 0.03 0.04, times 4 3 2 1: 0.02 0.03 0.06 0.04; the last is raised to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_nothing_is_above_one():
    assert holm([0.9, 0.6, 0.7]).tolist() == [1.0, 1.0, 1.0]
    assert holm([0.0, 1.0]).tolist() == [0.0, 1.0]


def test_one_comparison_needs_no_correction():
    assert holm([0.03]).tolist() == [0.03]


def test_order_does_not_matter_and_equal_ones_stay_equal():
    values = np.array([0.2, 0.001, 0.02, 0.02, 0.9, 0.004])
    order = np.random.default_rng(0).permutation(len(values))
    adjusted = holm(values)
    assert np.array_equal(holm(values[order]), adjusted[order])
    assert adjusted[2] == adjusted[3] == pytest.approx(4 * 0.02)


def test_claims_are_those_of_the_published_procedure():
    # Step down: claim the smallest while p <= level / (how many are left), and stop at the first.
    generator = np.random.default_rng(1)
    for _ in range(200):
        values = generator.random(7) ** 3
        claimed = np.zeros(7, dtype=bool)
        for left, index in zip(range(7, 0, -1), np.argsort(values), strict=True):
            if values[index] > 0.05 / left:
                break
            claimed[index] = True
        assert np.array_equal(holm(values) <= 0.05, claimed)


@pytest.mark.parametrize("values", [[-0.1, 0.5], [0.5, 1.1]])
def test_what_is_no_probability_is_refused(values):
    with pytest.raises(Sparc3Error, match=r"must lie in \[0, 1\]"):
        holm(values)
    with pytest.raises(Sparc3Error, match="p-values are not all finite"):
        holm([0.5, np.nan])
