"""Intervals of a record: made anew from its samples where an older version had made them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_result
from sparc3_bench.record.parts import Found, MetricRecord, Point, Versus
from sparc3_bench.run.controls import versus
from sparc3_bench.run.options import task_of
from sparc3_bench.statistics.band import with_control_error
from sparc3_bench.statistics.curve import CurveNumbers, curve_numbers

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from sparc3_bench.contracts import Task
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result
    from sparc3_bench.types.conventions import Removal

_NORMAL = 1.959964
"""Half the width of a 95 % interval of the normal distribution, in standard errors."""


def renewed(result: Result, host: PluginHost) -> Result:
    """Return a result whose intervals are those that this version makes.

    Records of before say of no metric how many independent samples it follows from: their intervals
    are percentiles, which are too sure of few samples. Where the samples are there and the task is
    installed in the version that measured, they are made anew, and metrics are read on the scale
    that the task declares; no other number is changed. Anything else is returned as it is.
    """
    if not is_old(result) or not all(point.samples for point in result.points):
        return result
    spec = result.spec
    try:
        task = task_of(result, host)
        samples = [point.samples for point in result.points]
        curve = curve_numbers(task, spec.amounts, samples, result.clusters, spec.removal)
        read = metrics_read(task, spec.removal, curve, result.curve)
        if [m.name for m in read["metrics"]] != [m.name for m in result.metrics]:
            return result
        found = result.found and _found(result, result.found, task, curve)
    except (Sparc3Error, KeyError, ValueError, IndexError, TypeError, ArithmeticError):
        return result  # what does not fit the task is for `sparc3 submit` to say
    points = tuple(
        point.model_copy(update={"intervals": ends})
        for point, ends in zip(result.points, curve.intervals, strict=True)
    )
    whole = {
        name: one.model_copy(update={"low": curve.whole[name].low, "high": curve.whole[name].high})
        if name in curve.whole
        else one
        for name, one in result.curve.items()
    }
    return result.model_copy(update={"points": points, "curve": whole, "found": found, **read})


def read_renewed(path: Path) -> Result:
    """Return a result from its file, with the intervals that this version makes.

    Raises RecordError as `read_result`.
    """
    return renewed(read_result(path), default_host())


def is_old(result: Result) -> bool:
    """Return whether the intervals of a result are percentiles, as older versions made them."""
    return bool(result.points) and all(metric.clusters is None for metric in result.metrics)


def metrics_read(
    task: Task, removal: Removal, curve: CurveNumbers | None, names: Collection[str]
) -> dict[str, tuple[MetricRecord, ...]]:
    """Return the fields of a result that say how to read its numbers.

    The curve, if anything was measured, says how many independent samples each follows from;
    `names` are those of the numbers of the whole curve that there are.
    """
    of_points = curve.clusters if curve else {}
    of_curve = curve.whole_clusters if curve else {}
    return {
        "metrics": tuple(
            MetricRecord(**dataclasses.asdict(metric), clusters=of_points.get(metric.name))
            for metric in task.metrics_for(removal)
        ),
        "curve_metrics": tuple(
            MetricRecord(**dataclasses.asdict(metric), clusters=of_curve.get(metric.name))
            for metric in task.curve_metrics
            if metric.name in names
        ),
    }


def _found(result: Result, found: Found, task: Task, curve: CurveNumbers) -> Found:
    return found.model_copy(
        update={
            "point": _point(result, found, task),
            "versus": found.versus and _versus(result, found, found.versus, task, curve),
        }
    )


def _point(result: Result, found: Found, task: Task) -> Point:
    first, last = result.points[0], result.points[-1]
    amounts = [0.0, found.point.amount.requested]
    points = [first, found.point]
    if task.needs_empty and last.amount.requested > amounts[1]:
        amounts.append(last.amount.requested)
        points.append(last)
    place = 1
    if amounts[1] == 0:  # what was found is the dense model itself
        del amounts[0], points[0]
        place = 0
    samples = [point.samples for point in points]
    curve = curve_numbers(task, amounts, samples, result.clusters, result.spec.removal)
    return found.point.model_copy(update={"intervals": curve.intervals[place]})


def _versus(
    result: Result, found: Found, old: Versus, task: Task, curve: CurveNumbers
) -> Versus | None:
    """Return the comparison with controls by this version's rule, from the one that was recorded.

    The samples of the controls are not kept. The width of the old interval tells the error over
    samples and controls together; over controls alone it follows from their numbers.
    """
    name = found.metric
    clusters = curve.clusters[name]
    if clusters < 2:
        return None
    value, drawn = found.point.metrics[name], np.asarray(found.point.control[name])
    metrics = {metric.name: metric for metric in task.metrics_for(result.spec.removal)}
    scale, difference, unit = metrics[name].scale, old.difference, 1.0
    if scale == "log":
        unit = value  # a small change of a logarithm is a relative one
        difference = math.log(value) - float(np.log(drawn).mean())
    both = ((old.high - old.low) / 2 / _NORMAL / unit) ** 2
    samples = max(both - float(drawn.var()) / unit**2 / len(drawn), 0.0)
    error = math.sqrt(samples * clusters / (clusters - 1))
    return versus(with_control_error(difference, error, clusters, drawn, scale))
