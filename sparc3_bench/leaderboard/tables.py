"""Sections: runs grouped so that only comparable numbers stand side by side.

A section holds the runs that were measured on the same data under the same conventions; it
becomes one chart and one table of the page.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import RecordError
from sparc3_bench.leaderboard.phrasing import is_reference
from sparc3_bench.leaderboard.questions import Question, questions
from sparc3_bench.leaderboard.series import ResultFile, Series, machines, merge
from sparc3_bench.leaderboard.sizes import Sizes
from sparc3_bench.record.spec import DatasetRecord, RunSpec, canonical_json, content_key
from sparc3_bench.types.conventions import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import SimpleNamespace

    from sparc3_bench.record.parts import MetricRecord
    from sparc3_bench.record.result import Result

ComparisonKey = tuple[Any, ...]
"""What two runs must share before their numbers may be compared; sorts in reading order."""


@dataclass(frozen=True)
class Section:
    """The runs that may be compared: same task, model, evaluation data and conventions.

    Attributes
    ----------
    series
        Best first by the first metric at `order`, controls last.
    amounts
        Every amount that some run has, rising.
    sizes
        The amounts as sizes of circuits, and how to write them.
    focus
        The amount at which the numbers beyond the first metric are shown.
    order_curve
        The number of whole curves that orders the rows instead, where all of them have one.
    order_chosen
        The metric of what was chosen, which orders them where all scorers chose by it.
    questions
        What was chosen.
    order
        The amount whose first metric orders the rows.
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

    @property
    def spec(self) -> RunSpec:
        """The spec of one run, for the fields that all runs share."""
        return self.runs[0].result.spec

    @property
    def metrics(self) -> tuple[MetricRecord, ...]:
        """How to read the numbers; the first is the one that is plotted."""
        return self.runs[0].result.metrics

    @property
    def datasets(self) -> tuple[DatasetRecord, ...]:
        """The texts used, reference before evaluation, each description once."""
        found: dict[tuple[Any, ...], DatasetRecord] = {}
        for run in self.runs:
            for data in run.result.spec.datasets:
                last = not is_reference(data)
                size = (data.windows, data.window_length, data.begin)
                kind = (last, data.purpose, data.source, *size)
                found.setdefault(kind, data)
        return tuple(found[kind] for kind in sorted(found))

    @property
    def prunes(self) -> bool:
        """Whether anything is removed; else the numbers are of the scores themselves."""
        return max(self.amounts) > 0

    @property
    def machines(self) -> list[str]:
        """What the runs were made on, by what decides their speed and rounding."""
        return machines(self.runs)

    @property
    def machine(self) -> str:
        """The kind of machine that most of its rows were made on, alone."""
        alone = [one.machines[0] for one in self.series if len(one.machines) == 1]
        return Counter(alone).most_common(1)[0][0] if alone else ""

    @property
    def dense(self) -> float | None:
        """The first metric of the dense model."""
        found = [series.value(0.0, self.metrics[0].name) for series in self.series]
        centres = [value.centre for value in found if value]
        return statistics.median_low(centres) if centres else None

    @property
    def drawn(self) -> int:
        """How many random circuits were drawn beside a row, of those that may be compared."""
        name = self.metrics[0].name
        rows = (one for one in self.series if one.is_comparable(name))
        return max((len(one.drawn(max(one.controls), name)) for one in rows), default=0)

    @property
    def curve_metrics(self) -> tuple[MetricRecord, ...]:
        """How to read the numbers of whole curves that some run has, each once."""
        found: dict[str, MetricRecord] = {}
        for series in self.series:
            for metric in series.whole.metrics:
                if metric.name in series.whole.curve:
                    found.setdefault(metric.name, metric)
        return tuple(found.values())

    @property
    def found(self) -> SimpleNamespace | None:
        """Some circuit that was found between the points, for what was looked for."""
        return next((one.whole.found for one in self.series if one.whole.found), None)

    @property
    def compared(self) -> tuple[float, ...]:
        """The amounts near sizes 10 % and 1 % at which other reference samples were compared."""
        return tuple(
            amount
            for amount in self.sizes.compared()
            if any(amount in series.whole.jaccard for series in self.series)
        )


