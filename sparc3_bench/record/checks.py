"""Checks of what a result's numbers must satisfy; they catch mix-ups that its schema cannot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc3_bench.record.parts import Found, Point, Tried
    from sparc3_bench.record.result import Result

_LEAST = 0.999
"""CPR and CMD add up to no less over MIB's sizes, from 0.001 to 1."""

_SLACK = 1e-6
"""Numbers may be off by this from rounding."""


def problems(result: Result) -> list[str]:
    """Return what is wrong with a result, one sentence each; nothing of a run without numbers."""
    if result.status in ("failed", "interrupted"):
        return []
    found = [*_directions(result), *_areas(result), *_controls(result), *_sketch(result)]
    found += _stability(result)
    found += [*_found(result), *_judge(result)]
    for where, point in _points(result):
        found += _intervals(where, point.intervals, point.metrics)
        found += _clusters(where, point, result.clusters)
    for name, estimate in result.curve.items():
        if (estimate.low is None) != (estimate.high is None):
            found.append(f"`curve.{name}` has one end of an interval without the other.")
        elif estimate.low is not None and estimate.high is not None:
            found += _ends(f"curve.{name}", estimate.low, estimate.high)
    return found


def _directions(result: Result) -> Iterator[str]:
    """Check that what is plotted, ranked or chosen by has a better end."""
    directions = {metric.name: metric.direction for metric in result.metrics}
    main = {"metrics.0": result.metrics[0].name} if result.metrics else {}
    if result.found is not None:
        main["found"] = result.found.metric
    for where, name in main.items():
        if directions.get(name) == "neither":
            yield f"`{where}` is '{name}', of which neither end is better; name one that has one."


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
        else:
            yield from _ends(f"{where}.{name}", low, high)


def _ends(where: str, low: float, high: float) -> Iterator[str]:
    if low > high:
        yield f"`{where}`: the interval from {low:g} to {high:g} ends before it starts."


def _controls(result: Result) -> Iterator[str]:
    expected = result.spec.controls
    for where, point in _points(result):
        for name, numbers in point.control.items():
            if name not in point.metrics:
                yield f"`{where}.control.{name}` is of no metric of the point."
            elif len(numbers) != expected:
                yield _miscounted(f"{where}.control.{name}", len(numbers), expected)
        for name in point.versus:
            if name not in point.control:
                yield f"`{where}.versus.{name}` compares nothing: `control` has no such metric."
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
    most = max((int(level, 36) for level in set(sketch.levels)), default=0)
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


def _found(result: Result) -> Iterator[str]:
    """Check what was found between the points, or chosen among them."""
    found = result.found
    if found is None:
        if result.tried:
            yield "`tried` lists what a choice was made from, but `found` is null."
        return
    metrics = {metric.name for metric in result.metrics}
    for where, name in [
        ("metric", found.metric),
        *((f"limits.{name}", name) for name in found.limits),
    ]:
        if name not in metrics or name not in found.point.metrics:
            yield f"`found.{where}` is of no metric of the point."
            return
    if found.at_least is None:
        yield from _choice(result, found)
        yield from _versus(result, found)
    elif found.limits or found.versus or result.tried:
        yield "`found` has a bar, and yet something of a choice: limits, `versus` or `tried`."


