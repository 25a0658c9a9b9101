"""The one report on a scorer: where it stands, how sure that is, at what cost, what to run next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sparc3_bench.comparison.comparable import comparison_key
from sparc3_bench.comparison.phrasing import count, number, probability, within
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.host import PluginHost
from sparc3_bench.leaderboard.boards import Board, boards
from sparc3_bench.leaderboard.report_part import ReportPart, as_markdown, as_text
from sparc3_bench.leaderboard.scorer_row import AttributionCost, Neighbour, ScorerRow
from sparc3_bench.leaderboard.scorer_rows import scorer_rows
from sparc3_bench.leaderboard.sentences import said, sentences
from sparc3_bench.leaderboard.shown_table import ShownTable
from sparc3_bench.leaderboard.templating import templates
from sparc3_bench.record.result import Result
from sparc3_bench.run.intervals import renewed


@dataclass(frozen=True)
class ScorerReport:
    """What is known of one scorer, or of a few.

    Attributes
    ----------
    scorers
        Their names.
    rows
        Every row of theirs.
    results
        How many finished results it is made of, those of other scorers among them.
    not_run
        What is missing, in a sentence each.
    notes
        What else a reader must know, likewise.
    """

    scorers: tuple[str, ...]
    rows: tuple[ScorerRow, ...]
    results: int
    not_run: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it is called."""
        titles = dict.fromkeys(row.title for row in self.rows)
        return f"Report on {' and '.join(titles)}"

    @property
    def headlines(self) -> tuple[str, ...]:
        """One sentence for every application."""
        return tuple(f"{self._where(row)}: {said('headline', row)}" for row in self._leading)

    @cached_property
    def parts(self) -> tuple[ReportPart, ...]:
        """What every rendering shows."""
        found = [ReportPart("In short", self.headlines)]
        found += map(self._detail, self._leading)
        if self.not_run:
            found.append(ReportPart("Not run", self.not_run))
        if rest := [row for row in self.rows if not row.leads]:
            found.append(_others(rest))
        return (
            *found,
            ReportPart("How to read it", (*self.notes, *sentences("report", "reading"))),
        )

    def text(self) -> str:
        """Return it for a terminal of 100 columns; of asides only how many rows they have."""
        return as_text(self.title, self.parts)

    def markdown(self) -> str:
        """Return it as Markdown."""
        return as_markdown(self.title, self.parts)

    def html(self) -> str:
        """Return it as one page that needs nothing beside it."""
        page = templates().get_template("report.html")
        return page.render(root="", title=self.title, parts=self.parts)

    @property
    def _leading(self) -> list[ScorerRow]:
        return [row for row in self.rows if row.leads]

    def _where(self, row: ScorerRow) -> str:
        """Return the application, with what sets it apart from the others of the report."""
        where, own = row.application, [one for one in self._leading if one.scorer == row.scorer]
        alike = [one for one in own if one.application == row.application]
        if len({one.model for one in alike}) > 1:
            where += f", {row.model}"
        if len({one.conventions for one in alike if one.model == row.model}) > 1:
            where += f", {within(row.conventions)}"
        return where

    def _detail(self, row: ScorerRow) -> ReportPart:
        told = (
            *(said("ordered_by", row), "" if row.numbers else row.told, said("others", row)),
            *(said("next", row, one) for one in row.neighbours),
        )
        tables = [_beside(row)] if row.neighbours else []
        if row.numbers:
            numbers = [(one.title, one.text, one.direction, one.note) for one in row.numbers]
            tables = [ShownTable("", ("", row.name, "better", ""), numbers)]
        if row.all_scorers:
            head = ("", row.metric, "beside random controls")
            tables = [ShownTable("", head, row.all_scorers)]
        title = f"{row.application}, {row.model}: {within(row.conventions)}"
        if len(self.scorers) > 1:
            title = f"{row.name}, {within(title)}"
        return ReportPart(
            title,
            tuple(filter(None, told)),
            tuple(tables),
            (row.command,) if row.command else (),
        )


