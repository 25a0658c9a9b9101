"""Series: the runs of one scorer that differ in nothing but the seed, and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

from pydantic import JsonValue

from sparc3_bench.comparison.circuit_sizes import shared_by_seeds, smallest_circuit
from sparc3_bench.comparison.phrasing import in_the_name, is_reference, samples
from sparc3_bench.comparison.values import Place, Value, long_table, merge_seeds
from sparc3_bench.record.parts import Amount, MetricRecord, Sketch
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import PluginRef, canonical_json

Facet = tuple[str, str]
"""One choice that a run was made with: what was chosen, and how."""


@dataclass(frozen=True)
class ResultFile:
    """One result file, with its path relative to the results folder."""

    path: Path
    result: Result

    @property
    def href(self) -> str:
        """The address of the copied file, from the root of the site."""
        return "results/" + quote(self.path.as_posix(), errors="surrogateescape")

    @property
    def page(self) -> str:
        """The address of the page of the result, from the root of the site."""
        return self.href.removesuffix(".json") + ".html"


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart and one row of its table; its numbers are made when they are asked for.

    `difference` is what no name of a row may leave out, and the choices that set it apart from the
    other series of its scorer; `settings` those that a reader should see beside the numbers;
    `variant` the position among the series of the scorer in the section.
    """

    runs: tuple[ResultFile, ...]
    is_control: bool
    difference: str
    settings: tuple[Facet, ...]
    variant: int

    @property
    def scorer(self) -> PluginRef:
        """The scorer, as its first run has it."""
        return self.runs[0].result.spec.scorer

    @cached_property
    def rising(self) -> list[Result]:
        """The results, the newest last."""
        results = (run.result for run in self.runs)
        return sorted(results, key=lambda result: (result.created, result.key))

    @cached_property
    def first(self) -> list[Result]:
        """The newest result of every seed, in the order of the seeds: a seed counts once."""
        newest = {result.spec.seed: result for result in self.rising}
        return [newest[seed] for seed in sorted(newest)]

    @cached_property
    def numbers(self) -> Mapping[Place, Value]:
        """The long table of its runs."""
        return long_table(self.rising, self.is_control)

    @cached_property
    def achieved(self) -> Mapping[float, tuple[Value, Value]]:
        """By amount, the sparsity reached in the scope and in the model."""
        amounts: dict[float, dict[int, Amount]] = {}
        for result in self.rising:
            for point in result.points:
                amounts.setdefault(point.amount.requested, {})[result.spec.seed] = point.amount
        return {
            amount: (
                merge_seeds([one.in_scope for one in by_seed.values()], self.is_control),
                merge_seeds([one.in_model for one in by_seed.values()], self.is_control),
            )
            for amount, by_seed in amounts.items()
        }

    def cost(self, phase: str = "attribution", unit: str = "seconds") -> Value | None:
        """Return what a phase cost, by a field of `Phase`; None where no run recorded it."""
        spent = (run.result.cost.get(phase) for run in self.runs)
        return self._merged(getattr(one, unit) for one in spent if one is not None)

    @property
    def peak_bytes(self) -> Value | None:
        """The most memory that any phase took."""
        costs = [run.result.cost for run in self.runs]
        return self._merged(max(p.peak_bytes for p in cost.values()) for cost in costs if cost)

    @property
    def curve_metrics(self) -> tuple[MetricRecord, ...]:
        """How to read the numbers of whole curves."""
        return self.first[0].curve_metrics

    @cached_property
    def found(self) -> SimpleNamespace | None:
        """As `smallest_circuit`."""
        return smallest_circuit(self.first, self.is_control)

    @property
    def spearman(self) -> Value | None:
        """Mean rank correlation with the rankings of other reference seeds."""
        several = (one.stability for one in self.first if one.stability)
        return self._merged(sum(o.spearman for o in some) / len(some) for some in several)

    @cached_property
    def jaccard(self) -> Mapping[float, Value]:
        """As `shared_by_seeds`."""
        return shared_by_seeds(self.first, self.is_control)

    @property
    def sketch(self) -> Sketch | None:
        """That of the first seed that has one."""
        return next((one.sketch for one in self.first if one.sketch), None)

    @property
    def sketched_at(self) -> tuple[float, ...]:
        """The amounts that it tells apart."""
        return next(one.spec.amounts for one in self.first if one.sketch)

    @property
    def kept(self) -> Mapping[float, Mapping[str, tuple[int, ...]]]:
        """By amount and role, the weights kept in every block; of the first seed that says it."""
        for one in self.first:
            if kept := {p.amount.requested: p.kept for p in one.points if p.kept}:
                return kept
        return {}

    def _merged(self, numbers: Iterable[float | None]) -> Value | None:
        known = [float(number) for number in numbers if number is not None]
        return merge_seeds(known, self.is_control) if known else None

    @property
    def machines(self) -> list[str]:
        """What its runs were made on, by what decides their speed and rounding."""
        return machines(self.runs)

    @property
    def reads(self) -> bool:
        """Whether its scores read samples, as far as their number of tokens tells."""
        spent = [run.result.cost.get("attribution") for run in self.runs]
        return all(one is None or one.tokens != 0 for one in spent) and any(
            is_reference(data) for run in self.runs for data in run.result.spec.datasets
        )

    @property
    def name(self) -> str:
        """The scorer's title, with what sets the row apart."""
        return f"{self.scorer.title} ({self.difference})" if self.difference else self.scorer.title

    @property
    def label(self) -> str:
        """The scorer's title, with the number of seeds where it matters."""
        count = len(seeds(self.runs))
        if self.is_control or count > 1:
            return f"{self.scorer.title} ({count} seed{'s' if count > 1 else ''})"
        return self.scorer.title

    @property
    def has_curve(self) -> bool:
        """Whether it has numbers that belong to no single amount."""
        whole = any(amount is None for amount, _ in self.numbers)
        return whole or self.found is not None or self.spearman is not None

    def value(self, amount: float | None, metric: str) -> Value | None:
        """Return a number, of the whole curve without an amount; None where no run has it."""
        return self.numbers.get((amount, metric))

    def drawn(self, amount: float | None, metric: str) -> tuple[float, ...]:
        """Return the numbers of the series' own random circuits."""
        value = self.value(amount, metric)
        return value.controls if value else ()

    def beside(self, amount: float, metric: str) -> tuple[float, ...]:
        """Return the numbers of the own random circuits that the series may be held against.

        Of those on other samples, the difference to the dense model is put on that of the series.
        """
        own, dense = self.value(0.0, metric), self.drawn(0.0, metric)
        drawn = self.drawn(amount, metric)
        if own is None or self.is_comparable(metric) or len(dense) != len(drawn):
            return drawn
        return tuple(own.centre + (n - start) for n, start in zip(drawn, dense, strict=True))

    def is_comparable(self, metric: str) -> bool:
        """Return whether the dense model has the same number in the runs of random circuits.

        On other samples it has another, unless the metric is a change to it.
        """
        own = self.value(0.0, metric)
        if own is None:
            return True
        slack = 1e-9 * max(1.0, abs(own.low), abs(own.high))
        return all(own.low - slack <= number <= own.high + slack for number in own.controls)

    @property
    def is_paired(self) -> bool:
        """Whether its own random circuits were measured on the same samples, as far as seen."""
        return all(self.is_comparable(metric) for amount, metric in self.numbers if amount == 0)


