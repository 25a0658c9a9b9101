"""What a crossing says: its tables, and the sentences that its tests decide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sparc3_bench.comparison import phrasing
from sparc3_bench.comparison.crossing import DIVIDED, Crossing
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.charts import rounded
from sparc3_bench.leaderboard.report_part import ReportPart
from sparc3_bench.leaderboard.sentences import sentences
from sparc3_bench.leaderboard.shown_table import ShownTable
from sparc3_bench.types.conventions import NO_REPAIR

if TYPE_CHECKING:
    from sparc3_bench.statistics.effects import Effects
    from sparc3_bench.statistics.paired import Difference
    from sparc3_bench.statistics.terms import Level, Term
    from sparc3_bench.types.values import Estimate


class Tested(NamedTuple):
    """How two kinds of runs differ, and what that says of the first.

    The p-value is adjusted by Holm over the table that it stands in; the verdict is `better`,
    `worse`, or `tied` where they cannot be told apart.
    """

    difference: Difference
    p_value: float
    verdict: str

    @property
    def text(self) -> str:
        """The difference with its interval."""
        told, ends = phrasing.difference_text(self.difference), phrasing.between(self.difference)
        return told if ends == "–" else f"{told} ({ends})"

    @property
    def cell(self) -> str:
        """The same, and that two are tied."""
        return self.text + (", tied" if self.verdict == "tied" else "")


class RepairSteps(NamedTuple):
    """From the best scorer without a repair to another with one: choosing it, and repairing it."""

    scorer: str
    repair: str
    choosing: Tested
    repairing: Tested
    both: Tested


class CrossingReport:
    """What is said of a crossing."""

    def __init__(self, crossing: Crossing) -> None:
        self.crossing, self.effects = crossing, crossing.effects
        levels = crossing.effects.design.levels
        self.repairs = levels.get("repair", ())
        # Without ways to divide an amount there are no questions on scorers.
        self.scorers = levels.get("scorer", ()) if DIVIDED in levels else ()
        self._sign = 1 if crossing.metric.direction == "lower" else -1
        self._unrepaired: dict[str, Any] = {"repair": [NO_REPAIR]} if self.repairs else {}
        # The best scorer without a repair where nothing can go between rows; empty where unknown.
        self.plain = self._best(crossing.within)
        self.steps = self._steps() if NO_REPAIR in self.repairs and self.plain else []
        # The same where scores alone decide what goes between rows.
        self.best = self._best([crossing.between])
        self.beside_best = self._beside_best() if self.best else {}
        self.ways = tuple(dict.fromkeys(way for _, way in self.beside_best))

    def mean(self, scorer: str, way: str, repair: str) -> Estimate | None:
        """Return the mean of the runs with these levels."""
        where = {"scorer": [scorer], DIVIDED: [way]} | ({"repair": [repair]} if repair else {})
        return self.effects.mean(where)

    def term(self, *factors: str, rest: bool = False) -> Term | None:
        """Return what some factors do, of all runs or without the levels that dominate."""
        effects = self.crossing.rest if rest else self.effects
        return next((t for t in (effects.terms if effects else ()) if t.factors == factors), None)

    def spread(self, rest: bool = False) -> tuple[float, float, Difference] | None:
        """Return how far scorers lie apart where nothing goes between rows, and where it may.

        See `Effects.spread`; None where one of the two was not run.
        """
        effects = self.crossing.rest if rest else self.effects
        ways = effects.design.levels.get(DIVIDED, ()) if effects and self.scorers else ()
        within = [way for way in ways if way in self.crossing.within]
        others = [way for way in ways if way not in within]
        if effects is None or not within or not others:
            return None
        return effects.spread("scorer", {DIVIDED: within}, {DIVIDED: others})

    def of_way(self, way: str, verdict: str) -> list[str]:
        """Return the scorers of which something is said beside the best, with the numbers."""
        found = self.beside_best.items()
        return [
            f"{name} {one.text}" for (name, w), one in found if (w, one.verdict) == (way, verdict)
        ]

    def cell(self, scorer: str, way: str, repair: str) -> tuple[float, str]:
        """Return a cell of the map: where it lies among all, in [0, 1], and its number."""
        found, metric = self.mean(scorer, way, repair), self.crossing.metric
        if found is None:
            return 0.0, "–"
        every = [point.metrics[metric.name] for _, point in self.crossing.measured]
        ends = [min(every), max(every), found.value]
        low, high, own = map(math.log, ends) if metric.scale == "log" else ends
        return min(max((own - low) / (high - low), 0.0), 1.0), phrasing.number(found.value, 3)

    def ranges(self, term: Term) -> dict[str, Any]:
        """Return the effects of a factor as they are drawn, the smallest first."""
        found = sorted(term.levels.items(), key=lambda pair: pair[1].effect.value)
        return {
            "title": f"{self.crossing.metric.title}, beside the mean over all",
            "log": self.crossing.metric.scale == "log",
            "rows": [
                [", ".join(levels), *rounded(one.effect.value, one.effect.low, one.effect.high)]
                for levels, one in found
            ],
        }

    def tested(self, found: Mapping[Any, Difference | None]) -> dict[Any, Tested]:
        """Return what differences say, tested together; those that were not run are left out."""
        from sparc3_bench.statistics.holm import holm
        from sparc3_bench.statistics.interval import LEVEL

        known = {key: one for key, one in found.items() if one is not None}
        adjusted = holm([one.p_value for one in known.values()]) if known else ()
        told = {}
        for (key, one), p_value in zip(known.items(), map(float, adjusted), strict=True):
            verdict = "worse" if one.sign == self._sign else "better"
            told[key] = Tested(one, p_value, verdict if p_value <= LEVEL and one.sign else "tied")
        return told

    @property
    def title(self) -> str:
        """What it is called."""
        spec = self.crossing.first.spec
        told = f"{spec.task.title}, {spec.model.id}: {phrasing.within(self.crossing.metric.title)}"
        return f"What decides {told}"

    @cached_property
    def answers(self) -> tuple[ReportPart, ...]:
        """What the tests decide, a question a part."""
        steps = (self._step_table(),) if self.steps else ()
        between = (self._between_table(),) if self.ways else ()
        found = (
            ReportPart("What has which share", self._said("shares"), (self._shares(),)),
            ReportPart("Choosing or repairing", self._said("repaired"), steps),
            ReportPart("Inside rows or between them", self._said("between"), between),
        )
        return tuple(one for one in found if one.sentences)

    @cached_property
    def details(self) -> tuple[ReportPart, ...]:
        """What the design can tell, and all effects."""
        tables = [(one, self._table(one)) for one in self.effects.terms if one.levels]
        parts = (
            ReportPart(_words(one), (), (table,), (), len(one.factors) > 1) for one, table in tables
        )
        return (ReportPart("What the design tells apart", self._said("design")), *parts)

    @property
    def parts(self) -> tuple[ReportPart, ...]:
        """What every rendering shows."""
        return self.answers + self.details

    def _said(self, macro: str) -> tuple[str, ...]:
        return sentences("crossing", macro, self)

    def _best(self, ways: Any) -> str:
        found = {
            name: self.effects.mean({DIVIDED: ways, **self._unrepaired, "scorer": [name]})
            for name in self.scorers
        }
        means = {name: self._sign * one.value for name, one in found.items() if one is not None}
        return min(means, key=lambda name: means[name], default="")

    def _contrast(self, effects: Effects, *asked: Mapping[str, Any]) -> Difference | None:
        try:
            return effects.contrast(*asked)
        except Sparc3Error:  # was not run
            return None

    def _steps(self) -> list[RepairSteps]:
        inside, found = self.crossing.inside, dict[Any, Any]()
        start = {"scorer": self.plain, "repair": NO_REPAIR}
        repairs = [repair for repair in self.repairs if repair != NO_REPAIR]
        for name in self.scorers:
            alone = {"scorer": name, "repair": NO_REPAIR}
            found[name] = self._contrast(inside, alone, start)
            for repair in repairs:
                end = {"scorer": name, "repair": repair}
                found[name, repair] = self._contrast(inside, end, alone)
                found[name, repair, ""] = self._contrast(inside, end, start)
        told = self.tested(found)
        steps = [
            RepairSteps(name, repair, told[name], told[name, repair], told[name, repair, ""])
            for repair in repairs
            for name in self.scorers
            if (name, repair) in told and (name, repair, "") in told
        ]
        return sorted(steps, key=lambda one: self._sign * one.both.difference.value)

    def _beside_best(self) -> dict[tuple[str, str], Tested]:
        base = {"scorer": self.best, DIVIDED: self.crossing.between}
        cells = [
            {"scorer": name, DIVIDED: way}
            for name in self.scorers
            for way, (group, _) in self.crossing.divisions.items()
            if group in ("row", "model")
        ]
        alike, where = self.crossing.alike, self._unrepaired
        return self.tested(
            {
                (one["scorer"], one[DIVIDED]): self._contrast(alike, one, base, where)
                for one in cells
                if one != base
            }
        )

    def _shares(self) -> ShownTable:
        rest, rows = self.crossing.rest, []
        for one in self.effects.terms:
            cells = [*_share(one.share), phrasing.probability(one.p_value)]
            other = self.term(*one.factors, rest=True)
            beside = [" ".join(_share(other.share)) if other else "–"] if rest else []
            rows.append([_words(one), f"{one.told} of {one.wanted}", *cells, *beside])
        for name in ("seeds", "shared", "error"):
            shares = [
                phrasing.percent(abs(getattr(one, name)), 1) for one in (self.effects, rest) if one
            ]
            freedom = str(self.effects.freedom) if name == "error" else ""
            rows.append([name, freedom, shares[0], "", "", *shares[1:]])
        head = ["", "told", "share", "95 % interval", "p (Holm)"]
        without = phrasing.listed([level for _, level in self.crossing.dominating] or [""])
        return ShownTable("", [*head, f"without {without}"] if rest else head, rows)

    def _step_table(self) -> ShownTable:
        rows = [
            (one.repair, one.scorer, *(tested.cell for tested in one[2:])) for one in self.steps
        ]
        head = ("repair", "scorer", "choosing it", "repairing it", "both")
        where = phrasing.listed(self.crossing.within)
        return ShownTable("", head, rows, f"Beside {self.plain} without a repair; {where}.")

    def _between_table(self) -> ShownTable:
        rows = []
        for name in self.scorers:
            found = [self.beside_best.get((name, way)) for way in self.ways]
            rows.append((name, *(one.cell if one else "–" for one in found)))
        note = (
            f"Beside {self.best} divided by {self.crossing.between}, without a repair; over "
            f"samples, and over seeds as they count at {phrasing.listed(self.crossing.within)}."
        )
        return ShownTable("", ("scorer", *self.ways), rows, note)

    def _table(self, term: Term) -> ShownTable:
        """Return a main effect largest first, or what two do together, the surest first."""

        def order(pair: tuple[Any, Level]) -> float:
            return -pair[1].effect.value if len(term.factors) == 1 else pair[1].p_value

        rows = [
            (
                ", ".join(levels),
                _estimated(one.mean),
                *phrasing.difference_cells(one.effect, one.p_value),
            )
            for levels, one in sorted(term.levels.items(), key=order)
        ]
        title = self.crossing.metric.title
        head = [_words(term), title, "effect", "95 % interval", "p (Holm)"]
        return ShownTable("", head, rows)


def _estimated(one: Estimate | None) -> str:
    if one is None:
        return "–"
    ends = None if one.low is None or one.high is None else (one.low, one.high)
    return phrasing.interval_text(one.value, ends)


def _share(one: Estimate) -> tuple[str, str]:
    low, high = one.low or 0.0, one.high or 0.0
    ends = f"{phrasing.percent(low, 1)} to {phrasing.percent(high, 1)}"
    return phrasing.percent(one.value, 1), ends


def _words(term: Term) -> str:
    return " × ".join(map(phrasing.factor_text, term.factors)).capitalize()
