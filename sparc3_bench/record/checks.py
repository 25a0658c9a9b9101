"""Checks of what a result's numbers must satisfy; they catch mix-ups that its schema cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc3_bench.record.parts import Point
    from sparc3_bench.record.result import Result

_LEAST = 0.999
"""CPR and CMD add up to no less over MIB's sizes, from 0.001 to 1."""

_SLACK = 1e-6
"""Numbers may be off by this from rounding."""


def problems(result: Result) -> list[str]:
    """Return what is wrong with a result, one sentence each; nothing for a failed run."""
    if result.status == "failed":
        return []
    found = [*_areas(result), *_controls(result), *_sketch(result), *_stability(result)]
    for where, point in _points(result):
        found += _intervals(where, point.intervals, point.metrics)
        found += _clusters(where, point, result.clusters)
    for name, estimate in result.curve.items():
        if (estimate.low is None) != (estimate.high is None):
            found.append(f"`curve.{name}` has one end of an interval without the other.")
        elif estimate.low is not None and estimate.high is not None:
            found += _intervals("curve", {name: (estimate.low, estimate.high)}, {name: 0.0})
    return found


def _areas(result: Result) -> Iterator[str]:
    """Check that faithfulness f and its distance from 1 were integrated over the same circuits.

    At every size f + abs(1 - f) is at least 1, so CPR + CMD is no less than the range of sizes.
    """
    if not {"cpr", "cmd"} <= set(result.curve):
        return
    amounts = result.spec.amounts
    if result.spec.amount_kind == "count":
        sizes = [point.amount.in_scope for point in result.points]
    else:
        sizes = list(amounts)
    if result.spec.removal == "lowest":
        sizes = [1 - size for size in sizes]
    positive = [size for size in sizes if size > 1e-9]
    least = min(_LEAST, max(positive) - min(positive)) - _SLACK
    cpr, cmd = result.curve["cpr"], result.curve["cmd"]
    pairs = [("", cpr.value, cmd.value)]
    if len(cpr.control) == len(cmd.control):
        drawn = zip(cpr.control, cmd.control, strict=True)
        pairs += [(f" of control {index}", one, other) for index, (one, other) in enumerate(drawn)]
    for whose, one, other in pairs:
        if one + other < least:
            yield (
                f"`curve.cpr` + `curve.cmd`{whose} is {one + other:.6f}; of the same circuits it "
                f"is at least {least + _SLACK:.3f}."
            )


def _intervals(
    where: str, intervals: Mapping[str, tuple[float, float]], metrics: Mapping[str, float]
) -> Iterator[str]:
    for name, (low, high) in intervals.items():
        if name not in metrics:
            yield f"`{where}.intervals.{name}` is an interval of no metric of the point."
        elif low > high:
            yield f"`{where}.{name}`: the interval from {low:g} to {high:g} ends before it starts."


def _controls(result: Result) -> Iterator[str]:
    expected = result.spec.controls
    for where, point in _points(result):
        for name, numbers in point.control.items():
            if name not in point.metrics:
                yield f"`{where}.control.{name}` is of no metric of the point."
            elif len(numbers) != expected:
                yield _miscounted(f"{where}.control.{name}", len(numbers), expected)
    for name, estimate in result.curve.items():
        if estimate.control and len(estimate.control) != expected:
            yield _miscounted(f"curve.{name}.control", len(estimate.control), expected)


def _miscounted(where: str, count: int, expected: int) -> str:
    return f"`{where}` has {count} numbers; `spec.controls` is {expected}."


def _sketch(result: Result) -> Iterator[str]:
    sketch = result.sketch
    if sketch is None:
        return
    expected = -(-sketch.units // sketch.stride)
    if len(sketch.levels) != expected:
        yield (
            f"`sketch.levels` has {len(sketch.levels)} digits; every {sketch.stride}. of "
            f"{sketch.units} units makes {expected}."
        )
    most = max((int(level, 36) for level in sketch.levels), default=0)
    if most > len(result.points):
        yield f"`sketch.levels` counts {most} amounts; there are {len(result.points)}."


def _stability(result: Result) -> Iterator[str]:
    for index, other in enumerate(result.stability):
        if len(other.jaccard) != len(result.points):
            yield (
                f"`stability.{index}.jaccard` has {len(other.jaccard)} numbers for "
                f"{len(result.points)} points."
            )
        if any(not -_SLACK <= value <= 1 + _SLACK for value in other.jaccard):
            yield f"`stability.{index}.jaccard` is not everywhere from 0 to 1."
        if abs(other.spearman) > 1 + _SLACK:
            yield f"`stability.{index}.spearman` is {other.spearman:g}, not from -1 to 1."


def _clusters(where: str, point: Point, clusters: Mapping[str, Sequence[int]]) -> Iterator[str]:
    for name, ids in clusters.items():
        if name in point.samples and len(ids) != len(point.samples[name]):
            yield (
                f"`clusters.{name}` has {len(ids)} entries; `{where}.samples.{name}` has "
                f"{len(point.samples[name])}."
            )


def _points(result: Result) -> list[tuple[str, Point]]:
    """Return every point with its place in the record."""
    points = [(f"points.{index}", point) for index, point in enumerate(result.points)]
    return [*points, ("found.point", result.found.point)] if result.found else points