def seeds(runs: Iterable[ResultFile]) -> tuple[int, ...]:
    """Return the seeds of `runs`, rising, each once."""
    return tuple(sorted({run.result.spec.seed for run in runs}))


def machines(runs: Iterable[ResultFile]) -> list[str]:
    """Return the kinds of machine that `runs` were made on, that of most runs first."""
    every = Counter((e.processor, e.threads) for e in (run.result.environment for run in runs))
    return [
        f"{name}, {many} thread{'s' * (many > 1)}"
        for (name, many), _ in sorted(every.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def merge(runs: Iterable[ResultFile]) -> list[Series]:
    """Return the series that `runs`, all of one section, make up."""
    scorers: dict[str, dict[tuple[bool, tuple[Facet, ...]], list[ResultFile]]] = {}
    for run in runs:
        choices = (run.result.is_control, _facets(run.result))
        scorers.setdefault(run.result.spec.scorer.name, {}).setdefault(choices, []).append(run)
    series = []
    for kinds in scorers.values():
        shared = set.intersection(*(set(facets) for _, facets in kinds))
        telling = _telling([facets for _, facets in kinds], shared)
        for variant, ((control, facets), members) in enumerate(sorted(kinds.items())):
            own = [facet for facet in facets if facet not in shared]
            options = members[0].result.spec.scorer.options
            settings = [f for f in facets if f in own or f[0] == "objective" or f[0] in options]
            always = in_the_name(members[0].result.spec)
            others = [" ".join(f) for f in own if f[0] in telling and f[0] not in always]
            difference = ", ".join((*always.values(), *others))
            own_runs = sorted(members, key=lambda run: (run.result.spec.seed, run.path.as_posix()))
            series.append(Series(tuple(own_runs), control, difference, tuple(settings), variant))
    return series


def _telling(kinds: Sequence[tuple[Facet, ...]], shared: set[Facet]) -> set[str]:
    """Return the names of choices that the name of a row must have.

    Versions, and options that only newer ones have, do not stand beside other choices that tell the
    rows apart; the page of each result has them.
    """
    names = list(dict.fromkeys(name for facets in kinds for name, _ in set(facets) - shared))
    newer = [name for name in names if any(name not in dict(facets) for facets in kinds)]
    for name in ("source", "version", *sorted(newer)):
        rest = [other for other in names if other != name]
        told = {tuple(facet for facet in facets if facet[0] in rest) for facets in kinds}
        if len(told) == len(kinds):
            names = rest
    return set(names)


def _facets(result: Result) -> tuple[Facet, ...]:
    """Return every choice that makes two runs of one scorer two different things."""
    spec = result.spec
    facets = [] if spec.objective is None else [("objective", spec.objective)]
    facets += [(name, _text(value)) for name, value in sorted(spec.scorer.options.items())]
    facets += [(f"task {name}", _text(value)) for name, value in sorted(spec.task.options.items())]
    if spec.objective is not None:
        # Not the digest of the tokens: the seed draws them, so it differs between seeds.
        facets += [
            ("reference", f"{samples(data)} of {data.source}")
            for data in spec.datasets
            if is_reference(data)
        ]
    if judge := result.chosen_by:
        facets.append(("chosen by", f"{judge.name} {judge.weights_digest[:8]}"))
    facets += [
        ("device", spec.model.device),
        ("version", f"{spec.scorer.distribution} {spec.scorer.version}"),
        ("source", spec.scorer.source_digest[:8]),
    ]
    return tuple(facets)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical_json(value)
