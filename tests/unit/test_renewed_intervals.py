"""Intervals of older records: made anew from samples, the same on pages and in commands."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import scipy.stats
from typer.testing import CliRunner
from unit.choices import CHANGE, make_choice
from unit.results import PERPLEXITY, make_result, save
from unit.site_pages import render
from unit.test_leaderboard_ranks import WINDOWS, measured

from sparc3_bench.cli import app
from sparc3_bench.comparison.phrasing import precise
from sparc3_bench.contracts import Task
from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_result
from sparc3_bench.record.result import Result
from sparc3_bench.run.intervals import _versus, is_old, read_renewed, renewed
from sparc3_bench.statistics.curve import CurveNumbers
from sparc3_bench.types.values import Metric

OLD = {"perplexity": [(19.0, 21.0), (38.0, 43.0)]}


def old(**changes) -> Result:
    """Return a record as an older version made it: percentiles, and no number of clusters."""
    result = measured("wanda", 0, 0, **changes)
    points = [
        point.model_copy(update={"intervals": {"perplexity": ends}})
        for point, ends in zip(result.points, OLD["perplexity"], strict=True)
    ]
    return result.model_copy(update={"points": tuple(points)})


def by_hand(result: Result, clusters: int = WINDOWS) -> tuple[float, float]:
    """Return the interval of a perplexity from its losses."""
    losses = np.array(result.points[1].samples["loss"]).reshape(clusters, -1).mean(axis=1)
    low, high = scipy.stats.t.interval(0.95, clusters - 1, losses.mean(), scipy.stats.sem(losses))
    return math.exp(low), math.exp(high)


def test_they_are_by_t_on_the_scale_that_the_task_declares():
    made = renewed(old(), default_host())
    assert made.points[1].intervals["perplexity"] == pytest.approx(by_hand(old()), rel=0.01)
    read = {metric.name: (metric.scale, metric.clusters) for metric in made.metrics}
    assert read == {"perplexity": ("log", WINDOWS), "kl": ("linear", WINDOWS)}
    assert [point.metrics for point in made.points] == [point.metrics for point in old().points]
    assert (is_old(old()), is_old(made)) == (True, False)
    assert renewed(made, default_host()) is made


def test_windows_of_one_document_count_as_one():
    documents = tuple(place // 8 for place in range(WINDOWS))
    result = old().model_copy(update={"clusters": {"loss": documents, "kl": documents}})
    made = renewed(result, default_host())
    assert made.points[1].intervals["perplexity"] == pytest.approx(by_hand(result, 8), rel=0.02)
    assert made.metrics[0].clusters == 8


@pytest.mark.parametrize("changes", [{"task": "not-installed"}, {"task_version": 99}])
def test_without_the_task_they_stay_and_are_told_as_old(changes, tmp_path):
    result = old(**changes)
    assert renewed(result, default_host()) == result
    done = CliRunner().invoke(app, ["show", str(tmp_path / save(tmp_path, result))])
    assert "as an older version made them, too narrow where samples are few" in done.output


def test_without_samples_they_stay():
    bare = [point.model_copy(update={"samples": {}}) for point in old().points]
    result = old().model_copy(update={"points": tuple(bare)})
    assert renewed(result, default_host()) is result


def test_pages_and_commands_tell_the_same(tmp_path):
    path = tmp_path / save(tmp_path, old())
    ends = read_renewed(path).points[1].intervals["perplexity"]
    told = [precise(end, ends) for end in ends]
    page = render([(path.relative_to(tmp_path), read_result(path))])
    shown = CliRunner().invoke(app, ["show", str(path)]).output
    circuit = CliRunner().invoke(app, ["circuit", "show", str(path), "--size", "0.5"]).output
    assert f"<small>{told[0]} to {told[1]}</small>" in page
    # A terminal may break a cell where it is narrow.
    assert f"[{told[0]}, {told[1]}]" in re.sub(r"\s+", " ", shown)
    assert f"[{told[0]}, {told[1]}]" in circuit


class Changing(Task):
    """Declares the metric of a choice."""

    name, title, version = "changing", "Changing", 1
    metrics = (Metric(CHANGE.name, CHANGE.direction, "1", CHANGE.title),)
    amounts = (0.0,)
    default_objective = "loss"

    def prepare(self, *args):
        raise NotImplementedError

    def point_metrics(self, means, dense, empty):
        raise NotImplementedError


def test_a_comparison_with_controls_is_read_by_its_old_width():
    result = make_choice()
    found, clusters = result.found, 12
    made = _versus(
        result, found, found.versus, Changing(), CurveNumbers([], [], {}, {CHANGE.name: 12})
    )
    drawn = np.array(found.point.control[CHANGE.name])
    both = ((found.versus.high - found.versus.low) / 2 / 1.959964) ** 2
    of_samples = (both - drawn.var() / len(drawn)) * clusters / (clusters - 1)
    of_controls = drawn.var(ddof=1) / len(drawn)
    total = of_samples + of_controls
    freedom = total**2 / (of_samples**2 / (clusters - 1) + of_controls**2 / (len(drawn) - 1))
    half = scipy.stats.t.ppf(0.975, freedom) * math.sqrt(total)
    difference = found.versus.difference
    assert (made.low, made.high) == pytest.approx((difference - half, difference + half))
    assert made.high - made.low > found.versus.high - found.versus.low
    alone = CurveNumbers([], [], {}, {CHANGE.name: 1})
    assert _versus(result, found, found.versus, Changing(), alone) is None


def test_a_record_of_one_metric_keeps_what_does_not_fit_its_task():
    result = make_result(metrics=(PERPLEXITY,), intervals=OLD)
    assert renewed(result, default_host()) is result
