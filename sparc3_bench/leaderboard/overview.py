"""Overview: what is kept of every board for the pages that speak of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sparc3_bench.comparison.phrasing import value_text
from sparc3_bench.leaderboard.answers import Answer, ShortAnswer
from sparc3_bench.leaderboard.charts import Data, Look, quality

if TYPE_CHECKING:
    from sparc3_bench.comparison.sections import Section
    from sparc3_bench.comparison.series import Series
    from sparc3_bench.comparison.values import Value
    from sparc3_bench.leaderboard.boards import Board
    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.statistics.overall import Standing, Table

_SHADES = 5


@dataclass(frozen=True)
class ScorerCell:
    """A scorer in a section."""

    title: str
    is_control: bool
    value: str  # the number that orders the section, in words
    rank: str
    shade: int | None  # from 0, ahead of all others, to 4, behind all; None without a rank
    # verdict, note: What a reader must know of the number
    verdict: str
    note: str


@dataclass(frozen=True)
class SectionLine:
    """A section in the overview."""

    href: str
    words: str
    unit: str
    metric: MetricRecord
    where: str
    leads: bool  # whether it counts for the overall rank
    is_listed: bool  # whether it is about scorers, and not about conventions of one
    cells: Mapping[str, ScorerCell]  # by scorer, best first, controls last
    # answer, chart: What it says of its application, where it leads
    answer: ShortAnswer | None
    chart: Data | None
    table: Table | None  # its scorers with their replicates, likewise
    # The numbers of scores that are measured themselves: scorer, difference, and each number
    scores: Sequence[tuple[str, str, Sequence[tuple[MetricRecord, Value]]]]


@dataclass(frozen=True)
class BoardLines:
    """A board in the overview; `place` orders them, newest version of a task first."""

    place: tuple[str, int, str]
    id: str
    href: str
    title: str
    model: str
    named: str
    is_drawn: bool
    lines: tuple[SectionLine, ...]

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.place[0]

    @property
    def listed(self) -> list[SectionLine]:
        """The lines that are about scorers."""
        return [line for line in self.lines if line.is_listed]

    @property
    def answered(self) -> list[SectionLine]:
        """The lines that answer what to use."""
        return [line for line in self.lines if line.answer]


def lines_of(board: Board, look: Look) -> BoardLines:
    """Return what is kept of a board."""
    task, model = board.spec.task, board.spec.model
    leading = board.leading
    return BoardLines(
        place=(task.name, -task.task_version, model.slug),
        id=board.id,
        href=board.href,
        title=board.title,
        model=board.model,
        named=board.named,
        is_drawn=bool(board.drawn),
        lines=tuple(_line(section, section in leading, look) for section in board.sections),
    )


def _line(section: Section, leads: bool, look: Look) -> SectionLine:
    scorers, ranks = section.scorers, section.tests.ranks
    shown = [one for _, one, folded in section.rows if not folded]
    return SectionLine(
        href=section.href,
        words=section.words,
        unit=section.spec.unit,
        metric=section.metric,
        where=section.where,
        leads=leads,
        # A curve of nothing but variants is about conventions, not about scorers.
        is_listed=len(scorers) > 1 and bool(ranks or not (section.has_variants and section.prunes)),
        cells={one.scorer.name: _cell(section, one) for one in shown},
        answer=Answer(section, ranks).in_short if leads and ranks else None,
        chart=quality(section, look) if leads else None,
        table=section.table() if leads else None,
        scores=() if section.prunes else [_scores(one) for one in section.series if one.has_curve],
    )


def _scores(one: Series) -> tuple[str, str, list[tuple[MetricRecord, Value]]]:
    found = [(m, value) for m in one.curve_metrics if (value := one.value(None, m.name))]
    return one.scorer.name, one.difference, found


def overview(boards: Iterable[BoardLines]) -> SimpleNamespace:
    """Return the overview: scorers best overall first, controls, standings, how many count."""
    lines = [line for board in boards for line in board.lines]
    standings = _standings([line.table for line in lines if line.table is not None])
    cells = {name: cell for line in lines for name, cell in line.cells.items()}
    titles = {name: cell.title for name, cell in sorted(cells.items()) if not cell.is_control}
    order = [*standings, *(name for name in titles if name not in standings)]
    return SimpleNamespace(
        scorers={name: titles[name] for name in order},
        controls={name: cell.title for name, cell in cells.items() if cell.is_control},
        standings=standings,
        counted=sum(line.leads for line in lines),
    )


def _standings(tables: Sequence[Table]) -> Mapping[str, Standing]:
    from sparc3_bench.statistics.overall import overall  # loads numpy and scipy

    found = overall(tables) if tables else {}
    # A place in a few tables says nothing of the others: who is in all of them comes first.
    most = max((one.tables for one in found.values()), default=0)
    return dict(sorted(found.items(), key=lambda pair: pair[1].tables < most))


def _cell(section: Section, one: Series) -> ScorerCell:
    value, rank, shade = section.value(one), section.rank(one), None
    if rank and section.tests.ranks is not None:
        # By how many others it is shown to be better than: where all tie nothing is painted.
        worst, scorers = int(rank.rpartition("–")[2]), len(section.tests.ranks.texts)
        share = (scorers - worst) / max(1, scorers - 1)
        shade = _SHADES - 1 - math.ceil(share * (_SHADES - 1))
    return ScorerCell(
        title=one.scorer.title,
        is_control=one.is_control,
        value=value_text(value.centre, value.interval, digits=4) if value else "–",
        rank=rank,
        shade=shade,
        verdict=section.verdict(one),
        note=value.note if value else "",
    )
