"""Boards: the sections of one task on one model, each tested once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from sparc3_bench.leaderboard.control_verdict import (
    ControlVerdict,
    control_verdict,
    curve_control_verdict,
)
from sparc3_bench.leaderboard.phrasing import brief
from sparc3_bench.leaderboard.repeat import departures
from sparc3_bench.leaderboard.sentences import against_random
from sparc3_bench.leaderboard.series import seeds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparc3_bench.host import PluginHost
    from sparc3_bench.leaderboard.benchmark import Benchmark
    from sparc3_bench.leaderboard.headtohead import Meeting
    from sparc3_bench.leaderboard.ranks import Ranks
    from sparc3_bench.leaderboard.replicates import Replicates
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section
    from sparc3_bench.leaderboard.values import Value
    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.record.spec import RunSpec
    from sparc3_bench.statistics.overall import Table


class Tests(NamedTuple):
    """What the samples of a section say.

    Attributes
    ----------
    ranks
        The ranks of the rows; None where nothing can be tested.
    meetings
        The differences of every two rows, by their positions.
    resolvable
        By amount and metric, what neighbours must typically differ by to be told apart.
    retention
        What is left of every benchmark; empty for a task without any.
    controls
        What rows of controls say of the others, by position and amount.
    """

    ranks: Ranks | None
    meetings: dict[tuple[int, int], list[Meeting]]
    resolvable: dict[tuple[float, str], float]
    retention: tuple[Benchmark, ...]
    controls: Mapping[tuple[int, float], ControlVerdict]


@dataclass(frozen=True)
class Entry:
    """A section of a board, with its tests.

    Attributes
    ----------
    words
        Its conventions in a few words, enough to tell it from the others of its board.
    host
        Where the task is found that says how metrics follow from samples.
    draws
        What its numbers are tested by; made when it is needed where not given.
    """

    section: Section
    words: str
    host: PluginHost
    draws: Replicates | None = None

    @property
    def href(self) -> str:
        """The address of its page, from the root of the site."""
        return f"sections/{self.section.id}.html"

    @property
    def spec(self) -> RunSpec:
        """The spec of one run, for what all runs share."""
        return self.section.spec

    @property
    def metric(self) -> MetricRecord:
        """What the rows are ordered by."""
        return self.section.order_chosen or self.section.order_curve or self.section.metrics[0]

    @property
    def where(self) -> str:
        """At what that is measured."""
        if self.section.order_chosen is not None:
            return "of what was chosen"
        if self.section.order_curve is not None:
            return "of the whole curve" if self.section.prunes else "of the scores"
        return f"at {self.section.sizes.words(self.section.order)}"

    @property
    def has_variants(self) -> bool:
        """Whether some scorer has several rows."""
        own = [one for one in self.section.series if not one.is_control]
        return len({one.scorer.name for one in own}) < len(own)

    @cached_property
    def tests(self) -> Tests:
        """All at once, as the replicates behind them are many and not kept."""
        # Loads numpy and scipy.
        from sparc3_bench.leaderboard.control_verdict import row_verdicts
        from sparc3_bench.leaderboard.headtohead import meetings, resolvables
        from sparc3_bench.leaderboard.ranks import draws_of, ranks
        from sparc3_bench.leaderboard.retention import retention

        section = self.section
        draws = self.draws or draws_of(section, self.host)
        return Tests(
            ranks(section, draws),
            meetings(section, draws),
            resolvables(section, draws),
            retention(section, draws),
            row_verdicts(section, draws),
        )

    def rank(self, place: int) -> str:
        """Return the rank of a row, or an empty text."""
        return self.tests.ranks.texts.get(place, "") if self.tests.ranks else ""

    def value(self, one: Series) -> Value | None:
        """Return the number of a row by which the rows are ordered."""
        section = self.section
        if section.order_chosen is not None:
            rows = (row.value for q in section.questions for row in q.rows if row.series is one)
            return next(rows, None)
        if section.order_curve is not None:
            return one.whole.curve.get(section.order_curve.name)
        return one.value(section.order, section.metrics[0].name)

    def verdict(self, one: Series) -> str:
        """Return what a reader must know beside that number: that it may be chance.

        Empty where it is better than random controls, and for a control.
        """
        section = self.section
        if section.order_chosen is not None:
            rows = [row for q in section.questions for row in q.rows if row.series is one]
            if one.is_control or not rows:
                return ""
            if rows[0].is_dense:
                return "nothing removed"
            text = against_random(rows[0])
            return "" if text == "separable from random" else text
        if section.order_curve is not None:
            found = self.whole_against(one, section.order_curve)
        else:
            found = self.against(one, section.order)
        if found.beaten_by:
            return f"not better than {found.beaten_by}"
        return found.untested

    def against(
        self, one: Series, amount: float, metric: MetricRecord | None = None
    ) -> ControlVerdict:
        """Return what random controls say of a metric of a row at one amount."""
        return control_verdict(self.section, one, amount, metric, self.tests.controls)

    def whole_against(self, one: Series, metric: MetricRecord) -> ControlVerdict:
        """Return what random controls say of a number of the whole curve of a row."""
        return curve_control_verdict(self.section, one, metric)

    def table(self) -> Table | None:
        """Return the scorers with the replicates of that number; None where it is not ranked.

        See `scorers` for which variant of a scorer that is.
        """
        direction = self.metric.direction
        if self.tests.ranks is None or direction == "neither":
            return None
        import numpy as np

        from sparc3_bench.statistics.overall import Table

        rows = self.scorers()
        columns = [self.tests.ranks.replicates[self.place(one)] for one in rows.values()]
        stacked = np.stack(columns, axis=1)
        return Table(list(rows), stacked, direction, self.tests.ranks.clusters)

    def scorers(self) -> dict[str, Series]:
        """Return the row that stands for each scorer that is no control, by its name.

        Of several variants it is the one nearest to the defaults, or else of most seeds, or else
        the newest, never the best one: the best of many would be favoured by chance.
        """

        def last(one: Series) -> tuple[int, int, str]:
            newest = one.rising[-1]
            return -departures(newest.spec, self.host), len(seeds(one.runs)), newest.created

        own = (one for one in self.section.series if not one.is_control)
        return {one.scorer.name: one for one in sorted(own, key=last)}

    def place(self, one: Series) -> int:
        """Return the position of a row."""
        return next(i for i, other in enumerate(self.section.series) if other is one)


@dataclass(frozen=True)
class Board:
    """A task on a model.

    Attributes
    ----------
    id
        The name of its files.
    title
        The task, with its version where there are several.
    """

    id: str
    title: str
    model: str
    entries: tuple[Entry, ...]

    @property
    def href(self) -> str:
        """The address of its page, from the root of the site."""
        return f"boards/{self.id}.html"

    @property
    def spec(self) -> RunSpec:
        """The spec of one run, for what all runs share."""
        return self.entries[0].spec

    @property
    def drawn(self) -> tuple[Entry, ...]:
        """The sections that have a curve to be drawn."""
        return tuple(entry for entry in self.entries if entry.section.prunes)

    @property
    def leading(self) -> tuple[Entry, ...]:
        """For each unit the section that stands for it: the first of those of most scorers."""
        found: dict[str, Entry] = {}
        for entry in self.entries:
            is_whole = entry.spec.limit is None
            if is_whole and entry.spec.removal == "lowest" and entry.tests.ranks is not None:
                before = found.get(entry.spec.unit)
                if before is None or len(entry.scorers()) > len(before.scorers()):
                    found[entry.spec.unit] = entry
        return tuple(found.values())


def boards(sections: Sequence[Section], host: PluginHost) -> tuple[Board, ...]:
    """Return the boards in the order of their sections."""
    grouped: dict[tuple[str, int, str], list[Section]] = {}
    for section in sections:
        task, model = section.spec.task, section.spec.model
        grouped.setdefault((task.name, task.task_version, model.slug), []).append(section)
    newest: dict[str, int] = {}
    for name, version, _ in grouped:
        newest[name] = max(version, newest.get(name, version))
    found = []
    for (name, version, slug), members in grouped.items():
        old = version != newest[name]
        title = members[0].spec.task.title + (f", version {version}" if old else "")
        entries = zip(members, _words(members), strict=True)
        found.append(
            Board(
                id=f"{name}--{slug}" + (f"--v{version}" if old else ""),
                title=title,
                model=members[0].spec.model.id,
                entries=tuple(Entry(section, words, host) for section, words in entries),
            )
        )
    return tuple(found)


_ALWAYS = 2
"""So many of the words of a convention are said even where all sections share them."""


def _words(sections: Sequence[Section]) -> list[str]:
    words = [brief(section.spec) for section in sections]
    differ = [len(set(column)) > 1 for column in zip(*words, strict=True)]
    differ[-1] = True  # that a run is short is always said
    texts = [
        " ".join(own[:_ALWAYS])
        + "".join(f", {w}" for w, d in zip(own[_ALWAYS:], differ[_ALWAYS:], strict=True) if d and w)
        for own in words
    ]
    counts: dict[str, set[int]] = {}
    for section, text in zip(sections, texts, strict=True):
        counts.setdefault(text, set()).add(len(section.amounts))
    texts = [
        f"{text}, {len(section.amounts)} amounts" if len(counts[text]) > 1 else text
        for section, text in zip(sections, texts, strict=True)
    ]
    # What no words tell apart differs in its data: then the texts measured on are named.
    return [
        text if texts.count(text) == 1 else f"{text}, {section.id}"
        for section, text in zip(sections, texts, strict=True)
    ]
