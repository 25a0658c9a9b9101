"""Overview: how every scorer does in every table, and over all tasks together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.phrasing import number, precise

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.boards import Board
    from sparc3_bench.leaderboard.entries import Entry
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.statistics.overall import Standing

_SHADES = 5


def overview(boards: Sequence[Board]) -> SimpleNamespace:
    """Return the overview of all boards."""
    tables = [entry.table() for board in boards for entry in board.leading]
    standings = _standings([table for table in tables if table is not None])
    titles: dict[str, str] = {}
    controls: dict[str, str] = {}
    lines = []
    for board in boards:
        leading = board.leading
        for entry in board.entries:
            rows = entry.scorers()
            for name, one in rows.items():
                titles[name] = one.scorer.title
            drawn = {one.scorer.name: one for one in entry.section.series if one.is_control}
            controls.update({name: one.scorer.title for name, one in drawn.items()})
            # A curve of nothing but variants is about conventions, not about scorers.
            if len(rows) > 1 and (
                entry.tests.ranks or not (entry.has_variants and entry.section.prunes)
            ):
                cells = {name: _cell(entry, one) for name, one in (rows | drawn).items()}
                leads = any(entry is one for one in leading)
                line = SimpleNamespace(board=board, entry=entry, leads=leads, cells=cells)
                lines.append(line)
    order = [*standings, *sorted(set(titles) - set(standings))]
    return SimpleNamespace(
        scorers={name: titles[name] for name in order},
        controls=controls,
        lines=lines,
        standings=standings,
        counted=sum(line.leads for line in lines),
    )


def _standings(tables: Sequence[object]) -> Mapping[str, Standing]:
    from sparc3_bench.statistics.overall import overall  # loads numpy and scipy

    found = overall(tables) if tables else {}  # type: ignore[arg-type]
    # A place in a few tables says nothing of the others: who is in all of them comes first.
    most = max((one.tables for one in found.values()), default=0)
    return dict(sorted(found.items(), key=lambda pair: pair[1].tables < most))


def _cell(entry: Entry, one: Series) -> SimpleNamespace:
    value = entry.value(one)
    text = "–"
    if value is not None:
        text = precise(value.centre, value.interval) if value.interval else number(value.centre)
    rank = entry.rank(entry.place(one))
    shade = None
    if rank and entry.tests.ranks is not None:
        # By how many others it is shown to be better than: where all tie nothing is painted.
        worst = int(rank.rpartition("–")[2])
        scorers = len(entry.tests.ranks.texts)
        share = (scorers - worst) / max(1, scorers - 1)
        shade = _SHADES - 1 - math.ceil(share * (_SHADES - 1))
    return SimpleNamespace(
        value=text,
        rank=rank,
        shade=shade,
        verdict=entry.verdict(one),
        note=value.note if value else "",
    )
