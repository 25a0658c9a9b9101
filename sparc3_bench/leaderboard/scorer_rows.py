"""Rows of a scorer: where each stands among the other scorers of its section, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sparc3_bench.host import PluginHost
from sparc3_bench.leaderboard.boards import Board
from sparc3_bench.leaderboard.entries import Entry
from sparc3_bench.leaderboard.phrasing import interval_text, is_reference, metric_title
from sparc3_bench.leaderboard.ranks import Ranks, draws_of
from sparc3_bench.leaderboard.repeat import side_by_side_command
from sparc3_bench.leaderboard.replicates import Replicates
from sparc3_bench.leaderboard.scorer_row import (
    AttributionCost,
    MeasuredNumber,
    MoreSamples,
    Neighbour,
    ScorerRow,
)
from sparc3_bench.leaderboard.sentences import choice_text
from sparc3_bench.leaderboard.series import Series, seeds
from sparc3_bench.statistics.paired import Difference
from sparc3_bench.statistics.ranking import samples_needed

WORTH = 100
"""Nobody measures on more times as many samples to tell two scorers apart."""


def scorer_rows(scorer: str, boards: Sequence[Board], host: PluginHost) -> Iterator[ScorerRow]:
    """Yield every row of a scorer, in the order of the boards.

    Of every task, model and unit one leads: under the convention that most scorers were measured
    under, the row that stands for the scorer there.
    """
    for board in boards:
        own = {
            id(entry): [one for one in entry.section.series if one.scorer.name == scorer]
            for entry in board.entries
        }
        entries = [entry for entry in board.entries if own[id(entry)]]
        leading: dict[str, Entry] = {}
        for entry in sorted(entries, key=_standing):
            leading.setdefault(entry.spec.unit, entry)
        for entry in entries:
            draws = draws_of(entry.section, host)
            stands = entry.scorers().get(scorer, own[id(entry)][0])
            for one in own[id(entry)]:
                leads = entry is leading[entry.spec.unit] and one is stands
                yield _row(board, entry, one, draws, leads)


def _standing(entry: Entry) -> tuple[bool, bool, int]:
    is_short = entry.spec.limit is not None
    return is_short, entry.spec.removal != "lowest", -len(entry.scorers())


def _row(
    board: Board, entry: Entry, one: Series, draws: Replicates | None, leads: bool
) -> ScorerRow:
    among = _among(entry, one, draws)
    section, metric = among.section, among.metric
    place = among.place(one)
    others = {row.scorer.name: row for row in section.series if not row.is_control}
    value = among.value(one)
    ranks = among.tests.ranks if section.prunes else None
    near = tuple(_neighbours(among, one, ranks)) if ranks and not one.is_control else ()
    return ScorerRow(
        scorer=one.scorer.name,
        title=one.scorer.title,
        name=_name(one),
        is_control=one.is_control,
        application=board.title,
        model=board.model,
        conventions=entry.words,
        section=section.id,
        leads=leads,
        metric=metric_title(metric),
        counted_in=metric.unit,
        direction=metric.direction,
        scale=ranks.scale if ranks else metric.scale,
        where=entry.where,
        value=value.centre if value else None,
        low=value.interval[0] if value and value.interval else None,
        high=value.interval[1] if value and value.interval else None,
        rank=ranks.texts.get(place, "") if ranks else "",
        scorers=len(others),
        clusters=ranks.clusters if ranks else 0,
        random=among.beside_random(one),
        told=_told(entry, one),
        cost=_cost(one),
        seeds=len(seeds(one.runs)),
        neighbours=near,
        command=_command(among, one, near),
        numbers=() if section.prunes else tuple(_numbers(one)),
        earlier=sum(_code(row) != _code(one) for row in section.series if row is not one),
        others=len(section.series) - 1,
        all_scorers=tuple(
            (_name(row), _number(among, row), among.beside_random(row)) for row in others.values()
        )
        if section.prunes and not near and len(others) > (not one.is_control)
        else (),
    )


def _among(entry: Entry, one: Series, draws: Replicates | None) -> Entry:
    """Return a section with one row a scorer, this one for its own, at what orders the rows."""
    section = entry.section
    stand = [row for name, row in entry.scorers().items() if name != one.scorer.name]
    kept = {id(row) for row in (one, *stand)}
    return replace(
        entry,
        section=replace(
            section,
            series=tuple(row for row in section.series if row.is_control or id(row) in kept),
            amounts=(section.order,),
        ),
        draws=draws,
    )


def _neighbours(among: Entry, one: Series, ranks: Ranks) -> Iterator[Neighbour]:
    """Yield the next rows above and below, and behind those that are tied the next that are not."""
    series, at = among.section.series, among.place(one)
    places = sorted(ranks.texts)
    told = {p: ranks.beside(at, p, among.metric.direction) for p in places if p != at}
    above = [place for place in reversed(places) if place < at]
    below = [place for place in places if place > at]
    near = set()
    for way in (above, below):
        apart = [place for place in way if told[place][2] != "tied"]
        near |= {*way[:1], *apart[:1]}
    for place in sorted(near):
        difference, p_value, verdict = told[place]
        other = series[place]
        value = among.value(other)
        assert value is not None
        yield Neighbour(
            scorer=other.scorer.name,
            title=other.scorer.title,
            name=_name(other),
            is_above=place < at,
            rank=ranks.texts[place],
            value=value.centre,
            low=value.interval[0] if value.interval else None,
            high=value.interval[1] if value.interval else None,
            difference=difference.value,
            difference_low=difference.low,
            difference_high=difference.high,
            p_value=p_value,
            verdict=verdict,
            cost=_cost(other),
            more=_more(among, difference, ranks) if verdict == "tied" else None,
        )


def _more(among: Entry, difference: Difference, ranks: Ranks) -> MoreSamples:
    """Return what would tell two tied rows apart."""
    factor = samples_needed(difference, ranks.clusters, len(ranks.differences)) / ranks.clusters
    data = [one for one in among.section.datasets if not is_reference(one)]
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


def _command(among: Entry, one: Series, near: Sequence[Neighbour]) -> str:
    """Return what runs a row and those that it is tied with on enough samples, if that is known."""
    tied = [
        (other.scorer, more.option, rounded_up(more.factor * more.now))
        for other in near
        if (more := other.more) and more.option and more.factor and more.factor <= WORTH
    ]
    if not tied:
        return ""
    names = {name for name, *_ in tied}
    rows = [one, *(row for row in among.section.series if row.scorer.name in names)]
    whole = among.section.order_curve or among.section.order_chosen
    amounts = among.spec.amounts if whole else among.section.amounts
    return side_by_side_command(
        rows, amounts, {tied[0][1]: max(many for *_, many in tied)}, among.host
    )


def _option(among: Entry, purposes: set[str], now: int) -> str:
    """Return the option of the task that sets how many samples are measured on, if one must be it.

    It has their number as its value, and steers no scores; of several, the one whose name begins
    with what the samples are for.
    """
    entry = among.host.all("task").get(among.spec.task.name)
    steering = entry.cls.steering if entry else frozenset()
    found = [
        name
        for name, value in among.spec.task.options.items()
        if type(value) is int and value == now and name not in steering
    ]
    found = found if len(found) == 1 else [n for n in found if n.partition("_")[0] in purposes]
    return found[0] if len(found) == 1 else ""


def rounded_up(value: float) -> int:
    """Return a count of at least so many, with two digits."""
    whole = math.ceil(value)
    unit: int = 10 ** max(0, len(str(whole)) - 2)
    return math.ceil(whole / unit) * unit


def _told(entry: Entry, one: Series) -> str:
    rows = [row for q in entry.section.questions for row in q.rows if row.series is one]
    if rows:
        return " ".join(f"{row.name}: {choice_text(row)}" for row in rows)
    value = entry.value(one)
    return value.note if value else ""


def _numbers(one: Series) -> Iterator[MeasuredNumber]:
    for metric in one.whole.metrics:
        if (value := one.whole.curve.get(metric.name)) is not None:
            low, high = value.interval or (None, None)
            yield MeasuredNumber(
                metric_title(metric), metric.direction, value.centre, low, high, value.note
            )


def _number(among: Entry, one: Series) -> str:
    value = among.value(one)
    return interval_text(value.centre, value.interval) if value else "–"


def _name(one: Series) -> str:
    return f"{one.scorer.title} ({one.difference})" if one.difference else one.scorer.title


def _code(one: Series) -> dict[str, str]:
    """Return the digests of what a row shares with others of its section; none in old records."""
    newest = one.rising[-1].spec.code
    return {name: digest for name, digest in newest.items() if name != "scorer"}


def _cost(one: Series) -> AttributionCost:
    found = [run.result.cost["attribution"] for run in one.runs if "attribution" in run.result.cost]
    tokens = [phase.tokens for phase in found if phase.tokens is not None]
    return AttributionCost(
        seconds=_mean([phase.seconds for phase in found]),
        peak_bytes=_mean([phase.peak_bytes for phase in found]),
        tokens=_mean(tokens),
    )


def _mean(numbers: Sequence[float]) -> float | None:
    return math.fsum(numbers) / len(numbers) if numbers else None