def report_on(
    scorers: Sequence[str],
    results: Iterable[tuple[Path, Result]],
    host: PluginHost,
    *,
    not_run: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> ScorerReport:
    """Return the report on scorers, from results of theirs and of those to be set beside them.

    Parameters
    ----------
    scorers
        Names.
    results
        As from `read_results`; those of other data, models or conventions are left out.
    host
        Where tasks and scorers are looked up.
    not_run
        What else should have been run and was not, in a sentence each.
    notes
        What a reader must know besides, likewise.

    Raises
    ------
    UnknownNameError
        When none of the scorers has a finished result.
    """
    found = list(results)
    finished = [(path, one) for path, one in found if one.status == "ok" and one.points]
    keys = {comparison_key(one) for _, one in finished if one.spec.scorer.name in scorers}
    if not keys:
        known = {one.spec.scorer.name for _, one in finished}
        raise UnknownNameError("scorer with finished results", ", ".join(scorers), known)
    beside = [(path, one) for path, one in finished if comparison_key(one) in keys]
    shown = _shown(boards(split(beside, host)[0]), scorers)
    read = [(path, renewed(one, host) if one.key in shown else one) for path, one in beside]
    made = boards(split(read, host)[0])
    rows = tuple(row for name in scorers for row in scorer_rows(name, made))
    lacking = [
        f"{name}: no finished result." for name in scorers if name not in {r.scorer for r in rows}
    ]
    failed = [
        f"{spec.scorer.title} on {spec.task.title}, {spec.model.id}: {one.status}, {one.error}"
        for _, one in found
        if one.status != "ok" and (spec := one.spec).scorer.name in scorers
    ]
    missing = tuple(dict.fromkeys((*not_run, *failed, *lacking)))
    return ScorerReport(tuple(scorers), rows, len(beside), missing, tuple(notes))


def _shown(made: Sequence[Board], scorers: Sequence[str]) -> set[str]:
    """Return the keys of the results whose intervals are shown, or that say how to read numbers."""
    sections = [section for board in made for section in board.sections]
    rows = [
        one
        for section in sections
        for one in section.series
        if one.is_control or one.scorer.name in scorers or one is section.scorers[one.scorer.name]
    ]
    runs = [section.runs[0] for section in sections] + [run for one in rows for run in one.runs]
    return {run.result.key for run in runs}


def _beside(row: ScorerRow) -> ShownTable:
    """Return a row between its neighbours."""
    costs = [row.cost, *(one.cost for one in row.neighbours)]
    tokens = {cost.tokens for cost in costs}
    same = tokens.pop() if len(tokens) == 1 else None
    columns = _COST[: 2 if tokens == set() else 3]

    def cells(one: ScorerRow | Neighbour, *told: str) -> tuple[str, ...]:
        return (one.name, one.rank, one.text, *told, *_cost(one.cost)[: len(columns)])

    def beside(above: bool) -> Iterator[tuple[str, ...]]:
        for one in row.neighbours:
            if one.is_above is above:
                yield cells(one, row.beside(one), probability(one.p_value))

    return ShownTable(
        "",
        ("", "rank", row.metric, row.what_differs, "p (Holm)", *columns),
        [*beside(True), cells(row, "–", "–"), *beside(False)],
        f"Each attribution took {count(same)} tokens through the model." if same else "",
    )


def _others(rows: Sequence[ScorerRow]) -> ReportPart:
    tables = []
    for where in dict.fromkeys((row.application, row.model) for row in rows):
        cells = [
            (
                f"{row.name}: {within(row.conventions)}",
                f"{row.rank} of {row.scorers}" if row.rank else "–",
                row.text,
                row.random or "–",
                f"{row.metric} {row.where}",
            )
            for row in rows
            if (row.application, row.model) == where
        ]
        tables.append(
            ShownTable(", ".join(where), ("", "rank", "number", "beside random", "of"), cells)
        )
    return ReportPart("Other conventions and options", (), tuple(tables), (), True)


_COST = ("seconds", "GB", "tokens")


def _cost(cost: AttributionCost) -> tuple[str, ...]:
    return (
        "–" if cost.seconds is None else number(cost.seconds, 2),
        "–" if cost.peak_bytes is None else number(cost.peak_bytes / 1e9, 2),
        "–" if cost.tokens is None else count(cost.tokens),
    )
