"""Scatter: one metric of the same pruned models against another, a mark a model."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.agreement_text import model_text
from sparc3_bench.leaderboard.axes import XY, Scale, axis_title, fitting, y_axis
from sparc3_bench.leaderboard.chart import COLOURS, LABEL, style
from sparc3_bench.leaderboard.phrasing import number, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparc3_bench.leaderboard.agreement import Agreement
    from sparc3_bench.leaderboard.chart import Canvas
    from sparc3_bench.leaderboard.pruned import Pair, PrunedPoint


def scatter(found: Agreement, names: Sequence[str], layout: Canvas) -> SimpleNamespace:
    """Return the drawing of two metrics of the same pruned models.

    Parameters
    ----------
    found
        The pruned models.
    names
        The scorers of the site, each with a look of its own.
    layout
        The size of the drawing.
    """
    across = [end for one, _ in found.pairs for end in _ends(one)] + [x for x, _ in found.dense]
    up = [end for _, other in found.pairs for end in _ends(other)] + [y for _, y in found.dense]
    x, x_ticks = y_axis(min(across), max(across), layout.left, layout.width - layout.right)
    y, y_ticks = y_axis(min(up), max(up), layout.height - layout.bottom, layout.top)
    by_scorer: dict[str, list[Pair]] = {}
    for pair in found.pairs:
        by_scorer.setdefault(pair[0].series.scorer.name, []).append(pair)
    step = min(LABEL, (layout.height - layout.top) / (len(by_scorer) + 1))
    places = [round(layout.top + 13 + step * place, 2) for place in range(len(by_scorer) + 1)]
    clouds = tuple(
        _cloud(pairs, names, x, y, place)
        for pairs, place in zip(by_scorer.values(), places, strict=False)
    )
    return SimpleNamespace(
        layout=layout,
        clouds=clouds,
        dense=tuple(sorted({(x(one), y(other)) for one, other in found.dense})),
        dense_label_y=places[-1],
        x_ticks=fitting(x_ticks),
        y_ticks=y_ticks,
        x_title=axis_title(found.x.metric, x.is_log, layout.width),
        y_title=axis_title(found.y.metric, y.is_log, layout.width),
        description=_description(found),
    )


def _ends(one: PrunedPoint) -> tuple[float, ...]:
    return (one.value, *(one.interval or ()))


def _cloud(
    pairs: Sequence[Pair], names: Sequence[str], x: Scale, y: Scale, label_y: float
) -> SimpleNamespace:
    runs: dict[int, list[XY]] = {}
    marks = []
    for pair in pairs:
        one, other = pair
        place = x(one.value), y(other.value)
        runs.setdefault(id(one.run), []).append(place)
        across = one.interval and [x(end) for end in one.interval]
        up = other.interval and [y(end) for end in other.interval]
        marks.append(SimpleNamespace(place=place, across=across, up=up, title=model_text(pair)))
    first = pairs[0][0].series
    look = style(replace(first, variant=0), names)
    if not first.is_control:
        # Without lines, scorers of one colour differ in nothing else.
        look = replace(look, hollow=names.index(first.scorer.name) // COLOURS % 2 == 1)
    return SimpleNamespace(
        name=", ".join(filter(None, (first.scorer.title, first.difference))),
        style=look,
        marks=marks,
        paths=[path for path in runs.values() if len(path) > 1],
        label_y=label_y,
    )


def _description(found: Agreement) -> str:
    """Return the drawing in words, for those who cannot see it."""
    one, other = (within(side.metric.title) for side in (found.x, found.y))
    across = [pair[0].value for pair in found.pairs]
    up = [pair[1].value for pair in found.pairs]
    return (
        f"{len(found.pairs)} pruned models with {one} from {number(min(across))} to "
        f"{number(max(across))} and {other} from {number(min(up))} to {number(max(up))}. The "
        "table below has every number."
    )
