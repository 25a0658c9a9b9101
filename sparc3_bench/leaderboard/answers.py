"""Answers: for each application who is best, how sure that is and at what cost."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sparc3_bench.comparison.control_verdict import BETTER
from sparc3_bench.comparison.sections import Section
from sparc3_bench.leaderboard.sentences import said

if TYPE_CHECKING:
    from sparc3_bench.comparison.ranks import Ranks
    from sparc3_bench.comparison.series import Series

Timed = tuple[float, "Series"]
"""The seconds of the scores of a row."""


@dataclass(frozen=True)
class ShortAnswer:
    """An answer in words, with what many of them say together."""

    text: str
    # leaders, scorers: The titles of those that nobody is shown to be better than, and of all
    leaders: tuple[str, ...]
    scorers: tuple[str, ...]
    is_sure: bool  # whether all leaders are shown to be better than random controls
    seconds: Mapping[str, float]  # by title, of those that read samples, on one kind of machine


@dataclass(frozen=True)
class Answer:
    """What a section says of one application, where its scorers are tested against one another."""

    section: Section
    ranks: Ranks

    @cached_property
    def scorers(self) -> dict[int, Series]:
        """The rows that stand for the scorers, by position, best first."""
        places = sorted(map(self.section.place, self.section.scorers.values()))
        return {place: self.section.series[place] for place in places}

    @cached_property
    def leaders(self) -> dict[int, Series]:
        """Those that no other is shown to be better than."""
        texts = self.ranks.texts
        return {p: one for p, one in self.scorers.items() if texts[p].partition("–")[0] == "1"}

    @property
    def behind(self) -> list[int]:
        """The positions of those that every leader is shown to be better than."""
        direction, rest = self.section.metric.direction, self.scorers.keys() - self.leaders.keys()

        def verdict(first: int, place: int) -> str:
            return self.ranks.beside(first, place, direction)[2]

        return [p for p in rest if all(verdict(first, p) == "better" for first in self.leaders)]

    @cached_property
    def sure(self) -> list[Series]:
        """The leaders that are shown to be better than random controls."""
        return [one for one in self.leaders.values() if self.section.beside_random(one) == BETTER]

    @property
    def is_untested(self) -> bool:
        """Whether no leader was tested against them."""
        told = map(self.section.beside_random, self.leaders.values())
        return all(text.startswith("no verdict") or not text for text in told)

    @property
    def bargain(self) -> tuple[Timed, Timed] | None:
        """Who does not lead, beats random and takes half the time at most, and the cheapest leader.

        None where there is nobody, or not all leaders were timed on one kind of machine.
        """
        leaders = self.timed(self.leaders)
        if len(leaders) == len(self.leaders):
            for spent, one in self.timed(self.scorers):
                is_cheap = one not in self.leaders.values() and 0 < 2 * spent <= leaders[0][0]
                if is_cheap and self.section.beside_random(one) == BETTER:
                    return (spent, one), leaders[0]
        return None

    @property
    def in_short(self) -> ShortAnswer:
        """What is kept of it."""
        return ShortAnswer(
            text=said("answer", self),
            leaders=tuple(one.scorer.title for one in self.leaders.values()),
            scorers=tuple(one.scorer.title for one in self.scorers.values()),
            is_sure=len(self.sure) == len(self.leaders),
            seconds={one.scorer.title: s for s, one in self.timed(self.scorers) if one.reads},
        )

    def timed(self, rows: Mapping[int, Series]) -> list[Timed]:
        """Return those that used one kind of machine, the fastest first."""
        found = [
            (spent.centre, one)
            for one in rows.values()
            if one.machines == [self.section.machine] and (spent := one.cost())
        ]
        return sorted(found, key=lambda pair: (pair[0], pair[1].scorer.name))


def how_good(answers: Sequence[ShortAnswer]) -> str:
    """Return in how many comparisons each of the most successful scorers leads."""
    led = Counter(title for one in answers for title in one.leaders)
    there = Counter(title for one in answers for title in one.scorers)
    shown = sorted(led, key=lambda title: (-led[title], -there[title], title))[:3]
    return said("how_good", [(title, led[title], there[title]) for title in shown])


def how_sure(answers: Sequence[ShortAnswer]) -> str:
    """Return in how many comparisons the lead is shared, and how many leaders beat chance."""
    shared = sum(len(one.leaders) > 1 for one in answers)
    return said("how_sure", len(answers), shared, sum(one.is_sure for one in answers))


def at_what_cost(answers: Sequence[ShortAnswer]) -> str:
    """Return how many times as long as the cheapest that reads samples the leading scorers take."""
    ratios: dict[str, list[float]] = {}
    for one in answers:
        if len(one.seconds) > 1 and (least := min(one.seconds.values())) > 0:
            for title, spent in one.seconds.items():
                ratios.setdefault(title, []).append(spent / least)
    middle = {title: statistics.median(found) for title, found in ratios.items()}
    often = sorted(ratios, key=lambda title: (-len(ratios[title]), middle[title]))[:4]
    return said("at_what_cost", sorted([(t, middle[t]) for t in often], key=lambda one: one[1]))
