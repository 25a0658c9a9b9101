"""Tables: runs grouped so that only comparable numbers stand side by side."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sparc3_bench.comparison.choices import questions
from sparc3_bench.comparison.comparable import ComparisonKey, comparison_key, key_parts
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import ResultFile, Series, merge
from sparc3_bench.comparison.sizes import Sizes
from sparc3_bench.errors import RecordError
from sparc3_bench.host import PluginHost, default_host
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import RunSpec, content_key


def split(
    results: Iterable[tuple[Path, Result]], host: PluginHost | None = None
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
    plugins = host or default_host()
    sections = tuple(
        _section(f"s-{content_key(named)}", part, plugins)
        for key in sorted(groups)
        for named, part in _parts(key, groups[key])
    )
    return sections, tuple(run for run in runs if run.result.status != "ok")


def _parts(
    key: ComparisonKey, runs: list[ResultFile]
) -> Iterator[tuple[list[list[Any]], list[ResultFile]]]:
    """Yield runs that may be compared, those together that amounts link, with what names them.

    Runs of which none shares an amount, but that nothing is removed, have no number to compare. The
    oldest go by what they share alone, so that a section keeps its address when others come.
    """
    parts: list[tuple[set[float], list[int]]] = []
    for place, run in enumerate(runs):
        amounts = {point.amount.requested for point in run.result.points} - {0}
        linked, rest = list[tuple[set[float], list[int]]](), list[tuple[set[float], list[int]]]()
        for part in parts:
            is_linked = not amounts or not part[0] or part[0] & amounts
            (linked if is_linked else rest).append(part)
        places = [one for _, some in linked for one in some]
        parts = [*rest, (amounts.union(*(of for of, _ in linked)), [*places, place])]
    parts.sort(key=lambda part: min(runs[one].result.created for one in part[1]))
    for number, (amounts, places) in enumerate(parts):
        apart = [["at", *sorted(amounts)]] if number else []
        yield [*key_parts(key), *apart], [runs[one] for one in sorted(places)]


def _sizes(spec: RunSpec, amounts: Sequence[float], series: Sequence[Series]) -> Sizes:
    if spec.amount_kind == "fraction":
        return Sizes(spec, dict(zip(amounts, amounts, strict=True)))
    # Where amounts are counts the series say how much of the scope they remove.
    shares = {
        amount: [one.achieved[amount][0].centre for one in series if amount in one.achieved]
        for amount in amounts
    }
    return Sizes(spec, {amount: statistics.median_low(some) for amount, some in shares.items()})


def _section(name: str, runs: list[ResultFile], host: PluginHost) -> Section:
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

    return Section(
        id=name,
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
