"""Charts: the numbers that the pages draw, as data; `draw.js` draws them with Observable Plot."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sparc3_bench.comparison.phrasing import count, metric_title, number
from sparc3_bench.leaderboard.sentences import said

if TYPE_CHECKING:
    from types import SimpleNamespace

    from sparc3_bench.comparison.choices import Question
    from sparc3_bench.comparison.retention import Benchmark
    from sparc3_bench.comparison.sections import Section
    from sparc3_bench.comparison.series import Series
    from sparc3_bench.comparison.values import Value
    from sparc3_bench.leaderboard.agreement import Agreement
    from sparc3_bench.record.parts import MetricRecord

Data = dict[str, Any]
"""What a script can read."""

Look = Callable[["Series"], int]
"""The colour and the marker of a row, which are those of its scorer: a number, -1 for a control."""

_DIGITS = 6
"""Of the numbers that are drawn; the files of the results have them all."""


def looks(names: Sequence[str]) -> Look:
    """Return what gives every scorer of a site its own look; those named first differ most."""
    places = {name: place for place, name in enumerate(names)}
    return lambda one: -1 if one.is_control else places[one.scorer.name]


def curves(section: Section, look: Look, metrics: Sequence[MetricRecord]) -> Data:
    """Return metrics of a section over its amounts, a line a row.

    A point of a row has ``[centre, low, high]`` for each metric, ends null where no interval is
    known; `drawn` is the range of its random circuits, in the first metric. Rows that are
    `folded` are variants, which a reader sees who asks for them.
    """
    sizes, amounts = section.sizes, section.amounts
    return {
        "amounts": list(amounts),
        "texts": [sizes.words(amount) for amount in amounts],
        "places": [sizes.place(amount) for amount in amounts],
        "axis": sizes.axis.removesuffix(", log"),
        "log": sizes.is_broken,
        "share": section.spec.amount_kind == "fraction" or sizes.is_log,
        "metrics": [_metric(metric, section.dense(metric)) for metric in metrics],
        "rows": [
            {
                **_row(one, look, folded=folded),
                "points": [
                    [value_of(one.value(amount, metric.name)) for metric in metrics]
                    for amount in amounts
                ],
                "drawn": [
                    ends_of(one.beside(amount, metrics[0].name)) if metrics else None
                    for amount in amounts
                ],
            }
            for _, one, folded in sorted(section.rows, key=lambda row: row[0])
        ],
    }


def quality(section: Section, look: Look) -> Data:
    """Return the number that orders the scorers against the seconds of their scores.

    Of the rows that stand for a scorer, those of one kind of machine; a point is as in `scatter`.
    """
    metric, at = section.metric, section.ordered_at
    rows, drawn = [], list[float]()
    for _, one, folded in section.rows:
        value, spent = section.value(one), one.cost()
        if one.is_control and value:
            drawn += [value.low, value.centre, value.high]
        elif value and not folded:
            drawn += () if at is None else one.beside(at, metric.name)
            if spent and spent.centre > 0 and one.machines == [section.machine]:
                point = [*rounded(spent.centre, None, None), *(value_of(value) or ()), None]
                rows.append({**_row(one, look), "points": [point]})
    dense = section.dense(metric)
    if section.order_chosen is not None:
        dense = section.questions[0].rows[0].dense
    centres = [row["points"][0][3] for row in rows]
    log = bool(centres) and min(centres) > 0 and max(centres) > 10 * min(centres)
    return {
        "x": {"label": "Seconds for its scores", "direction": "lower", "log": True},
        "y": {**_metric(metric, dense), "log": log},
        "rows": rows,
        "dense": [] if dense is None else [[None, *rounded(dense)]],
        "random": ends_of(drawn),
        "front": True,
        "names": True,
    }


def panels(
    section: Section, look: Look, found: Sequence[Benchmark]
) -> list[tuple[Benchmark, Data]]:
    """Return for the main metric and every benchmark what is left, in % of the dense model."""
    shown: dict[str, Benchmark] = {}
    for one in found:
        shown.setdefault(one.samples, one)
    base, made = curves(section, look, ()), []
    for one in shown.values():
        metric = {**_metric(one.metric, 100.0), "title": "Left", "unit": "% of dense"}
        metric["chance"] = rounded(100 * one.chance / one.dense)[0] if one.chance else None
        rows = [
            {
                **row,
                "points": [
                    [[100.0, None, None] if amount == 0 else value_of(one.kept.get(key), 100)]
                    for amount in section.amounts
                    for key in [(amount, place)]
                ],
            }
            for place, row in enumerate(base["rows"])
            if any(at == place for _, at in one.kept)
        ]
        if rows:
            made.append((one, {**base, "metrics": [metric], "rows": rows, "small": True}))
    return made


def frontier(question: Question, metric: MetricRecord, look: Look) -> Data:
    """Return what each run gained against what it cost in a limited metric, and what it chose.

    A point is ``[cost, gain, low, high, amount]``; `random` has the random circuits, each once.
    """
    main, rows = question.metric, question.rows
    drawn: dict[tuple[float, ...], None] = {}
    lines = []
    for row in rows:
        points, chosen = row.result.points, row.found.point
        both = (metric.name, main.name)
        lines.append(
            {
                **_row(row.series, look),
                "title": row.name,
                "points": [
                    [
                        *rounded(point.metrics[metric.name], point.metrics[main.name]),
                        *rounded(*point.intervals.get(main.name, (None, None))),
                        count(point.amount.requested),
                    ]
                    for point in points
                ],
                "chosen": rounded(*(chosen.metrics[name] for name in both)),
            }
        )
        if row.series.is_control or not all(map(row.series.is_comparable, both)):
            continue
        for point in points:
            if point.amount.requested > 0:
                numbers = (point.control.get(name, ()) for name in both)
                drawn.update(dict.fromkeys(zip(*numbers, strict=False)))
    return {
        "x": _metric(metric, rows[0].result.points[0].metrics[metric.name]),
        "y": _metric(main, rows[0].dense),
        "limit": next(most for one, most in question.limits if one.name == metric.name),
        "rows": lines,
        "random": [rounded(*pair) for pair in drawn],
    }


def scatter(found: Agreement, look: Look) -> Data:
    """Return one metric of the same pruned models against another, a row a scorer.

    A point is ``[x, low, high, y, low, high, words]``, joined with the others of its run.
    """
    rows: dict[tuple[str, bool], Data] = {}
    for pair in found.pairs:
        own = pair[0].series
        row = rows.setdefault(
            (own.scorer.name, own.is_control),
            {**_row(own, look), "points": [], "runs": []},
        )
        sides = (rounded(side.value, *(side.interval or (None, None))) for side in pair)
        words = said("pruned_model", pair)
        row["points"].append([*(number for side in sides for number in side), words])
        row["runs"].append(pair[0].run.result.key)
    return {
        **{
            name: {**_metric(side.metric), "log": side.is_log}
            for name, side in (("x", found.x), ("y", found.y))
        },
        "rows": list(rows.values()),
        "dense": [rounded(*pair) for pair in found.dense],
    }


def heads(maps: Sequence[tuple[Series, Data]], look: Look) -> Data | None:
    """Return by scorer the smallest circuit of every head, a position among `circuits`.

    None where no two maps of heads are of the same circuits.
    """
    alike = [(one, data) for one, data in maps if "levels" in data]
    alike = [pair for pair in alike if pair[1]["circuits"] == alike[0][1]["circuits"]]
    if len(alike) < 2:
        return None
    rows = [{**_row(one, look, folded=False), "levels": data["levels"]} for one, data in alike]
    return {"circuits": alike[0][1]["circuits"], "rows": rows}


def overlap_cells(table: SimpleNamespace) -> Data:
    """Return the overlaps of every two circuits as a matrix; columns have the numbers of rows."""
    size = len(table.series)
    share = [
        [1.0 if i == j else table.rows[max(i, j) - 1][min(i, j)] for j in range(size)]
        for i in range(size)
    ]
    labels = [", ".join(filter(None, (s.scorer.title, s.difference))) for s in table.series]
    return {
        "rows": [f"{place} {label}" for place, label in enumerate(labels, 1)],
        "row_title": "",
        "columns": [str(place) for place in range(1, size + 1)],
        "column_title": "",
        "shares": [rounded(*row) for row in share],
        "texts": [[number(value, 2) for value in row] for row in share],
    }


def _row(one: Series, look: Look, *, folded: bool | None = None) -> Data:
    """Return whose a row is; one that stands for its scorer alone is no variant of it."""
    alone = folded is None
    return {
        "scorer": one.scorer.name,
        "title": one.scorer.title if alone else one.label,
        "short": one.scorer.title,
        "difference": "" if alone else one.difference,
        "control": one.is_control,
        "look": look(one),
        "folded": bool(folded),
    }


def _metric(metric: MetricRecord, dense: float | None = None) -> Data:
    told = {name: getattr(metric, name) for name in ("name", "title", "direction", "unit", "scale")}
    return {**told, "label": metric_title(metric), "dense": rounded(dense)[0]}


def value_of(value: Value | None, times: float = 1) -> list[float | None] | None:
    """Return a number with the ends of its interval, or else of its seeds, where they differ."""
    if value is None:
        return None
    ends: Iterable[float | None] = value.interval or (None, None)
    if value.interval is None and value.low != value.high:
        ends = value.low, value.high
    return rounded(*(None if one is None else times * one for one in (value.centre, *ends)))


def ends_of(drawn: Sequence[float]) -> list[float | None] | None:
    """Return the smallest, the middle one and the largest; None of nothing."""
    return rounded(min(drawn), statistics.median(drawn), max(drawn)) if drawn else None


def rounded(*numbers: float | None) -> list[float | None]:
    """Return numbers with as many digits as are drawn."""
    return [None if one is None else float(f"{one:.{_DIGITS}g}") for one in numbers]