def split(
    results: Iterable[tuple[Path, Result]],
) -> tuple[tuple[Section, ...], tuple[ResultFile, ...]]:
    """Return the sections of the finished runs, and those that are failed or withdrawn.

    Raises
    ------
    RecordError
        When a finished run holds nothing that could be shown.
    """
    runs = [ResultFile(*pair) for pair in sorted(results, key=lambda pair: pair[0].as_posix())]
    groups: dict[ComparisonKey, list[ResultFile]] = {}
    for run in runs:
        if run.result.status != "ok":
            continue
        if not run.result.metrics or not run.result.points:
            raise RecordError(f"{run.path}: a finished run needs at least one metric and a point.")
        groups.setdefault(comparison_key(run.result), []).append(run)
    sections = tuple(_section(key, groups[key]) for key in sorted(groups))
    return sections, tuple(run for run in runs if run.result.status != "ok")


def comparison_key(result: Result) -> ComparisonKey:
    """Return what another run must share before the numbers of the two may be compared."""
    spec, model = result.spec, result.spec.model
    return (
        # Newest version of the task first.
        (spec.task.name, -spec.task.task_version, model.slug),
        tuple(place_of(name, value) for name, value in spec.conventions().items()),
        # Not the label, which only tells in words what the digest of the weights says.
        (model.dtype, model.weight_digest, model.tokenizer_digest),
        # Sizes too: the task decides whether its digest marks where a window ends.
        tuple(
            (data.token_digest, data.windows, data.window_length, data.begin)
            for data in spec.datasets
            if not is_reference(data)
        ),
        tuple((metric.name, metric.direction) for metric in result.metrics),
        # Numbers of whole curves compare only over the same amounts.
        spec.amounts if result.curve_metrics else (),
        judge_of(spec),
        # Short runs stand by themselves.
        () if spec.limit is None else (spec.limit,),
    )


def judge_of(spec: RunSpec) -> tuple[str, ...]:
    """Return what tells two judges apart; empty without one."""
    judge = spec.judge
    if judge is None:
        return ()
    options = canonical_json(judge.options)
    package = (judge.distribution, judge.version, judge.source_digest)
    return judge.name, options, *package, judge.weights_digest


def _sizes(spec: RunSpec, amounts: Sequence[float], series: Sequence[Series]) -> Sizes:
    if spec.amount_kind == "fraction":
        return Sizes(spec, dict(zip(amounts, amounts, strict=True)))
    # Where amounts are counts the series say how much of the scope they remove.
    shares = {
        amount: [one.achieved[amount][0].centre for one in series if amount in one.achieved]
        for amount in amounts
    }
    return Sizes(spec, {amount: statistics.median_low(some) for amount, some in shares.items()})


def _section(shared: ComparisonKey, runs: list[ResultFile]) -> Section:
    amounts = tuple(sorted({point.amount.requested for r in runs for point in r.result.points}))
    series = merge(runs)
    sizes = _sizes(runs[0].result.spec, amounts, series)
    common = [amount for amount in amounts if all(amount in one.metrics for one in series)]
    focus, order = sizes.focus(amounts), sizes.order(common)
    ordered_at = focus if order is None else order
    first = runs[0].result.metrics[0]

    whole = next((m for m in runs[0].result.curve_metrics if m.direction != "neither"), None)
    if whole is not None and not all(whole.name in one.whole.curve for one in series):
        whole = None

    asked = questions(series)
    chosen = asked[0].metric if len(asked) == 1 else None
    if not all(one.is_control or asked[0].effect(one) is not None for one in series if chosen):
        chosen = None

    def position(one: Series) -> tuple[bool, float, str, int]:
        if chosen is not None:
            number = asked[0].effect(one)
        elif whole is not None:
            number = one.whole.curve[whole.name].centre
        else:
            value = one.value(ordered_at, first.name)
            number = value.centre if value else None
        sign = 1 if (chosen or whole or first).direction == "lower" else -1
        best = math.inf if number is None else sign * number
        return one.is_control, best, one.scorer.name, one.variant

    # What does not apply is left out, so that a section keeps the name it had before that came.
    parts = (*shared[:-3], *filter(None, shared[-3:]))
    key = content_key([list(part) for part in parts])
    return Section(
        id=f"s-{key}",
        runs=tuple(runs),
        series=tuple(sorted(series, key=position)),
        amounts=amounts,
        sizes=sizes,
        focus=focus,
        order=ordered_at,
        order_curve=whole,
        order_chosen=chosen,
        questions=asked,
    )
