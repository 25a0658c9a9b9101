"""Overview: how every scorer does in every table, and over all tasks together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.phrasing import value_text

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.boards import Board
    from sparc3_bench.leaderboard.sections import Section
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.statistics.overall import Standing

_SHADES = 5


def overview(boards: Sequence[Board]) -> SimpleNamespace:
    """Return the overview of all boards."""
    standings = _standings(
        [table for board in boards for one in board.leading if (table := one.table()) is not None]
    )
    titles: dict[str, str] = {}
    controls: dict[str, str] = {}
    lines = []
    for board in boards:
        for section in board.sections:
            drawn = {one.scorer.name: one for one in section.series if one.is_control}
            titles |= {name: one.scorer.title for name, one in section.scorers.items()}
            controls |= {name: one.scorer.title for name, one in drawn.items()}
            # A curve of nothing but variants is about conventions, not about scorers.
            if len(section.scorers) > 1 and (
                section.tests.ranks or not (section.has_variants and section.prunes)
            ):
                rows = section.scorers | drawn
                cells = {name: _cell(section, one) for name, one in rows.items()}
                leads = section in board.leading
                lines.append(
                    SimpleNamespace(board=board, section=section, leads=leads, cells=cells)
                )
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


def _cell(section: Section, one: Series) -> SimpleNamespace:
    value, rank, shade = section.value(one), section.rank(one), None
    if rank and section.tests.ranks is not None:
        # By how many others it is shown to be better than: where all tie nothing is painted.
        worst, scorers = int(rank.rpartition("–")[2]), len(section.tests.ranks.texts)
        share = (scorers - worst) / max(1, scorers - 1)
        shade = _SHADES - 1 - math.ceil(share * (_SHADES - 1))
    return SimpleNamespace(
        value=value_text(value.centre, value.interval, digits=4) if value else "–",
        rank=rank,
        shade=shade,
        verdict=section.verdict(one),
        note=value.note if value else "",
    )
