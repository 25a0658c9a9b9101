"""Crossing: results that differ in several choices at once, and what each of the choices does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sparc3_bench.comparison.comparable import comparison_key
from sparc3_bench.comparison.phrasing import scorer_text
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.record.spec import canonical_json
from sparc3_bench.types.conventions import CONVENTIONS, NO_REPAIR, UNIFORM, place_of
from sparc3_bench.types.groups import pattern_of

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.parts import MetricRecord, Point
    from sparc3_bench.record.result import Result
    from sparc3_bench.statistics.effects import Effects

DIVIDED = "group+allocation"
"""How an amount is divided. Not all groups take allocations, so the two make one factor."""

_JOINT = "+"
_USUAL = (UNIFORM, NO_REPAIR)

Measured = tuple["Result", "Point"]


@dataclass(frozen=True, eq=False)
class Crossing:
    """Results of one task on the same data that differ in several choices."""

    measured: tuple[Measured, ...]  # the runs, each with the point that counts
    metric: MetricRecord
    # By level of `DIVIDED`, the group and the allocation, where that is a factor
    divisions: Mapping[str, tuple[str, str]]
    effects: Effects
    # Two levels that never occur together, for each two factors
    missing: tuple[tuple[str, str], ...]
    # The levels, with their factors, without which less than half of the variance is left
    dominating: tuple[tuple[str, str], ...]
    rest: Effects | None  # the effects without these; None where there are none

    @property
    def first(self) -> Result:
        """One run, for what all share."""
        return self.measured[0][0]

    @cached_property
    def within(self) -> tuple[str, ...]:
        """The ways to divide an amount in which nothing can go between rows."""
        return tuple(
            level
            for level, (group, allocation) in self.divisions.items()
            if (group == "row" or pattern_of(group)) and allocation == UNIFORM
        )

    @cached_property
    def inside(self) -> Effects:
        """The effects over those alone, whose error is theirs; all where these cross nothing."""
        try:
            return self.effects.only(lambda row: row.get(DIVIDED) in self.within)
        except Sparc3Error:
            return self.effects

    @cached_property
    def alike(self) -> Effects:
        """All effects with the error over seeds that there is inside rows.

        Between rows what three choices do together is far larger than what seeds do, and the error
        holds both; single runs are compared by this one.
        """
        return self.effects.only(lambda row: True, like=self.inside)

    @cached_property
    def between(self) -> str:
        """The way in which scores alone decide what goes between rows; empty if there is none."""
        found = [one for one, pair in self.divisions.items() if pair == ("model", UNIFORM)]
        return found[0] if found else ""


def crossing(
    results: Iterable[Result],
    host: PluginHost,
    factors: Sequence[str] = (),
    amount: float | None = None,
    metric: str | None = None,
    *,
    whole: bool = False,
) -> Crossing:
    """Return what each choice does in those results that may be compared; if need be, in most.

    Parameters
    ----------
    results
        With their samples. Failed runs and controls are left out; of a run twice the newest counts.
    factors
        Names of choices: `scorer`, `model`, `amount` or a convention, or two joined by a plus sign;
        where not given, the scorer and all conventions that differ.
    amount, metric
        Where not given, the amount that most have, if it is no factor, and the main metric.
    whole
        Whether to refuse what lacks two levels together, before anything is computed.

    Raises
    ------
    Sparc3Error
        When a name is unknown, samples are missing, or there are not two factors.
    """
    for name in itertools.chain.from_iterable(one.split(_JOINT) for one in factors):
        if name not in _CHOICES:
            raise UnknownNameError("factor", name, _CHOICES)
    groups: dict[Any, list[Measured]] = {}
    for one in results:
        if one.status == "ok" and not one.is_control:
            for point in one.points:
                if point.amount.requested > 0:
                    groups.setdefault(_shared(one, point, factors), []).append((one, point))
    if amount is not None:
        groups = {k: v for k, v in groups.items() if v[0][1].amount.requested == amount}
    if not groups:
        raise Sparc3Error(
            "Effects are of finished runs that remove something; name some with the amount."
        )
    return _crossed(max(groups.values(), key=len), host, factors, metric, whole)


def crossings(results: Iterable[Result], host: PluginHost) -> Iterator[Crossing]:
    """Yield, for each set of results that may be compared, what each choice does.

    Those alone in which every two levels occur together, and of several amounts the one that most
    have.
    """
    groups: dict[Any, list[Result]] = {}
    for one in results:
        if one.metrics and one.points:
            groups.setdefault(_comparable(one), []).append(one)
    for some in groups.values():
        try:
            yield crossing(some, host, whole=True)
        except Sparc3Error:
            continue


def _crossed(
    measured: Sequence[Measured],
    host: PluginHost,
    factors: Sequence[str],
    metric: str | None,
    whole: bool,
) -> Crossing:
    from sparc3_bench.comparison.replicates import bootstrap_number, side_by_side
    from sparc3_bench.run.options import task_of
    from sparc3_bench.statistics.dominance import dominating
    from sparc3_bench.statistics.effects import Effects

    newest: dict[Any, Measured] = {}
    for one in sorted(measured, key=lambda pair: (pair[0].created, pair[0].key)):
        newest[one[0].spec.question, one[1].amount.requested] = one
    runs = sorted(newest.values(), key=_place)
    known = {one.name: one for one in runs[0][0].metrics}
    if metric is not None and metric not in known:
        raise UnknownNameError("metric", metric, known)
    read = known[metric] if metric else runs[0][0].metrics[0]
    every = {name: _levels(name, runs) for name in factors or _PLAIN}
    levels = {n: some for n, some in every.items() if factors or len(set(some)) > 1}
    missing = tuple(_missing(levels))
    if whole and missing:
        raise Sparc3Error(f"{' and '.join(missing[0])} never occur together; run them.")
    task = task_of(runs[0][0], host)
    try:
        numbers = [bootstrap_number(one, point, task, read.name) for one, point in runs]
    except KeyError:
        raise Sparc3Error(
            f"Results of {runs[0][0].spec.scorer.title} lack samples of '{read.name}'; they are in "
            "the files ending in .samples.json.gz that `sparc3 run` writes beside them."
        ) from None
    values, drawn, clusters = side_by_side(numbers)
    effects = Effects(
        values,
        drawn,
        levels,
        clusters,
        scale=read.scale,
        nuisance=("seed", [str(one.spec.seed) for one, _ in runs]),
        error_by=DIVIDED if DIVIDED in levels else None,
    )
    apart = dominating(values, levels, read.scale)
    divided = zip(levels.get(DIVIDED, ()), (one.spec for one, _ in runs), strict=False)
    return Crossing(
        tuple(runs),
        read,
        {level: (spec.group, spec.allocation) for level, spec in divided},
        effects,
        missing,
        tuple(apart),
        effects.only(lambda row: all(row[n] != one for n, one in apart)) if apart else None,
    )


def _missing(levels: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    for one, other in itertools.combinations(levels.values(), 2):
        there = set(zip(one, other, strict=True))
        pairs = itertools.product(dict.fromkeys(one), dict.fromkeys(other))
        yield from (pair for pair in pairs if pair not in there)


def _comparable(result: Result) -> tuple[Any, ...]:
    """Return what all of a crossing share whatever its factors: not the conventions."""
    first, _, *rest = comparison_key(result)
    return first, *rest


def _shared(result: Result, point: Point, factors: Sequence[str]) -> tuple[Any, ...]:
    """Return what is the same in all runs that are analysed together."""
    named = set(itertools.chain.from_iterable(one.split(_JOINT) for one in factors))
    (task, version, model), (dtype, *digests), *rest = _comparable(result)
    own = {
        "model": (model, *digests),
        "amount": point.amount.requested,
        # By default all conventions but the kind of amount are factors.
        **{n: v for n, v in result.spec.conventions().items() if factors or n == "amount_kind"},
    }
    kept = tuple(repr(value) for name, value in own.items() if name not in named)
    return task, version, dtype, repr(rest), kept


def _place(one: Measured) -> tuple[Any, ...]:
    spec = one[0].spec
    conventions = [place_of(name, value) for name, value in spec.conventions().items()]
    return spec.scorer.title, canonical_json(spec.scorer.options), conventions, spec.seed


_CHOICES: dict[str, Callable[[Result, Point], str]] = {
    "scorer": lambda one, _: scorer_text(one.spec),
    "model": lambda one, _: one.spec.model.id,
    "amount": lambda _, point: f"{point.amount.requested:g}",
    **{n: lambda one, _, n=n: str(getattr(one.spec, n)) for n in CONVENTIONS},  # type: ignore[misc]
}
_PLAIN = (
    *("scorer", DIVIDED),
    *(name for name in CONVENTIONS if name not in ("group", "allocation", "amount_kind")),
)


def _levels(factor: str, runs: Sequence[Measured]) -> list[str]:
    """Return the level of a factor in every run, in as few words as tell levels apart."""
    columns = []
    for name in factor.split(_JOINT):
        told = [_CHOICES[name](*one) for one in runs]
        full = [_whole(name, *one) for one in runs]
        brief = [one.partition(":")[0] if "=" in one else one for one in told]
        if name == "scorer":
            brief = [one.spec.scorer.title for one, _ in runs]
        for column in (brief, told, full):
            if len(set(zip(column, full, strict=True))) == len(set(column)):
                break
        columns.append(column)
    joined = zip(*columns, strict=True)
    several = len(columns) > 1
    return [
        " · ".join(one for one in parts if not several or one not in _USUAL) or parts[0]
        for parts in joined
    ]


def _whole(name: str, result: Result, point: Point) -> str:
    """Return all that tells a level of a factor from another."""
    told, spec = _CHOICES[name](result, point), result.spec
    if name != "scorer":
        return told
    options = ", ".join(f"{k} {v}" for k, v in sorted(spec.scorer.options.items()))
    return ", ".join(filter(None, (told, options, spec.objective)))
