"""Curves: metrics of means, of the dense and the empty model, and intervals over samples."""

from __future__ import annotations

import numpy as np
import pytest

from sparc3_bench import Metric, Summary, Task
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.statistics.bootstrap import resampled_means
from sparc3_bench.statistics.curve import beside_controls, curve_numbers, drawn_means
from sparc3_bench.statistics.interval import interval


class Recovered(Task):
    """How much of the way from the empty to the dense model is recovered."""

    name, title, version = "recovered", "Recovered", 1
    metrics = (Metric("recovered", "higher", "1", "Recovered"), Metric("raw", "lower", "1", "Raw"))
    amounts = (0.0, 0.5)
    default_objective = "loss"
    needs_empty = True

    def prepare(self, *args):
        raise NotImplementedError

    def point_metrics(self, means, dense, empty):
        if empty is None:
            return {"recovered": means["x"] - dense["x"], "raw": means["x"]}
        way = dense["x"] - empty["x"]
        return {"recovered": (means["x"] - empty["x"]) / way, "raw": means["x"]}

    @property
    def summary(self):
        return Summary((), self.whole)

    def whole(self, amounts, points, removal):
        total = sum(point["recovered"] for point in points)
        return {"total": total if removal == "lowest" else -total}


class Plain(Recovered):
    """The same without the empty model."""

    needs_empty = False


AMOUNTS = (0.0, 0.5, 1.0)
SAMPLES = [{"x": (4.0, 6.0, 9.0)}, {"x": (3.0, 2.0, 4.0)}, {"x": (1.0, 2.0, 0.0)}]


def test_metrics_are_those_of_the_means():
    curve = curve_numbers(Recovered(), AMOUNTS, SAMPLES, {}, "lowest")
    recovered = [1.0, (3 - 1) / (19 / 3 - 1), 0.0]
    assert [point["recovered"] for point in curve.points] == pytest.approx(recovered)
    assert [point["raw"] for point in curve.points] == pytest.approx([19 / 3, 3, 1])
    assert curve.whole["total"].value == pytest.approx(sum(recovered))
    assert all(type(v) is float for point in curve.points for v in point.values())


def test_the_end_that_is_removed_is_told_to_the_task():
    lowest, highest = (
        curve_numbers(Recovered(), AMOUNTS, SAMPLES, {}, r) for r in ("lowest", "highest")
    )
    assert highest.points == lowest.points
    assert highest.whole["total"].value == -lowest.whole["total"].value
    assert highest.whole["total"].low == pytest.approx(-lowest.whole["total"].high)


@pytest.mark.parametrize("clusters", [None, (1, 1, 0)])
def test_intervals_are_of_the_same_function_of_the_same_draws_at_every_point(clusters):
    given = {} if clusters is None else {"x": clusters}
    curve = curve_numbers(Recovered(), AMOUNTS, SAMPLES, given, "lowest")
    dense, half, empty = resampled_means([here["x"] for here in SAMPLES], clusters).T
    recovered = (half - empty) / (dense - empty)
    many, value = (3 if clusters is None else 2), 2 / (19 / 3 - 1)
    assert curve.intervals[1]["recovered"] == pytest.approx(interval(value, recovered, many))
    assert curve.intervals[1]["raw"] == pytest.approx(interval(3.0, half, many))
    total = curve.whole["total"]
    assert (total.low, total.high) == pytest.approx(interval(1 + value, 1 + recovered, many))
    assert curve.clusters == {"recovered": many, "raw": many}
    assert curve.whole_clusters == {"total": many}


def test_ends_of_a_paired_metric_have_intervals_without_width():
    curve = curve_numbers(Recovered(), AMOUNTS, SAMPLES, {}, "lowest")
    assert curve.intervals[0]["recovered"] == (1, 1)
    assert curve.intervals[2]["recovered"] == (0, 0)
    assert curve.intervals[0]["raw"][0] < curve.intervals[0]["raw"][1]


def test_kinds_of_samples_may_differ_in_number_and_clusters():
    class Both(Plain):
        """Reads two kinds."""

        def point_metrics(self, means, dense, empty):
            return {"recovered": means["x"], "raw": means["y"]}

    samples = [{"x": (1.0, 2.0, 4.0), "y": (1.0, 5.0)}] * 2
    curve = curve_numbers(Both(), (0.0, 0.5), samples, {"x": (0, 0, 1)}, "lowest")
    drawn = resampled_means([(1.0, 2.0, 4.0)], (0, 0, 1))[:, 0]
    assert curve.intervals[1]["recovered"] == pytest.approx(interval(7 / 3, drawn, 2))
    drawn = resampled_means([(1.0, 5.0)])[:, 0]
    assert curve.intervals[1]["raw"] == pytest.approx(interval(3.0, drawn, 2))


