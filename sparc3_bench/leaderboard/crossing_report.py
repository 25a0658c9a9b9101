"""What a crossing says: its tables, and the sentences that its tests decide."""

from __future__ import annotations

import html
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard import phrasing
from sparc3_bench.leaderboard.charts import rounded
from sparc3_bench.leaderboard.crossing import DIVIDED, Crossing
from sparc3_bench.leaderboard.report_part import ReportPart
from sparc3_bench.leaderboard.shown_table import ShownTable
from sparc3_bench.leaderboard.templating import templates
from sparc3_bench.types.conventions import NO_REPAIR

if TYPE_CHECKING:
    from sparc3_bench.statistics.effects import Level, Term
    from sparc3_bench.statistics.paired import Difference
    from sparc3_bench.types.values import Estimate

Key = TypeVar("Key", bound=Hashable)

BETTER, WORSE, TIED = "better", "worse", "tied"


@dataclass(frozen=True)
class Tested:
    """How two kinds of runs differ, and what that says of the first.

    Attributes
    ----------
    p_value
        Adjusted by Holm over the table that it stands in.
    verdict
        `better`, `worse`, or `tied` where they cannot be told apart.
    """

    difference: Difference
    p_value: float
    verdict: str


@dataclass(frozen=True)
class RepairSteps:
    """From the best scorer without a repair to another scorer with one, in two steps.

    Attributes
    ----------
    choosing
        The other scorer instead, nothing repaired.
    repairing
        The same scorer, repaired.
    both
        The two steps together.
    """

    scorer: str
    repair: str
    choosing: Tested
    repairing: Tested
    both: Tested


