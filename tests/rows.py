"""Rows of committed results: picked by spec, newest first, and compared as the suite compares them.

A row is a scorer under one convention with every reference seed that was run. What is not there is
left out. Verdicts come from `meetings_by_amount` (of `sparc3 compare`), `rank_methods` (of the
ranks of a board) and `against_controls`; nothing is tested here by a rule of its own.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sparc3_bench.comparison.headtohead import Meeting, meetings_by_amount
from sparc3_bench.comparison.phrasing import is_reference, number, p_value, probability
from sparc3_bench.comparison.replicates import BootstrapNumber, bootstrap_number
from sparc3_bench.configurable import option_fields
from sparc3_bench.host import default_host
from sparc3_bench.record.files import read_results
from sparc3_bench.record.parts import Point
from sparc3_bench.record.result import Result
from sparc3_bench.run.intervals import renewed
from sparc3_bench.run.options import task_of
from sparc3_bench.statistics.band import against_controls
from sparc3_bench.statistics.curve import scales_of
from sparc3_bench.statistics.holm import holm
from sparc3_bench.statistics.paired import Difference
from sparc3_bench.statistics.ranking import RankRanges, rank_methods
from sparc3_bench.types.conventions import NO_REPAIR, UNIFORM
from sparc3_bench.types.values import Scale

ROOT = Path(__file__).parents[1]
MODEL = "smollm2-135m"
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Row:
    """The results of one scorer that differ in their seed alone, rising."""

    results: tuple[Result, ...]

    @property
    def first(self) -> Result:
        return self.results[0]

    @cached_property
    def label(self) -> str:
        """The scorer with what sets it apart from itself by default."""
        return label(self.first)

    @cached_property
    def full(self) -> str:
        """The same with its aggregation, where it has one."""
        told = aggregation(self.first)
        title = self.first.spec.scorer.title
        return self.label.replace(title, f"{title}, `{told}`", 1) if told else self.label

    @property
    def spoken(self) -> str:
        """The same inside a sentence."""
        return inline(self.full)

    def values(self, amount: float, metric: str) -> list[float]:
        return [at(one, amount).metrics[metric] for one in self.results]

    def value(self, amount: float, metric: str) -> float:
        """Return the mean over seeds."""
        return float(np.mean(self.values(amount, metric)))

    def interval(self, amount: float, metric: str) -> tuple[float, float]:
        """Return the 95 % interval of the pages; of several seeds, the mean of the ends."""
        low, high = np.mean([at(one, amount).intervals[metric] for one in self.results], axis=0)
        return float(low), float(high)

    def number(self, amount: float, metric: str) -> BootstrapNumber:
        """Return the mean over seeds with its replicates, which are paired with those of others."""
        every = [_number(one, amount, metric) for one in self.results]
        drawn = np.mean([one.replicates for one in every], axis=0)
        return BootstrapNumber(
            self.value(amount, metric), drawn, min(one.clusters for one in every)
        )

    def spread(self, amount: float, metric: str) -> str:
        """Return the range over seeds in brackets, or nothing where there is one seed."""
        values = self.values(amount, metric)
        low, high = number(min(values)), number(max(values))
        return f" ({low} to {high})" if low != high else ""

    def overlaps(self, other: Row, amount: float, metric: str) -> bool:
        """Return whether the ranges over seeds of two rows overlap, where both have several."""
        ours, theirs = self.values(amount, metric), other.values(amount, metric)
        several = min(len(ours), len(theirs)) > 1
        return several and min(ours) <= max(theirs) and min(theirs) <= max(ours)


def committed(task: str) -> list[tuple[Path, Result]]:
    """Return the finished results of a task, with their paths and the intervals of the pages."""
    return list(_committed(task))


@cache
def _committed(task: str) -> tuple[tuple[Path, Result], ...]:
    every = read_results(ROOT / "leaderboard/results" / task)
    host = default_host()
    done = [(Path(task) / path, one) for path, one in every if one.status == "ok"]
    return tuple((path, renewed(one, host)) for path, one in done)


def picked(
    task: str,
    dtype: str = "bfloat16",
    where: Callable[[Result], bool] = lambda one: True,
    **conventions: object,
) -> list[Row]:
    """Return the rows of the default model under these conventions, with options as by default.

    Of what was measured on several data, or in several versions of the task, those that most runs
    share; of what was run twice, the newest. Where nothing else is asked for, an amount is divided
    as the group says, and nothing is repaired.
    """
    conventions = {"allocation": UNIFORM, "repair": NO_REPAIR, **conventions}
    cls = default_host().get("task", task).cls
    every = [
        one
        for _, one in committed(task)
        if (one.spec.model.id, one.spec.model.dtype) == (MODEL, dtype)
        and {*changed(cls, one.spec.task.options)} <= cls.steering
        and all(getattr(one.spec, name) == value for name, value in conventions.items())
        and where(one)
    ]
    rows: dict[str, list[Result]] = {}
    for one in sorted(newest(every), key=lambda one: one.spec.seed):
        rows.setdefault(_identity(one), []).append(one)
    return [Row(tuple(seeds)) for seeds in rows.values()]


def newest(results: Sequence[Result]) -> list[Result]:
    """Return those measured on the data that most share; of what was run twice, the newest."""
    found: dict[tuple[str, int], Result] = {}
    for one in sorted(alike(results), key=lambda one: (one.created, one.key)):
        found[_identity(one), one.spec.seed] = one
    return list(found.values())


def alike(results: Sequence[Result]) -> list[Result]:
    """Return the largest part that was measured on the same data; of equal ones the newest."""
    counts = Counter(map(_data, results))
    newest = {_data(one): one.created for one in sorted(results, key=lambda one: one.created)}
    most = max(counts, key=lambda data: (counts[data], newest[data]), default=None)
    return [one for one in results if _data(one) == most]


def plain(rows: Iterable[Row]) -> list[Row]:
    """Return a row a scorer, under the objective that it is meant for, with its aggregation.

    Where it was run under others alone, under the newest of these, which its label tells.
    """
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (is_meant(row.first), row.first.created)):
        if not row.first.is_control and "aggregation" not in _changed_scorer(row.first):
            found[named(row.first)] = row
    return list(found.values())


def label(one: Result) -> str:
    """Return a scorer with what sets it apart, but for its aggregation."""
    objective = one.spec.objective
    return (
        f"{named(one)}, objective `{objective}`" if objective and not is_meant(one) else named(one)
    )


def named(one: Result) -> str:
    """Return a scorer with what sets it apart, but for its aggregation and its objective."""
    told = [f"`{k}={v}`" for k, v in _changed_scorer(one).items() if k != "aggregation"]
    return ", ".join([one.spec.scorer.title, *told])


def aggregation(one: Result) -> str:
    return str(one.spec.scorer.options.get("aggregation", ""))


def changed(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not as they are by default."""
    defaults = {field.name: field.default for field in option_fields(cls)}
    return {name: value for name, value in options.items() if defaults.get(name) != value}