def test_a_metric_has_its_interval_on_its_own_scale():
    class Grown(Plain):
        """The exponential of the mean."""

        metrics = (Metric("grown", "lower", "1", "Grown", scale="log"),)

        def point_metrics(self, means, dense, empty):
            return {"grown": np.exp(means["x"])}

        summary = None

    curve = curve_numbers(Grown(), (0.0, 0.5), SAMPLES[:2], {}, "lowest")
    plain = curve_numbers(Plain(), (0.0, 0.5), SAMPLES[:2], {}, "lowest")
    for own, of_mean in zip(curve.intervals, plain.intervals, strict=True):
        assert own["grown"] == pytest.approx(np.exp(of_mean["raw"]))


def test_a_number_in_steps_follows_from_what_moves_it():
    class Steps(Plain):
        """How many points are above 2, which a little does not change."""

        def whole(self, amounts, points, removal):
            return {"total": sum(np.asarray(point["raw"] > 2) * 1.0 for point in points)}

    curve = curve_numbers(Steps(), AMOUNTS, SAMPLES, {}, "lowest")
    assert curve.whole_clusters == {"total": 3}
    assert curve.whole["total"].low < curve.whole["total"].high


def test_every_metric_stands_beside_controls_of_the_same_samples():
    own = [SAMPLES[0], SAMPLES[1]]
    controls = [[SAMPLES[0], {"x": (9.0, 8.0, 7.0)}], [SAMPLES[0], {"x": (8.0, 9.0, 9.0)}]]
    points, whole = beside_controls(Plain(), (0.0, 0.5), own, controls, {}, "lowest")
    found = points[1]["raw"]
    assert found.value == pytest.approx(3 - (8 + 26 / 3) / 2)
    assert found.low < found.value < found.high < 0
    assert points[0]["raw"].p_value == 1
    # Of the whole curve it is the sum of what is recovered.
    assert whole["total"].value == pytest.approx(found.value)


@pytest.mark.parametrize(
    ("task", "amounts", "seen"),
    [
        (Plain, (0.0, 0.5, 1.0), False),
        (Recovered, (0.0, 0.5, 1.0), True),
        (Recovered, (0.0, 0.5, 0.9), False),
    ],
)
def test_empty_is_given_only_where_the_task_needs_it_and_the_curve_ends_there(task, amounts, seen):
    curve = curve_numbers(task(), amounts, SAMPLES, {}, "lowest", with_intervals=False)
    assert curve.points[0]["recovered"] == (1 if seen else 0)
    assert curve.points[2]["recovered"] == pytest.approx(0 if seen else 1 - 19 / 3)


def test_without_intervals_there_are_none():
    curve = curve_numbers(Recovered(), AMOUNTS, SAMPLES, {}, "lowest", with_intervals=False)
    plain = curve_numbers(Recovered(), AMOUNTS, SAMPLES, {}, "lowest")
    assert curve.points == plain.points
    assert curve.intervals == []
    assert (curve.whole["total"].low, curve.whole["total"].high) == (None, None)
    assert curve.whole["total"].value == plain.whole["total"].value


def test_of_one_sample_only_what_needs_none_has_an_interval():
    curve = curve_numbers(Plain(), (0.0,), [{"x": (3.0,)}], {}, "lowest")
    assert curve.intervals == [{"recovered": (0, 0)}]
    assert curve.clusters == {"recovered": 0, "raw": 1}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("with_intervals", [True, False])
def test_number_that_is_not_finite_is_refused_by_name_and_amount(value, with_intervals):
    samples = [SAMPLES[0], {"x": (3.0, value, 4.0)}, SAMPLES[2]]
    with pytest.raises(Sparc3Error) as caught:
        curve_numbers(Plain(), AMOUNTS, samples, {}, "lowest", with_intervals=with_intervals)
    assert str(caught.value) == (
        "The metric 'recovered' at amount 0.5 is not finite; the samples of the task overflow it."
    )


def test_kinds_of_one_set_of_samples_are_drawn_together_and_sets_independently():
    rights = [float(place % 2) for place in range(40)]
    (drawn,) = drawn_means([dict.fromkeys(("a/x", "a/y", "b/x", "c", "d"), rights)], {})
    assert (drawn["a/x"] == drawn["a/y"]).all()
    assert (drawn["c"] == drawn["d"]).all()
    assert (drawn["c"] == resampled_means([rights])[:, 0]).all()
    for one, other in (("a/x", "b/x"), ("a/x", "c")):
        assert abs(np.corrcoef(drawn[one], drawn[other])[0, 1]) < 0.1
    spread = np.std((drawn["a/x"] + drawn["b/x"]) / 2)
    assert spread == pytest.approx(np.sqrt(0.25 / 40 / 2), rel=0.06)
