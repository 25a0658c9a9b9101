"""Rows of a scorer: where each stands among the other scorers of its section, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sparc3_bench.comparison.phrasing import is_reference, metric_title
from sparc3_bench.comparison.ranks import Ranks, draws_of
from sparc3_bench.comparison.repeat import side_by_side_command
from sparc3_bench.comparison.replicates import Replicates
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import Series, seeds
from sparc3_bench.comparison.values import Value
from sparc3_bench.leaderboard.boards import Board
from sparc3_bench.leaderboard.scorer_row import (
    AttributionCost,
    Estimated,
    MeasuredNumber,
    MoreSamples,
    Neighbour,
    ScorerRow,
)
from sparc3_bench.leaderboard.sentences import WORTH, rounded_up, said
from sparc3_bench.statistics.paired import Difference
from sparc3_bench.statistics.ranking import samples_needed


def scorer_rows(scorer: str, boards: Sequence[Board]) -> Iterator[ScorerRow]:
    """Yield every row of a scorer, in the order of the boards.

    Of every task, model and unit one leads: under the convention that most scorers were measured
    under, the row that stands for the scorer there.
    """
    for board in boards:
        own = {
            section: rows
            for section in board.sections
            if (rows := [one for one in section.series if one.scorer.name == scorer])
        }
        leading: dict[str, Section] = {}
        for section in sorted(own, key=_standing):
            leading.setdefault(section.spec.unit, section)
        for section, rows in own.items():
            stands = section.scorers.get(scorer, rows[0])
            # Its replicates are many: made once, and not kept.
            draws = draws_of(section)
            for one in rows:
                leads = section is leading[section.spec.unit] and one is stands
                yield _row(board, section, _among(section, one, draws), one, leads)


def _standing(section: Section) -> tuple[bool, bool, int]:
    is_short = section.spec.limit is not None
    return is_short, section.spec.removal != "lowest", -len(section.scorers)


def _row(board: Board, section: Section, among: Section, one: Series, leads: bool) -> ScorerRow:
    others = [row for row in among.series if not row.is_control]
    ranks = among.tests.ranks if section.prunes else None
    near = tuple(_neighbours(among, one, ranks)) if ranks and not one.is_control else ()
    return ScorerRow(
        **_stands(among, one, ranks),
        is_control=one.is_control,
        application=board.title,
        model=board.model,
        conventions=section.words,
        section=section.id,
        leads=leads,
        metric=metric_title(among.metric),
        counted_in=among.metric.unit,
        direction=among.metric.direction,
        scale=ranks.scale if ranks else among.metric.scale,
        where=section.where,
        scorers=len({row.scorer.name for row in others}),
        clusters=ranks.clusters if ranks else 0,
        random=among.beside_random(one),
        told=_told(section, one),
        seeds=len(seeds(one.runs)),
        neighbours=near,
        command=_command(among, one, near),
        numbers=() if section.prunes else tuple(_numbers(one)),
        earlier=sum(_code(row) != _code(one) for row in among.series if row is not one),
        others=len(among.series) - 1,
        all_scorers=tuple(
            (row.name, Estimated(**_number(row, among.value(row))).text, among.beside_random(row))
            for row in others
        )
        if section.prunes and not near and len(others) > (not one.is_control)
        else (),
    )


def _among(section: Section, one: Series, draws: Replicates | None) -> Section:
    """Return a section with one row a scorer, this one for its own, at what orders the rows."""
    stand = [row for name, row in section.scorers.items() if name != one.scorer.name]
    rows = tuple(row for row in section.series if row.is_control or row in (one, *stand))
    return replace(section, series=rows, amounts=(section.order,), draws=draws)


def _neighbours(among: Section, one: Series, ranks: Ranks) -> Iterator[Neighbour]:
    """Yield the next rows above and below, and behind those that are tied the next that are not."""
    at, places = among.place(one), sorted(ranks.texts)
    told = {p: ranks.beside(at, p, among.metric.direction) for p in places if p != at}
    near = set()
    for way in ([p for p in reversed(places) if p < at], [p for p in places if p > at]):
        apart = [place for place in way if told[place][2] != "tied"]
        near |= {*way[:1], *apart[:1]}
    for place in sorted(near):
        difference, p_value, verdict = told[place]
        yield Neighbour(
            **_stands(among, among.series[place], ranks),
            is_above=place < at,
            difference=difference.value,
            difference_low=difference.low,
            difference_high=difference.high,
            p_value=p_value,
            verdict=verdict,
            more=_more(among, difference, ranks) if verdict == "tied" else None,
        )


def _stands(among: Section, one: Series, ranks: Ranks | None) -> dict[str, Any]:
    spent = {name: one.cost("attribution", name) for name in AttributionCost.model_fields}
    return {
        **_number(one, among.value(one)),
        "scorer": one.scorer.name,
        "name": one.name,
        "rank": ranks.texts.get(among.place(one), "") if ranks else "",
        "cost": {name: value and value.centre for name, value in spent.items()},
    }


def _number(one: Series, value: Value | None) -> dict[str, Any]:
    low, high = (value and value.interval) or (None, None)
    return {
        "title": one.scorer.title,
        "value": value and value.centre,
        "low": low,
        "high": high,
    }


def _more(among: Section, difference: Difference, ranks: Ranks) -> MoreSamples:
    """Return what would tell two tied rows apart."""
    factor = samples_needed(difference, ranks.clusters, len(ranks.differences)) / ranks.clusters
    data = [one for one in among.datasets if not is_reference(one)]
    measured = [one for one in data if one.purpose == "evaluation"] or data
    now = max(one.windows for one in measured)
    crowded = ranks.clusters < now / 2
    return MoreSamples(
        factor=factor if math.isfinite(factor) else None,
        now=now,
        item=measured[0].item,
        clusters=ranks.clusters if crowded else None,
        option="" if crowded else _option(among, {one.purpose for one in measured}, now),
    )


def _command(among: Section, one: Series, near: Sequence[Neighbour]) -> str:
    """Return what runs a row and those that it is tied with on enough samples, if that is known."""
    tied = [
        (other.scorer, more.option, rounded_up(more.factor * more.now))
        for other in near
        if (more := other.more) and more.option and more.factor and more.factor <= WORTH
    ]
    if not tied:
        return ""
    names = {name for name, *_ in tied}
    rows = [one, *(row for row in among.series if row.scorer.name in names)]
    amounts = among.spec.amounts if among.ordered_at is None else among.amounts
    most = max(many for *_, many in tied)
    return side_by_side_command(rows, amounts, {tied[0][1]: most}, among.host)


def _option(among: Section, purposes: set[str], now: int) -> str:
    """Return the option of the task that sets how many samples are measured on, if one must be it.

    It has their number as its value, and steers no scores; of several, the one whose name begins
    with what the samples are for.
    """
    task = among.host.all("task").get(among.spec.task.name)
    steering = task.cls.steering if task else frozenset()
    found = [
        name
        for name, value in among.spec.task.options.items()
        if type(value) is int and value == now and name not in steering
    ]
    found = found if len(found) == 1 else [n for n in found if n.partition("_")[0] in purposes]
    return found[0] if len(found) == 1 else ""


def _told(section: Section, one: Series) -> str:
    if rows := section.choices(one):
        return " ".join(f"{row.name}: {said('choice', row)}" for row in rows)
    value = section.value(one)
    return value.note if value else ""


def _numbers(one: Series) -> Iterator[MeasuredNumber]:
    for metric in one.curve_metrics:
        if (value := one.value(None, metric.name)) is not None:
            told = {**_number(one, value), "title": metric_title(metric), "note": value.note}
            yield MeasuredNumber(**told, direction=metric.direction)


def _code(one: Series) -> dict[str, str]:
    """Return the digests of what a row shares with others of its section; none in old records."""
    newest = one.rising[-1].spec.code
    return {name: digest for name, digest in newest.items() if name != "scorer"}
