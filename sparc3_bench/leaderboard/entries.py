"""Entries: the sections of a board, each with its tests, made once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from sparc3_bench.leaderboard.control_verdict import (
    ControlVerdict,
    control_verdict,
    curve_control_verdict,
)
from sparc3_bench.leaderboard.repeat import departures
from sparc3_bench.leaderboard.sentences import against_random
from sparc3_bench.leaderboard.series import seeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparc3_bench.host import PluginHost
    from sparc3_bench.leaderboard.headtohead import Meeting
    from sparc3_bench.leaderboard.ranks import Ranks
    from sparc3_bench.leaderboard.replicates import Replicates
    from sparc3_bench.leaderboard.retention import Benchmark
    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section
    from sparc3_bench.leaderboard.values import Value
    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.record.spec import RunSpec
    from sparc3_bench.statistics.overall import Table


BETTER = "better than random"
NOTHING = "nothing removed"
NOT_COMPARED = "no verdict: not compared with random circuits"


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
        # Variants are no competitors of their own.
        places = {self.place(one) for one in self.scorers().values()}
        return Tests(
            ranks(section, draws, places),
            meetings(section, draws),
            resolvables(section, draws),
            retention(section, draws, places),
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

    def beside_random(self, one: Series) -> str:
        """Return what random controls say of that number; empty where nothing can be better."""
        section = self.section
        if one.is_control or not section.prunes or self.metric.direction == "neither":
            return ""
        if section.order_chosen is not None:
            rows = [row for q in section.questions for row in q.rows if row.series is one]
            said = {NOTHING if row.is_dense else against_random(row) for row in rows}
            if len(said) != 1:
                return "no verdict: seeds differ in it"
            (text,) = said
            return BETTER if text == "separable from random" else text or NOT_COMPARED
        if section.order_curve is not None:
            found = self.whole_against(one, section.order_curve)
        elif not 0 < section.sizes.removed(section.order) < 1:
            return ""
        else:
            found = self.against(one, section.order)
        if found.beaten_by:
            return f"not better than {found.beaten_by}"
        return found.untested or BETTER

    def verdict(self, one: Series) -> str:
        """Return what a reader must know beside that number: that it may be chance."""
        text = self.beside_random(one)
        return "" if text == BETTER else text

    def against(
        self, one: Series, amount: float, metric: MetricRecord | None = None
    ) -> ControlVerdict:
        """Return what random controls say of a metric of a row at one amount."""
        return control_verdict(self.section, one, amount, metric, self.tests.controls)

    def whole_against(self, one: Series, metric: MetricRecord) -> ControlVerdict:
        """Return what random controls say of a number of the whole curve of a row."""
        return curve_control_verdict(self.section, one, metric)

    @property
    def opens(self) -> float:
        """The amount that a reader is shown first: that of the order, if anything is told there.

        Else the one where most pairs of rows are told apart, and some row is better than random.
        """
        from sparc3_bench.statistics.interval import LEVEL  # loads numpy and scipy

        told = Counter(
            one.amount
            for found in self.tests.meetings.values()
            for one in found
            if one.p_adjusted <= LEVEL
        )
        order, metric = self.section.order, self.section.metrics[0].name

        def beyond(amount: float) -> bool:
            rows = [one for one in self.section.series if one.value(amount, metric)]
            found = [self.against(one, amount) for one in rows if not one.is_control]
            return any(one == ControlVerdict() for one in found)

        if told[order] and beyond(order):
            return order
        return max(told, key=lambda a: (beyond(a), told[a], a), default=order)

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
        return self._stand

    @cached_property
    def _stand(self) -> dict[str, Series]:
        def last(one: Series) -> tuple[int, int, str]:
            newest = one.rising[-1]
            return -departures(newest.spec, self.host), len(seeds(one.runs)), newest.created

        own = (one for one in self.section.series if not one.is_control)
        return {one.scorer.name: one for one in sorted(own, key=last)}

    @cached_property
    def rows(self) -> list[tuple[int, Series, bool]]:
        """Every row with its position, and whether it is a variant, which stand behind another."""
        series, stand = list(enumerate(self.section.series)), self._stand
        first = {id(one): place for place, one in series}
        found = []
        for place, one in series:
            leader = stand.get(one.scorer.name, one) if not one.is_control else one
            found.append(((one.is_control, first[id(leader)], leader is not one, place), one))
        return [(key[-1], one, key[2]) for key, one in sorted(found, key=lambda pair: pair[0])]

    def place(self, one: Series) -> int:
        """Return the position of a row."""
        return next(i for i, other in enumerate(self.section.series) if other is one)
