"""Sections: comparable rows with what their samples say of them; a section becomes one page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from sparc3_bench.comparison.comparable_rows import ComparableRows
from sparc3_bench.comparison.control_verdict import BETTER, control_verdict
from sparc3_bench.comparison.repeat import departures
from sparc3_bench.comparison.series import seeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparc3_bench.comparison.headtohead import Meeting
    from sparc3_bench.comparison.ranks import Ranks
    from sparc3_bench.comparison.replicates import Replicates
    from sparc3_bench.comparison.retention import Benchmark
    from sparc3_bench.comparison.series import Series
    from sparc3_bench.comparison.values import Value
    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.statistics.overall import Table

NOTHING = "nothing removed"
NOT_COMPARED = "no verdict: not compared with random circuits"


class Tests(NamedTuple):
    """What the samples of a section say."""

    ranks: Ranks | None  # the ranks of the rows; None where nothing can be tested
    # By the positions of two rows, their differences
    meetings: dict[tuple[int, int], list[Meeting]]
    # By amount and metric, what neighbours must typically differ by to be told apart
    resolvable: dict[tuple[float, str], float]
    # What is left of every benchmark; empty for a task without any
    retention: tuple[Benchmark, ...]
    # What rows of controls say of the others, by position and amount
    controls: Mapping[tuple[int, float], str]


@dataclass(eq=False)
class Section(ComparableRows):
    """Comparable rows with what their samples say of them."""

    # What its numbers are tested by; made when it is needed where not given
    draws: Replicates | None = None
    # Its conventions in a few words, enough to tell it from the others of its board
    words: str = ""

    @property
    def href(self) -> str:
        """The address of its page, from the root of the site."""
        return f"sections/{self.id}.html"

    @cached_property
    def tests(self) -> Tests:
        """All at once, as the replicates behind them are many and not kept."""
        # Loads numpy and scipy.
        from sparc3_bench.comparison.control_verdict import row_verdicts
        from sparc3_bench.comparison.headtohead import meetings, resolvables
        from sparc3_bench.comparison.ranks import draws_of, ranks
        from sparc3_bench.comparison.retention import retention

        draws = self.draws or draws_of(self)
        # Variants are no competitors of their own.
        places = {self.place(one) for one in self.scorers.values()}
        return Tests(
            ranks(self, draws, places),
            meetings(self, draws),
            resolvables(self, draws),
            retention(self, draws, places),
            row_verdicts(self, draws),
        )

    @cached_property
    def scorers(self) -> dict[str, Series]:
        """The row that stands for each scorer that is no control, by its name.

        Of several variants it is the one nearest to the defaults, or else of most seeds, or else
        the newest, never the best one: the best of many would be favoured by chance.
        """

        def last(one: Series) -> tuple[int, int, str]:
            newest = one.rising[-1]
            return -departures(newest.spec, self.host), len(seeds(one.runs)), newest.created

        own = (one for one in self.series if not one.is_control)
        return {one.scorer.name: one for one in sorted(own, key=last)}

    @property
    def has_variants(self) -> bool:
        """Whether some scorer has several rows."""
        return len(self.scorers) < sum(not one.is_control for one in self.series)

    @cached_property
    def rows(self) -> list[tuple[int, Series, bool]]:
        """Every row with its position, and whether it is a variant, which stand behind another."""

        def leader(one: Series) -> Series:
            return one if one.is_control else self.scorers[one.scorer.name]

        found = [(place, one, leader(one) is not one) for place, one in enumerate(self.series)]
        return sorted(
            found, key=lambda row: (row[1].is_control, self.place(leader(row[1])), row[2], row[0])
        )

    def rank(self, one: Series) -> str:
        """Return the rank of a row, or an empty text."""
        return self.tests.ranks.texts.get(self.place(one), "") if self.tests.ranks else ""

    def value(self, one: Series) -> Value | None:
        """Return the number of a row by which the rows are ordered."""
        if self.order_chosen is not None:
            return next((row.value for row in self.choices(one)), None)
        return one.value(self.ordered_at, self.metric.name)

    def beside_random(self, one: Series) -> str:
        """Return what random controls say of that number; empty where nothing can be better."""
        if one.is_control or not self.prunes or self.metric.direction == "neither":
            return ""
        if self.order_chosen is not None:
            rows = self.choices(one)
            said = {NOTHING if row.is_dense else row.against_random for row in rows}
            if len(said) != 1:
                return "no verdict: seeds differ in it"
            (text,) = said
            return BETTER if text == "separable from random" else text or NOT_COMPARED
        if self.order_curve is None and not 0 < self.sizes.removed(self.order) < 1:
            return ""
        return self.against(one, self.ordered_at, self.metric) or BETTER

    def verdict(self, one: Series) -> str:
        """Return what a reader must know beside that number: that it may be chance."""
        text = self.beside_random(one)
        return "" if text == BETTER else text

    def against(self, one: Series, amount: float | None, metric: MetricRecord | None = None) -> str:
        """Return what random controls say of a metric of a row, as `control_verdict`."""
        return control_verdict(self, one, amount, metric, self.tests.controls)

    @property
    def opens(self) -> float:
        """The amount that a reader is shown first: that of the order, if anything is told there.

        Else the one where most pairs of rows are told apart, and some row is better than random.
        """
        from sparc3_bench.statistics.interval import LEVEL  # loads numpy and scipy

        met = [one for found in self.tests.meetings.values() for one in found]
        told = Counter(one.amount for one in met if one.p_adjusted <= LEVEL)
        order, metric = self.order, self.metrics[0].name

        def beyond(amount: float) -> bool:
            rows = [one for one in self.series if one.value(amount, metric)]
            return any(not one.is_control and not self.against(one, amount) for one in rows)

        if told[order] and beyond(order):
            return order
        return max(told, key=lambda a: (beyond(a), told[a], a), default=order)

    def table(self) -> Table | None:
        """Return `scorers` with the replicates of that number; None where it is not ranked."""
        direction = self.metric.direction
        if self.tests.ranks is None or direction == "neither":
            return None
        import numpy as np

        from sparc3_bench.statistics.overall import Table

        columns = [self.tests.ranks.replicates[self.place(one)] for one in self.scorers.values()]
        stacked = np.stack(columns, axis=1)
        return Table(list(self.scorers), stacked, direction, self.tests.ranks.clusters)