def at(result: Result, amount: float) -> Point:
    return next(point for point in result.points if point.amount.requested == amount)


def scale(one: Result, metric: str) -> Scale:
    """Return on which scale the task compares a number."""
    scales = scales_of(_task(one.spec.task.name, one.key), one.spec.removal)
    return scales.get(metric, "linear")


def at_most(value: float) -> str:
    return p_value(value).replace("p = ", "p at most ")


def inline(title: str) -> str:
    """Return the name of a row without the commas in it, for a list of several."""
    return title.replace(", objective ", " under ").replace(", `", " `")


def listed(names: Iterable[str], joint: str = "and") -> str:
    *most, last = names
    return f"{', '.join(most)} {joint} {last}" if most else last


def direction(row: Row, metric: str) -> Any:
    return next(one.direction for one in row.first.metrics if one.name == metric)


def meetings(one: Row, other: Row, amounts: Iterable[float], metric: str) -> list[Meeting]:
    """Return how two rows differ, as `sparc3 compare` tests it: adjusted over the amounts."""
    pairs = [(a, one.number(a, metric), other.number(a, metric)) for a in amounts]
    return meetings_by_amount(pairs, scale(one.first, metric))


def ranking(rows: Sequence[Row], amount: float, metric: str) -> RankRanges:
    """Return the ranks of rows at one amount, as those of a board: adjusted over all pairs."""
    numbers = [row.number(amount, metric) for row in rows]
    return rank_methods(
        [one.value for one in numbers],
        np.stack([one.replicates for one in numbers], axis=1),
        direction(rows[0], metric),
        min(one.clusters for one in numbers),
        scale=scale(rows[0].first, metric),
    )


