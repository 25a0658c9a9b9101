"""Retention: what is left of the dense model's number, benchmark by benchmark."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sparc3_bench.comparison.comparable_rows import ComparableRows
from sparc3_bench.comparison.ranks import ranks_in
from sparc3_bench.comparison.replicates import BootstrapNumber, Replicates, average
from sparc3_bench.comparison.values import Value, merge_seeds
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.parts import MetricRecord
from sparc3_bench.statistics.ratio import Ratio, ratio

_MOST = 30
"""Rows of a section beyond which a table with a column each could not be read."""


Key = tuple[float, int]
"""An amount, and the position of a row of the section."""


@dataclass(frozen=True)
class Benchmark:
    """One metric of all rows as a share of that of the dense model."""

    metric: MetricRecord
    samples: str  # the name of the samples it follows from; empty for the task's main metric
    dense: float
    chance: float | None  # what guessing gives; None where that is not known
    is_guessing: bool  # whether the dense model itself is not told apart from guessing
    # The share that is left, in units of 1; with an interval where every draw allows one
    kept: Mapping[Key, Value]
    ranks: Mapping[Key, str]  # `1` or `2–3`, of rows that are no controls
    guessing: frozenset[Key]  # where the metric is not told apart from guessing, on its better side


def retention(
    section: ComparableRows, draws: Replicates | None, places: Collection[int] = range(_MOST)
) -> tuple[Benchmark, ...]:
    """Return what is left of every benchmark, behind the main metric; nothing where there is none.

    A benchmark is a metric that is better when higher and follows from one of the named sets of
    samples that a task measures on. See `Evaluation` for what is such a set. Ranked are the rows at
    `places`.
    """
    if draws is None or not section.prunes or len(section.series) > _MOST:
        return ()
    found = []
    try:
        chances = draws.chances()
        for metric in section.metrics:
            sets = draws.sets(metric.name) if metric.direction == "higher" else set()
            if len(sets) == 1:
                found.append(_benchmark(section, draws, metric, sets.pop(), chances, places))
        first = section.metrics[0]
        if found and first.direction == "higher" and len(draws.sets(first.name)) > 1:
            found.insert(0, _benchmark(section, draws, first, "", chances, places))
    except (Sparc3Error, KeyError):
        return ()
    return tuple(one for one in found if one is not None)


def _benchmark(
    section: ComparableRows,
    draws: Replicates,
    metric: MetricRecord,
    samples: str,
    chances: Mapping[str, float],
    places: Collection[int],
) -> Benchmark | None:
    name, chance = metric.name, chances.get(metric.name)
    kept: dict[Key, Value] = {}
    ranks: dict[Key, str] = {}
    guessing = set()
    bases = [value for one in section.series if (value := one.value(0.0, name))]
    if not bases or min(value.low for value in bases) <= 0:
        return None
    for amount in section.amounts:
        tested: dict[int, BootstrapNumber] = {}
        for place, one in enumerate(section.series):
            value = one.value(amount, name)
            if amount == 0 or value is None or one.value(0.0, name) is None:
                continue
            try:
                runs = draws.seeds(one, amount)
                pairs = [(run.at(amount, name), run.at(0.0, name)) for run in runs]
            except KeyError:  # without samples
                continue
            shares = [_share(*pair) for pair in pairs]
            kept[amount, place] = merge_seeds(
                [now.value / before.value for now, before in pairs],
                one.is_control,
                [(share.low, share.high) if share else None for share in shares],
            )
            if _is_guessing(value, chance):
                guessing.add((amount, place))
            if not one.is_control and all(shares):
                numbers = [
                    BootstrapNumber(one.value, one.replicates, min(n.clusters for n in pair))
                    for one, pair in zip(shares, pairs, strict=True)
                    if one is not None
                ]
                tested[place] = average(numbers)
        own = {place: number for place, number in tested.items() if place in places}
        if found := ranks_in(own, "higher", "linear"):
            ranks.update({(amount, place): text for place, text in found.texts.items()})
    return Benchmark(
        metric=metric,
        samples=samples,
        dense=bases[0].centre,
        chance=chance,
        is_guessing=_is_guessing(bases[0], chance),
        kept=kept,
        ranks=ranks,
        guessing=frozenset(guessing),
    )


def _share(now: BootstrapNumber, before: BootstrapNumber) -> Ratio | None:
    try:
        clusters = min(now.clusters, before.clusters)
        return ratio(now.value, before.value, now.replicates, before.replicates, clusters)
    except Sparc3Error:
        return None


def _is_guessing(value: Value, chance: float | None) -> bool:
    low = value.centre if value.interval is None else value.interval[0]
    return chance is not None and low <= chance
