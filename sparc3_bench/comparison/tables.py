"""Tables: runs grouped so that only comparable numbers stand side by side."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from sparc3_bench.comparison.choices import questions
from sparc3_bench.comparison.phrasing import is_reference
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import ResultFile, Series, merge
from sparc3_bench.comparison.sizes import Sizes
from sparc3_bench.errors import RecordError
from sparc3_bench.host import default_host
from sparc3_bench.record.spec import RunSpec, canonical_json, content_key
from sparc3_bench.types.conventions import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result

ComparisonKey = tuple[Any, ...]
"""What two runs must share before their numbers may be compared; sorts in reading order."""


def split(
    results: Iterable[tuple[Path, Result]], host: PluginHost | None = None
) -> tuple[tuple[Section, ...], tuple[ResultFile, ...]]:
    """Return the sections of the finished runs, and those that are failed or withdrawn.

    Plugins are looked up in `host`, those that are installed where not given.

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
    plugins = host or default_host()
    sections = tuple(_section(key, groups[key], plugins) for key in sorted(groups))
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
        samples_of(spec, of_reference=False),
        tuple((metric.name, metric.direction) for metric in result.metrics),
        # Numbers of whole curves compare only over the same amounts.
        spec.amounts if result.curve_metrics else (),
        judge_of(spec),
        # Short runs stand by themselves.
        () if spec.limit is None else (spec.limit,),
    )


def samples_of(spec: RunSpec, *, of_reference: bool) -> tuple[Any, ...]:
    """Return what tells samples apart: those that steer the scores, or those measured on."""
    return tuple(
        # Sizes too: the task decides whether its digest marks where a window ends.
        (data.token_digest, data.windows, data.window_length, data.begin)
        for data in spec.datasets
        if is_reference(data) == of_reference
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


def _section(shared: ComparisonKey, runs: list[ResultFile], host: PluginHost) -> Section:
    amounts = tuple(sorted({point.amount.requested for r in runs for point in r.result.points}))
    series = merge(runs)
    sizes = _sizes(runs[0].result.spec, amounts, series)
    common = [amount for amount in amounts if all(amount in one.achieved for one in series)]
    focus, order = sizes.focus(amounts), sizes.order(common)
    ordered_at = focus if order is None else order
    first = runs[0].result.metrics[0]

    whole = next((m for m in runs[0].result.curve_metrics if m.direction != "neither"), None)
    if whole is not None and not all(one.value(None, whole.name) for one in series):
        whole = None

    asked = questions(series)
    chosen = asked[0].metric if len(asked) == 1 else None
    if not all(one.is_control or asked[0].effect(one) is not None for one in series if chosen):
        chosen = None

    def position(one: Series) -> tuple[bool, float, str, int]:
        if chosen is not None:
            number = asked[0].effect(one)
        else:
            at, metric = (None, whole) if whole else (ordered_at, first)
            value = one.value(at, metric.name)
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
        host=host,
    )