def beside_chance(row: Row, controls: Row, amount: float) -> str:
    """Return the verdict on perplexity beside runs of random scores."""
    own = row.number(amount, "perplexity")
    drawn = [_number(one, amount, "perplexity") for one in controls.results]
    return against_controls(
        own.value,
        own.replicates,
        [one.value for one in drawn],
        np.stack([one.replicates for one in drawn], axis=1),
        direction(row, "perplexity"),
        own.clusters,
        scale=scale(row.first, "perplexity"),
    ).verdict


def verdicts(rows: Sequence[Row], amounts: Sequence[float], metric: str) -> list[str]:
    """Return sentences on every two rows, best first by the middle amount; see `meetings`."""
    sign = 1 if direction(rows[0], metric) == "higher" else -1
    always: dict[str, list[tuple[str, float]]] = {}
    found: list[str] = []
    for one, other in itertools.combinations(rows, 2):
        met = meetings(one, other, amounts, metric)
        # What another draw of the reference samples could turn is no difference of scorers.
        unsure = [m for m in met if m.p_adjusted <= LEVEL and one.overlaps(other, m.amount, metric)]
        apart = [m for m in met if m.p_adjusted <= LEVEL and m not in unsure]
        tied = [m for m in met if m.p_adjusted > LEVEL]
        ahead = [m for m in apart if sign * m.difference.sign > 0]
        behind = [m for m in apart if m not in ahead]
        if len(ahead) == len(met) > 1:
            worst = max(m.p_adjusted for m in met)
            always.setdefault(other.spoken, []).append((one.spoken, worst))
            continue
        parts = [
            f"{best.spoken} is better than {worse.spoken} at {_sizes(places, best, worse, metric)}"
            for best, worse, places in ((one, other, ahead), (other, one, behind))
            if places
        ]
        if tied:
            least = f"p at least {probability(min(m.p_adjusted for m in tied))}"
            where = f"at {_amounts(tied)} ({least})"
            parts.append(
                f"they tie {where}" if parts else f"{one.spoken} and {other.spoken} tie {where}"
            )
        if unsure:
            told = [f"{percent(m.amount)} ({p_value(m.p_adjusted)} over windows)" for m in unsure]
            whose = "their ranges" if parts else f"the ranges of {one.spoken} and {other.spoken}"
            parts.append(
                f"at {listed(told)} {whose} over reference seeds overlap, so it is not told who is "
                "better"
            )
        found.append("; ".join(parts) + ".")
    for worse, better in always.items():
        names, ps = [name for name, _ in better], max(p for _, p in better)
        each = "is" if len(names) == 1 else "are each"
        found.append(
            f"{listed(names)} {each} better than {worse} at every sparsity ({at_most(ps)})."
        )
    return found


def _sizes(met: Sequence[Meeting], one: Row, other: Row, metric: str) -> str:
    told = [
        f"{percent(m.amount)} ({number(one.value(m.amount, metric))} and "
        f"{number(other.value(m.amount, metric))}, {p_value(m.p_adjusted)})"
        for m in met
    ]
    return listed(told)


def _amounts(met: Sequence[Meeting]) -> str:
    return listed([f"{100 * m.amount:.0f}" for m in met]) + " %"