def _choice(result: Result, found: Found) -> Iterator[str]:
    """Check that the choice is a point of the curve, and the best of what was tried."""
    amounts, requested = result.spec.amounts, found.point.amount.requested
    if requested not in amounts:
        yield f"`found.point.amount.requested` is {requested:g}, none of `spec.amounts`."
        return
    index = amounts.index(requested)
    own = result.points[index]
    if found.point.amount != own.amount or not _alike(found.point.metrics, own.metrics):
        yield f"`found.point` is not `points.{index}`, which has the same amount."
    if not result.tried:
        yield "`found` is a choice, but `tried` is empty."
    needed = {found.metric, *found.limits}
    seen: set[tuple[str, float]] = set()
    for place, one in enumerate(result.tried):
        if one.requested not in amounts:
            yield f"`tried.{place}.requested` is {one.requested:g}, none of `spec.amounts`."
        if missing := sorted(needed - set(one.metrics)):
            yield f"`tried.{place}.metrics` has no `{missing[0]}`."
            return
        keeps = all(one.metrics[name] <= most for name, most in found.limits.items())
        if one.passes != keeps:
            yield f"`tried.{place}.passes` is not what its metrics and `found.limits` say."
        if (one.candidate, one.requested) in seen:
            yield f"`tried.{place}` was tried before."
        seen.add((one.candidate, one.requested))
    yield from _best(result, found, requested)


def _best(result: Result, found: Found, requested: float) -> Iterator[str]:
    """Check that nothing that passes is better than what was chosen; the dense model passes."""
    wanted = (result.candidate, requested)
    chosen = [one for one in result.tried if (one.candidate, one.requested) == wanted]
    if not chosen:
        if result.tried:
            yield f"`tried` has no candidate '{result.candidate}' at amount {requested:g}."
        return
    if requested > 0 and not chosen[0].passes:
        yield "What was chosen, by `candidate` and `found`, does not pass in `tried`."
    lower = next(m.direction for m in result.metrics if m.name == found.metric) == "lower"

    def loss(one: Tried) -> float:
        return one.metrics[found.metric] if lower else -one.metrics[found.metric]

    for place, one in enumerate(result.tried):
        if (one.passes or one.requested == 0) and loss(one) < loss(chosen[0]) - _SLACK:
            yield f"`tried.{place}` passes and is better than what was chosen."


def _versus(result: Result, found: Found) -> Iterator[str]:
    """Check the comparison with random controls."""
    versus, drawn = found.versus, found.point.control.get(found.metric, ())
    compares = found.point.amount.requested > 0 and result.spec.controls > 0
    if versus is None:
        counts = {metric.name: metric.clusters for metric in result.metrics}
        known = counts[found.metric]
        if compares and (known is None or known > 1):
            yield "`found.versus` is null; something is removed, and there are controls."
        return
    if not compares:
        yield "`found.versus` compares nothing: nothing is removed, or there are no controls."
    yield from _ends("found.versus", versus.low, versus.high)
    if not drawn:
        yield f"`found.point.control` has no `{found.metric}`, which `found.versus` compares."
        return
    value = found.point.metrics[found.metric]
    difference = value - math.fsum(drawn) / len(drawn)
    scales = {metric.name: metric.scale for metric in result.metrics}
    if scales[found.metric] == "log" and min(value, *drawn) > 0:
        difference = value / math.exp(math.fsum(map(math.log, drawn)) / len(drawn))
    if not math.isclose(versus.difference, difference, rel_tol=_SLACK, abs_tol=_SLACK):
        yield (
            f"`found.versus.difference` is {versus.difference:g}; the metric beside the mean of "
            f"its controls is {difference:g}."
        )


def _judge(result: Result) -> Iterator[str]:
    """Check that there is a judge where texts were judged, and texts where there is a judge."""
    judge, responses = result.spec.judge, result.responses
    judging = result.cost.get("judging")
    if judge is None:
        if judging is not None and judging.seconds > 0:
            yield "`cost.judging` took time, but `spec.judge` is null."
        if result.chosen_by is not None:
            yield "`chosen_by` is a judge, but `spec.judge` is null."
        return
    if responses is None or responses.texts == 0:
        yield f"`spec.judge` is '{judge.name}', but there are no `responses` that it could judge."
    if result.chosen_by == judge:
        yield "`chosen_by` is the judge of `spec.judge`; it is for another one."


def _alike(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return set(one) == set(other) and all(
        math.isclose(one[name], other[name], rel_tol=_SLACK, abs_tol=_SLACK) for name in one
    )


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
