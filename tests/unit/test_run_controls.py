"""Random controls beside a run: on the samples that both were measured on, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from unit.test_curve import Plain

from sparc3_bench.run.controls import NO_CONTROLS, beside, shared_places

GENERATOR = np.random.default_rng(3)
X = {"x": tuple(GENERATOR.normal(size=12))}
HALF = {"x": X["x"][::2]}
AMOUNTS = (0.0, 0.5)


def test_samples_are_found_by_what_the_dense_model_has_on_them():
    assert shared_places(X, X) == {"x": list(range(12))}
    assert shared_places(X, HALF) == {"x": [0, 2, 4, 6, 8, 10]}
    assert shared_places({**X, "y": X["x"]}, HALF) == {"x": [0, 2, 4, 6, 8, 10]}
    # Of sets of samples each is looked for alone.
    two = {"a/x": X["x"], "b/x": X["x"][:5]}
    assert shared_places(two, {"a/x": X["x"][1::3], "b/x": X["x"][:5]}) == {
        "a/x": [1, 4, 7, 10],
        "b/x": [0, 1, 2, 3, 4],
    }


@pytest.mark.parametrize(
    "other",
    [
        {"x": tuple(value + 1e-3 for value in X["x"])},
        {"x": HALF["x"][::-1]},
        {"x": (*HALF["x"], 9.0)},
    ],
)
def test_others_are_not_paired(other):
    assert shared_places(X, other) == {}
    run = [X, {"x": tuple(2 * value for value in X["x"])}]
    assert beside(Plain(), AMOUNTS, run, [[other, other]] * 2, {}, "lowest") == NO_CONTROLS


def test_samples_that_the_dense_model_does_not_tell_apart_are_not_guessed():
    right = {"x": (1.0, 0.0) * 6}
    assert shared_places(right, {"x": (1.0, 0.0, 0.0)}) == {}
    assert shared_places(right, right) == {"x": list(range(12))}


def test_a_run_is_compared_on_the_samples_of_its_controls():
    own = {"x": tuple(value - 1 for value in X["x"])}
    drawn = [{"x": tuple(value + shift for value in HALF["x"])} for shift in (0.1, 0.3)]
    runs = [[HALF, one] for one in drawn]
    clusters = {"x": [place // 4 for place in range(12)]}
    points, _ = beside(Plain(), AMOUNTS, [X, own], runs, clusters, "lowest")
    found = points[1]["raw"]
    # What the other half of the samples is does not count.
    assert found.value == pytest.approx(-1 - 0.2)
    moved = {"x": tuple(v if place % 2 == 0 else 99.0 for place, v in enumerate(own["x"]))}
    again, _ = beside(Plain(), AMOUNTS, [X, moved], runs, clusters, "lowest")
    assert again[1]["raw"] == found