def tested(
    rows: Sequence[Row], amounts: Sequence[float], metric: str
) -> list[tuple[Row, Row, float, Difference, float]]:
    """Return every two rows at every amount, with p-values adjusted over all of these by Holm."""
    found = [
        (one, other, amount, meetings(one, other, [amount], metric)[0].difference)
        for one, other in itertools.combinations(rows, 2)
        for amount in amounts
    ]
    adjusted = holm([difference.p_value for *_, difference in found])
    return [(*pair, float(p)) for pair, p in zip(found, adjusted, strict=True)]


def leader(rows: Sequence[Row], amount: float, metric: str) -> str:
    """Return a sentence on the best of a table: with whom it ties; see `ranking`."""
    sign = 1 if direction(rows[0], metric) == "higher" else -1
    rows = sorted(rows, key=lambda row: -sign * row.value(amount, metric))
    found = ranking(rows, amount, metric)
    p_values = [float(p) for p in found.p_values[0]]
    tied = [
        place
        for place in range(1, len(rows))
        if p_values[place] > LEVEL or rows[0].overlaps(rows[place], amount, metric)
    ]
    apart = [place for place in range(1, len(rows)) if place not in tied]
    text = inline(rows[0].label)
    if tied:
        text += f" ties with {listed([inline(rows[place].label) for place in tied])}"
    if apart:
        text += f"{' and' if tied else ''} is better than " + (
            "all others"
            if len(apart) > 3
            else listed([inline(rows[place].label) for place in apart])
        )
        text += f" ({at_most(max(p_values[place] for place in apart))})"
    return f"{text}."


def percent(fraction: float, digits: int = 0) -> str:
    return f"{100 * fraction:.{digits}f} %"


@cache
def _task(task: str, key: str) -> Any:
    return task_of(next(one for _, one in committed(task) if one.key == key), default_host())


_NUMBERS: dict[tuple[str, float, str], BootstrapNumber] = {}


def at_found(one: Result) -> BootstrapNumber:
    """Return the metric of what a run chose."""
    assert one.found is not None
    return bootstrap_number(
        one, one.found.point, _task(one.spec.task.name, one.key), one.found.metric
    )


def _number(one: Result, amount: float, metric: str) -> BootstrapNumber:
    place = one.key, amount, metric
    if place not in _NUMBERS:
        task = _task(one.spec.task.name, one.key)
        _NUMBERS[place] = bootstrap_number(one, at(one, amount), task, metric)
    return _NUMBERS[place]


def _identity(one: Result) -> str:
    spec = one.spec
    conventions = (spec.unit, spec.group, spec.schedule, spec.scope, spec.ablation, spec.removal)
    scorer = (spec.scorer.name, sorted(_filled_options(one).items()), spec.objective)
    task = default_host().get("task", spec.task.name).cls
    options = sorted(changed(task, spec.task.options).items())
    return repr((scorer, conventions, spec.amount_kind, spec.amounts, options))


def _filled_options(one: Result) -> dict[str, Any]:
    """Return the options of a scorer with those that came after the run as they are by default."""
    cls = default_host().get("scorer", one.spec.scorer.name).cls
    return {f.name: f.default for f in option_fields(cls)} | dict(one.spec.scorer.options)


def _changed_scorer(one: Result) -> dict[str, Any]:
    cls = default_host().get("scorer", one.spec.scorer.name).cls
    return changed(cls, one.spec.scorer.options)


def is_meant(one: Result) -> bool:
    """Return whether a run has the objective that the scorer is defined for, or the usual one."""
    scorer = default_host().get("scorer", one.spec.scorer.name).cls
    task = default_host().get("task", one.spec.task.name).cls
    return one.spec.objective in (
        None,
        getattr(scorer, "default_objective", None) or task.default_objective,
    )


def _data(one: Result) -> tuple[object, ...]:
    spec = one.spec
    texts = [
        (data.token_digest, data.windows, data.window_length, data.begin)
        for data in spec.datasets
        if not is_reference(data)
    ]
    model = spec.model.weight_digest, spec.model.tokenizer_digest
    return spec.task.task_version, model, tuple(texts)
