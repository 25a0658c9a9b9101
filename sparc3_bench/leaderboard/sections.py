"""Sections: rows that may be compared, what their samples say of them, and what is asked of both.

A section becomes one page; the sections of a task and a model are a board.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sparc3_bench.leaderboard.control_verdict import BETTER, control_verdict
from sparc3_bench.leaderboard.phrasing import is_reference
from sparc3_bench.leaderboard.repeat import departures
from sparc3_bench.leaderboard.series import machines, seeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparc3_bench.host import PluginHost
    from sparc3_bench.leaderboard.choices import OperatingPoint, Question
    from sparc3_bench.leaderboard.headtohead import Meeting
    from sparc3_bench.leaderboard.ranks import Ranks
    from sparc3_bench.leaderboard.replicates import Replicates
    from sparc3_bench.leaderboard.retention import Benchmark
    from sparc3_bench.leaderboard.series import ResultFile, Series
    from sparc3_bench.leaderboard.sizes import Sizes
    from sparc3_bench.leaderboard.values import Value
    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.record.spec import DatasetRecord, RunSpec
    from sparc3_bench.statistics.overall import Table

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
    controls: Mapping[tuple[int, float], str]


@dataclass(eq=False)
class Section:
    """The runs that may be compared: same task, model, evaluation data and conventions.

    Attributes
    ----------
    series
        Best first by the number at `order`, controls last.
    amounts
        Every amount that some run has, rising.
    sizes
        The amounts as sizes of circuits, and how to write them.
    focus
        The amount at which the numbers beyond the first metric are shown.
    order
        The amount whose first metric orders the rows.
    order_curve
        The number of whole curves that orders the rows instead, where all of them have one.
    order_chosen
        The metric of what was chosen, which orders them where all scorers chose by it.
    questions
        What was chosen.
    host
        Where the task is found that says how metrics follow from samples.
    draws
        What its numbers are tested by; made when it is needed where not given.
    words
        Its conventions in a few words, enough to tell it from the others of its board.
    """

    id: str
    runs: tuple[ResultFile, ...]
    series: tuple[Series, ...]
    amounts: tuple[float, ...]
    sizes: Sizes
    focus: float
    order: float
    order_curve: MetricRecord | None
    order_chosen: MetricRecord | None
    questions: tuple[Question, ...]
    host: PluginHost = field(repr=False)
    draws: Replicates | None = None
    words: str = ""

    @property
    def href(self) -> str:
        """The address of its page, from the root of the site."""
        return f"sections/{self.id}.html"

    @property
    def spec(self) -> RunSpec:
        """The spec of one run, for the fields that all runs share."""
        return self.runs[0].result.spec

    @property
    def metrics(self) -> tuple[MetricRecord, ...]:
        """How to read the numbers; the first is the one that is plotted."""
        return self.runs[0].result.metrics

    @property
    def metric(self) -> MetricRecord:
        """What the rows are ordered by."""
        return self.order_chosen or self.order_curve or self.metrics[0]

    @property
    def ordered_at(self) -> float | None:
        """The amount of that number, None where it is of the whole curve or was chosen."""
        return None if self.order_chosen or self.order_curve else self.order

    @property
    def where(self) -> str:
        """At what it is measured."""
        if self.order_chosen is not None:
            return "of what was chosen"
        if self.order_curve is not None:
            return "of the whole curve" if self.prunes else "of the scores"
        return f"at {self.sizes.words(self.order)}"

    @property
    def prunes(self) -> bool:
        """Whether anything is removed; else the numbers are of the scores themselves."""
        return max(self.amounts) > 0

    @property
    def datasets(self) -> tuple[DatasetRecord, ...]:
        """The texts used, reference before evaluation, each description once."""
        found: dict[tuple[Any, ...], DatasetRecord] = {}
        for data in (data for run in self.runs for data in run.result.spec.datasets):
            size = (data.windows, data.window_length, data.begin)
            found.setdefault((not is_reference(data), data.purpose, data.source, *size), data)
        return tuple(found[kind] for kind in sorted(found))

    @property
    def machines(self) -> list[str]:
        """What the runs were made on, by what decides their speed and rounding."""
        return machines(self.runs)

    @property
    def machine(self) -> str:
        """The kind of machine that most of its rows were made on, alone."""
        alone = [one.machines[0] for one in self.series if len(one.machines) == 1]
        return Counter(alone).most_common(1)[0][0] if alone else ""

    def dense(self, metric: MetricRecord) -> float | None:
        """Return a metric of the dense model."""
        found = [value.centre for one in self.series if (value := one.value(0.0, metric.name))]
        return statistics.median_low(found) if found else None

    @property
    def drawn(self) -> int:
        """How many random circuits were drawn beside a row, of those that may be compared."""
        name = self.metrics[0].name
        rows = [one for one in self.series if one.is_comparable(name)]
        return max((len(one.drawn(max(one.achieved), name)) for one in rows), default=0)

    @property
    def compared(self) -> tuple[float, ...]:
        """The amounts near sizes 10 % and 1 % at which other reference samples were compared."""
        sizes = self.sizes.compared()
        return tuple(at for at in sizes if any(at in one.jaccard for one in self.series))

    @cached_property
    def tests(self) -> Tests:
        """All at once, as the replicates behind them are many and not kept."""
        # Loads numpy and scipy.
        from sparc3_bench.leaderboard.control_verdict import row_verdicts
        from sparc3_bench.leaderboard.headtohead import meetings, resolvables
        from sparc3_bench.leaderboard.ranks import draws_of, ranks
        from sparc3_bench.leaderboard.retention import retention

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

    def place(self, one: Series) -> int:
        """Return the position of a row."""
        return self.series.index(one)

    def rank(self, one: Series) -> str:
        """Return the rank of a row, or an empty text."""
        return self.tests.ranks.texts.get(self.place(one), "") if self.tests.ranks else ""

    def choices(self, one: Series) -> list[OperatingPoint]:
        """Return what the runs of a row chose."""
        return [row for asked in self.questions for row in asked.rows if row.series is one]

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
