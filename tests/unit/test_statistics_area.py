"""Mean heights: closed forms, and one number a replicate."""

from __future__ import annotations

import numpy as np
import pytest

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.area import mean_height


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_flat_curve_has_its_own_height(scale):
    assert mean_height([0.1, 0.4, 2.0], [0.7, 0.7, 0.7], scale) == pytest.approx(0.7)


def test_linear_area_of_a_line_and_of_a_corner():
    assert mean_height([0.0, 1.0, 4.0], [0.0, 1.0, 4.0]) == pytest.approx(2.0)
    # Trapezoids of 0.5 × 1 and 3.5 × 3 over a width of 4.
    assert mean_height([0.0, 1.0, 4.0], [0.0, 1.0, 6.0]) == pytest.approx((0.5 + 10.5) / 4)


def test_log_area_counts_doublings():
    # Heights 0, 1, 1 at sizes 1, 2, 8: half over one doubling, 1 over two.
    assert mean_height([1.0, 2.0, 8.0], [0.0, 1.0, 1.0], "log") == pytest.approx(2.5 / 3)
    assert mean_height([10.0, 20.0, 80.0], [0.0, 1.0, 1.0], "log") == pytest.approx(2.5 / 3)
    assert mean_height([1.0, 2.0, 8.0], [0.0, 1.0, 1.0]) == pytest.approx(6.5 / 7)


def test_a_point_on_the_line_changes_nothing():
    assert mean_height([0.0, 0.3, 1.0], [1.0, 1.6, 3.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_replicates_are_done_at_once(scale):
    sizes = [0.01, 0.1, 0.5, 1.0]
    curves = np.random.default_rng(0).random((4, 50))
    heights = mean_height(sizes, curves, scale)
    assert heights.shape == (50,)
    alone = [float(mean_height(sizes, curve, scale)) for curve in curves.T]
    assert heights == pytest.approx(alone)


@pytest.mark.parametrize(
    ("sizes", "heights", "scale", "message"),
    [
        ([1.0], [1.0], "linear", "two sizes or more that rise"),
        ([0.0, 0.0], [1.0, 1.0], "linear", "two sizes or more that rise"),
        ([1.0, 0.5], [1.0, 1.0], "linear", "two sizes or more that rise"),
        ([0.0, 1.0], [1.0, 1.0, 1.0], "linear", r"heights of shape \[3\]"),
        ([0.0, 1.0], 1.0, "linear", r"heights of shape \[\]"),
        ([0.0, 1.0], [1.0, 1.0], "log", "needs sizes above 0, got 0"),
        ([0.0, 1.0], [1.0, np.nan], "linear", "heights are not all finite"),
        ([0.0, np.inf], [1.0, 1.0], "linear", "sizes are not all finite"),
    ],
)
def test_what_is_no_curve_is_refused(sizes, heights, scale, message):
    with pytest.raises(Sparc3Error, match=message):
        mean_height(sizes, heights, scale)
