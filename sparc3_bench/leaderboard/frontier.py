"""Frontier: what is gained against what it costs, a line a run, with the limit and the choice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.axes import (
    XY,
    Scale,
    SymLogScale,
    Tick,
    axis_title,
    shortened,
    y_axis,
)
from sparc3_bench.leaderboard.chart import LABEL, whiskers
from sparc3_bench.leaderboard.phrasing import count, metric_title, number, plain, value_text, within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sparc3_bench.leaderboard.chart import Canvas, Style
    from sparc3_bench.leaderboard.operating_points import OperatingPoint
    from sparc3_bench.leaderboard.questions import Question
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.record.parts import MetricRecord

_LINEAR = 10
"""The axis is linear up to about so many parts of the limit."""

_FAR = 100
"""What is further away than so many times the limit is drawn in a strip at the edge."""

_STRIP = 46
"""Width of that strip, with the gap before it."""


class _Axis:
    """The axis of a limited metric: bent around the dense model, with a strip for what is far."""

    def __init__(self, values: Sequence[float], dense: float, most: float, layout: Canvas) -> None:
        spread = max((abs(value - dense) for value in values), default=0.0)
        limit = abs(most - dense)
        unit = (limit or spread or 1.0) / _LINEAR
        self.last = dense + _FAR * _LINEAR * unit
        near = [value for value in values if value <= self.last]
        self.has_strip = len(near) < len(values)
        # Some of what is beyond the limit is always seen.
        high = min(self.last, max([*near, max(dense, most) + _LINEAR * unit / 2]))
        low = min([*near, dense, most])
        start, right = float(layout.left), float(layout.width - layout.right)
        self.end = right - _STRIP if self.has_strip else right
        self.apart = right - _STRIP / 2 + 6
        # The dense model stands a little off the edge.
        self.scale = SymLogScale(dense, unit, low, high, start + 14, self.end)

    def __call__(self, value: float) -> float:
        return self.apart if value > self.last else self.scale(value)


def frontier(
    question: Question,
    metric: MetricRecord,
    style: Callable[[Series], Style],
    layout: Canvas,
) -> SimpleNamespace:
    """Return the main metric of a question against one of its limited metrics.

    Parameters
    ----------
    question
        The runs.
    metric
        Limited there.
    style
        How a series is drawn.
    layout
        The size of the drawing.
    """
    main, rows = question.metric, question.rows
    most = next(most for one, most in question.limits if one.name == metric.name)
    drawn = _random(question, metric.name)
    every = [point for row in rows for point in row.result.points]
    dense = rows[0].result.points[0].metrics[metric.name]
    xs = [*(point.metrics[metric.name] for point in every), *(x for x, _ in drawn)]
    x = _Axis(xs, dense, most, layout)
    ends = [end for point in every for end in point.intervals.get(main.name, ())]
    ys = [*(point.metrics[main.name] for point in every), *ends, *(y for _, y in drawn)]
    y, y_ticks = y_axis(min(ys), max(ys), layout.height - layout.bottom, layout.top)
    labels = _Labels(question.series, extra=1 + bool(drawn), layout=layout)
    traces = tuple(_trace(row, metric.name, x, y, style(row.series), labels) for row in rows)
    limit, right = x(most), layout.width - layout.right
    return SimpleNamespace(
        layout=layout,
        traces=traces,
        cloud=tuple(sorted({(x(one), y(other)) for one, other in drawn})),
        cloud_label=Tick(labels.next() if drawn else 0.0, "Matched random" if drawn else ""),
        ring_label_y=labels.next(),
        x_ticks=x.scale.ticks((most,)),
        y_ticks=y_ticks,
        x_title=shortened(f"{metric_title(metric)}, symmetric log", layout.width // 7),
        y_title=axis_title(main, y.is_log, layout.width),
        title=f"{main.title} against {within(metric.title)}",
        floor_end=x.end,
        strip=Tick(x.apart, f"> {plain(float(f'{x.last:.3g}'))}") if x.has_strip else None,
        limit=Tick(limit, f"limit {plain(most)}"),
        limit_anchor="start" if right - limit > layout.width / 4 else "end",
        description=_description(question, metric, x.last),
    )


class _Labels:
    """Hands out places in the list beside a drawing, one for each series and some more."""

    def __init__(self, series: Sequence[Series], extra: int, layout: Canvas) -> None:
        details = sum(bool(one.difference) for one in series)
        needed = LABEL * (len(series) + extra) + 14 * details
        self._shrunk = min(1.0, (layout.height - layout.top - 4) / needed)
        self._free = float(layout.top)
        self._seen: set[int] = set()

    def of(self, series: Series) -> tuple[str, str, float]:
        """Return the label of a series in two lines and its place; only once."""
        if id(series) in self._seen:
            return "", "", 0.0
        self._seen.add(id(series))
        place = self.next(14 if series.difference else 0)
        return shortened(series.label, 23), shortened(series.difference, 28), place

    def next(self, more: int = 0) -> float:
        """Return the next place, taking so much more room for it."""
        place = self._free
        self._free += (LABEL + more) * self._shrunk
        return round(place + 13, 2)


def _trace(
    row: OperatingPoint, metric: str, x: _Axis, y: Scale, style: Style, labels: _Labels
) -> SimpleNamespace:
    main = row.metric.name
    points = row.result.points
    far = [point.metrics[metric] > x.last for point in points]
    places = [(x(point.metrics[metric]), y(point.metrics[main])) for point in points]
    ends = [(at, p.intervals.get(main)) for p, (at, _) in zip(points, places, strict=True)]
    pairs = zip(places, places[1:], far, far[1:], strict=False)
    chosen = row.found.point.metrics
    name, detail, label_y = labels.of(row.series)
    return SimpleNamespace(
        style=style,
        segments=tuple((one, other) for one, other, gone, too in pairs if not (gone and too)),
        points=tuple(place for place, gone in zip(places, far, strict=True) if not gone),
        arrows=tuple(place for place, gone in zip(places, far, strict=True) if gone),
        whiskers=whiskers(ends, y),
        chosen=(x(chosen[metric]), y(chosen[main])),
        name=name,
        detail=detail,
        label_y=label_y,
    )


def _random(question: Question, metric: str) -> list[XY]:
    """Return both metrics of every random circuit along the curves, each circuit once."""
    found: dict[XY, None] = {}
    for row in question.rows:
        comparable = all(row.series.is_comparable(name) for name in (metric, row.metric.name))
        if row.series.is_control or not comparable:
            continue
        for point in row.result.points:
            if point.amount.requested > 0:
                both = (point.control.get(name, ()) for name in (metric, row.metric.name))
                found.update(dict.fromkeys(zip(*both, strict=False)))
    return list(found)


def _description(question: Question, metric: MetricRecord, last: float) -> str:
    """Return the drawing in words, for those who cannot see it."""
    main = question.metric
    parts = []
    for row in question.rows:
        point = row.found.point
        cost = number(point.metrics[metric.name], 3)
        gain = value_text(row.value.centre, row.value.interval)
        where = f"{gain} at {cost}"
        text = f"{row.name}: dense model kept" if row.is_dense else f"{row.name}: {where}"
        beyond = [p for p in row.result.points if p.metrics[metric.name] > last]
        if beyond:
            amounts = ", ".join(count(p.amount.requested) for p in beyond)
            text += f" (beyond the axis at amount {amounts})"
        parts.append(text)
    return (
        f"What each run chose, as {within(main.title)} at {within(metric.title)}: "
        f"{'; '.join(parts)}. The table above has every number."
    )
