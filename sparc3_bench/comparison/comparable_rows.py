"""Comparable rows: what stands in one table, best first, and how its numbers are read."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sparc3_bench.comparison.choices import OperatingPoint, Question
from sparc3_bench.comparison.phrasing import is_reference
from sparc3_bench.comparison.series import ResultFile, Series, machines
from sparc3_bench.comparison.sizes import Sizes
from sparc3_bench.host import PluginHost
from sparc3_bench.record.parts import MetricRecord
from sparc3_bench.record.spec import DatasetRecord, RunSpec


@dataclass(eq=False)
class ComparableRows:
    """The runs that may be compared: same task, model, evaluation data and conventions."""

    id: str
    runs: tuple[ResultFile, ...]
    series: tuple[Series, ...]  # best first by the number at `order`, controls last
    amounts: tuple[float, ...]  # every amount that some run has, rising
    sizes: Sizes  # the amounts as sizes of circuits, and how to write them
    focus: float  # the amount at which the numbers beyond the first metric are shown
    order: float  # the amount whose first metric orders the rows
    # The number of whole curves that orders the rows instead, where all of them have one
    order_curve: MetricRecord | None
    # The metric of what was chosen, which orders them where all scorers chose by it
    order_chosen: MetricRecord | None
    questions: tuple[Question, ...]
    # Where the task is found that says how metrics follow from samples
    host: PluginHost = field(repr=False)

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

    def place(self, one: Series) -> int:
        """Return the position of a row."""
        return self.series.index(one)

    def choices(self, one: Series) -> list[OperatingPoint]:
        """Return what the runs of a row chose."""
        return [row for asked in self.questions for row in asked.rows if row.series is one]