class CrossingReport:
    """What is said of a crossing.

    Attributes
    ----------
    plain
        The best scorer without a repair where nothing can go between rows; empty where unknown.
    steps
        For each repair and scorer, the steps from there; those of the best come first.
    best
        The best scorer where scores alone decide what goes between rows, without a repair.
    beside_best
        By scorer and way to divide an amount, that beside the best.
    """

    def __init__(self, crossing: Crossing) -> None:
        self.crossing, self.effects = crossing, crossing.effects
        levels = crossing.effects.design.levels
        self.scorers, self.repairs = levels.get("scorer", ()), levels.get("repair", ())
        if DIVIDED not in levels:
            self.scorers = ()  # whose questions are all about that
        self.unrepaired: dict[str, Any] = {"repair": [NO_REPAIR]} if self.repairs else {}
        self.plain = self._best({DIVIDED: crossing.within, **self.unrepaired})
        self.steps = self._steps() if NO_REPAIR in self.repairs and self.plain else ()
        here = {DIVIDED: [crossing.between], **self.unrepaired}
        self.best = self._best(here) if crossing.between else ""
        self.beside_best = dict(self._beside_best()) if self.best else {}
        self.ways = tuple(dict.fromkeys(way for _, way in self.beside_best))

    def mean(self, **where: str) -> Estimate | None:
        """Return the mean of the runs with these levels; `way` is the level of `DIVIDED`."""
        told = {DIVIDED if name == "way" else name: [level] for name, level in where.items()}
        return self.effects.mean(told)

    def term(self, *factors: str, rest: bool = False) -> Term | None:
        """Return what some factors do, of all runs or without the levels that dominate."""
        effects = self.crossing.rest if rest else self.effects
        return next((t for t in (effects.terms if effects else ()) if t.factors == factors), None)

    def spread(self, rest: bool = False) -> tuple[float, float, Difference] | None:
        """Return how far scorers lie apart where nothing goes between rows, and where they decide.

        See `Effects.spread`; None where one of the two was not run.
        """
        effects = self.crossing.rest if rest else self.effects
        ways = effects.design.levels.get(DIVIDED, ()) if effects else ()
        within = [way for way in self.crossing.within if way in ways]
        if effects is None or not within or self.crossing.between not in ways:
            return None
        there = {DIVIDED: [self.crossing.between]}
        return effects.spread("scorer", {DIVIDED: within}, there)

    def sentences(self) -> tuple[str, ...]:
        """Return what the tests decide, a sentence or a few each."""
        return self._said("answers")

    def parts(self) -> tuple[ReportPart, ...]:
        """Return what every rendering shows."""
        said = [
            ReportPart("In short", self.sentences()),
            ReportPart("What the design tells apart", self._said("design")),
            ReportPart("Share of the variance", (), (self._shares(),)),
        ]
        if self.steps:
            said.append(ReportPart("Choosing and repairing", (), (self._step_table(),)))
        if self.beside_best:
            said.append(ReportPart("Inside and between rows", (), (self._between_table(),)))
        for term in self.effects.terms:
            if not term.levels:
                continue
            table = ShownTable("", self._head(term), [*self._rows(term)])
            title = " × ".join(map(phrasing.factor_text, term.factors))
            is_pair = len(term.factors) > 1
            said.append(ReportPart(title[:1].upper() + title[1:], (), (table,), (), is_pair))
        return tuple(said)

    @property
    def title(self) -> str:
        """What it is called."""
        spec = self.crossing.first.spec
        told = f"{spec.task.title}, {spec.model.id}: {phrasing.within(self.crossing.metric.title)}"
        return f"What decides {told}"

    def verdict(self, difference: Difference, p_value: float) -> Tested:
        """Return a difference with what it says of the first of two."""
        from sparc3_bench.statistics.interval import LEVEL

        direction, sign = self.crossing.metric.direction, difference.sign
        if p_value > LEVEL or not sign or direction == "neither":
            return Tested(difference, p_value, TIED)
        ahead = (sign > 0) == (direction == "higher")
        return Tested(difference, p_value, BETTER if ahead else WORSE)

    def _best(self, where: Mapping[str, Any]) -> str:
        found = {name: self.effects.mean({**where, "scorer": [name]}) for name in self.scorers}
        means = {name: one.value for name, one in found.items() if one is not None}
        sign = 1 if self.crossing.metric.direction == "lower" else -1
        return min(means, key=lambda name: sign * means[name], default="")

    def _tested(self, found: Mapping[Key, Difference | None]) -> dict[Key, Tested]:
        from sparc3_bench.statistics.holm import holm

        known = {key: one for key, one in found.items() if one is not None}
        if not known:
            return {}
        pairs = zip(known.items(), holm([one.p_value for one in known.values()]), strict=True)
        return {key: self.verdict(one, float(p_value)) for (key, one), p_value in pairs}

    def _contrast(self, *asked: Mapping[str, Any]) -> Difference | None:
        try:
            return self.effects.contrast(*asked)
        except Sparc3Error:  # was not run
            return None

    def _steps(self) -> tuple[RepairSteps, ...]:
        where = {DIVIDED: self.crossing.within}
        found: dict[Any, Difference | None] = {}
        start = {"scorer": self.plain, "repair": NO_REPAIR}
        for repair in self.repairs:
            for name in self.scorers if repair != NO_REPAIR else ():
                alone, end = ({"scorer": name, "repair": r} for r in (NO_REPAIR, repair))
                found["choosing", name] = self._contrast(alone, start, where)
                found[repair, name] = self._contrast(end, alone, where)
                found["both", repair, name] = self._contrast(end, start, where)
        tested = self._tested(found)
        steps = [
            RepairSteps(name, key[1], tested["choosing", name], tested[key[1], name], tested[key])
            for key in tested
            for name in [key[-1]]
            if key[0] == "both"
        ]
        sign = 1 if self.crossing.metric.direction == "lower" else -1
        return tuple(sorted(steps, key=lambda one: sign * one.both.difference.value))

    def _beside_best(self) -> Iterator[tuple[tuple[str, str], Tested]]:
        """Yield every scorer and way that ranks rows or the model, beside the best."""
        base = {"scorer": self.best, DIVIDED: self.crossing.between}
        ways = [w for w, (g, _) in self.crossing.divisions.items() if g in ("row", "model")]
        found = {
            (name, way): self._contrast({"scorer": name, DIVIDED: way}, base, self.unrepaired)
            for name in self.scorers
            for way in ways
            if (name, way) != (self.best, self.crossing.between)
        }
        yield from self._tested(found).items()

    def _said(self, macro: str) -> tuple[str, ...]:
        module: Any = templates().get_template("crossing.txt").module
        text = html.unescape(str(getattr(module, macro)(self)))
        return tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())

    def _shares(self) -> ShownTable:
        rest = self.crossing.rest
        head = ["", "told", "share", "95 % interval", "p (Holm)"]
        rows = []
        for one in self.effects.terms:
            told = f"{one.told} of {one.wanted}"
            cells = [*share_texts(one.share), phrasing.probability(one.p_value)]
            rows.append([" × ".join(map(phrasing.factor_text, one.factors)), told, *cells])
            if rest is not None:
                other = self.term(*one.factors, rest=True)
                rows[-1].append(" ".join(share_texts(other.share)) if other else "–")
        for name, own in (("seeds", "seeds"), ("told of several", "shared"), ("error", "error")):
            share = phrasing.percent(abs(getattr(self.effects, own)), 1)
            rows.append([name, str(self.effects.freedom) if own == "error" else "", share, "", ""])
            if rest is not None:
                rows[-1].append(phrasing.percent(abs(getattr(rest, own)), 1))
        if rest is not None:
            head.append(f"without {phrasing.listed([one for _, one in self.crossing.dominating])}")
        return ShownTable("", head, rows)

    def _step_table(self) -> ShownTable:
        rows = [
            (one.repair, one.scorer, *map(tested_text, (one.choosing, one.repairing, one.both)))
            for one in self.steps
        ]
        head = ("repair", "scorer", "choosing it", "repairing it", "both")
        where = phrasing.listed(self.crossing.within)
        return ShownTable("", head, rows, f"Beside {self.plain} without a repair; {where}.")

    def _between_table(self) -> ShownTable:
        none = "the best" if self.ways else ""
        rows = [
            (
                name,
                *(tested_text(t) if (t := beside.get((name, way))) else none for way in self.ways),
            )
            for beside in [self.beside_best]
            for name in self.scorers
        ]
        where = f"Beside {self.best} divided by {self.crossing.between}, without a repair."
        return ShownTable("", ("scorer", *self.ways), rows, where)

    def cell(self, scorer: str, way: str, repair: str) -> tuple[float, str]:
        """Return a cell of the map: where it lies among all, in [0, 1], and its number."""
        where = {"scorer": [scorer], DIVIDED: [way]} | ({"repair": [repair]} if repair else {})
        found, scale = self.effects.mean(where), self.crossing.metric.scale
        if found is None:
            return 0.0, "–"
        ends = [point.metrics[self.crossing.metric.name] for _, point in self.crossing.measured]
        low, high, own = (
            math.log(number) if scale == "log" else number
            for number in (min(ends), max(ends), found.value)
        )
        return min(max((own - low) / (high - low), 0.0), 1.0), phrasing.number(found.value, 3)

    def ranges(self, term: Term) -> dict[str, Any]:
        """Return the effects of a factor as they are drawn, the smallest first."""
        metric = self.crossing.metric
        found = sorted(term.levels.items(), key=lambda pair: pair[1].effect.value)
        return {
            "title": f"{metric.title}, beside the mean over all",
            "log": metric.scale == "log",
            "rows": [
                [", ".join(levels), *rounded(one.effect.value, one.effect.low, one.effect.high)]
                for levels, one in found
            ],
        }

    def _head(self, term: Term) -> list[str]:
        names = [phrasing.factor_text(name) for name in term.factors]
        return [", ".join(names), self.crossing.metric.title, "effect", "95 % interval", "p (Holm)"]

    def _rows(self, term: Term) -> Iterator[list[str]]:
        def size(pair: tuple[Any, Level]) -> float:
            return -abs(pair[1].effect.value) if len(term.factors) < 2 else pair[1].p_value

        for levels, one in sorted(term.levels.items(), key=size):
            yield [
                ", ".join(levels),
                estimate_text(one.mean),
                phrasing.difference_text(one.effect),
                phrasing.between(one.effect),
                phrasing.probability(one.p_value),
            ]


def tested_text(one: Tested) -> str:
    """Return a difference with its interval, and that two are tied."""
    tied = ", tied" if one.verdict == TIED else ""
    return f"{phrasing.difference_text(one.difference)} ({phrasing.between(one.difference)}){tied}"


def estimate_text(one: Estimate | None) -> str:
    """Return a number with its interval in brackets."""
    if one is None:
        return "–"
    ends = None if one.low is None or one.high is None else (one.low, one.high)
    return phrasing.interval_text(one.value, ends)


def share_texts(share: Estimate) -> tuple[str, str]:
    """Return a share, and its interval, in percent."""
    low, high = share.low or 0.0, share.high or 0.0
    ends = f"{phrasing.percent(low, 1)} to {phrasing.percent(high, 1)}"
    return phrasing.percent(share.value, 1), ends
