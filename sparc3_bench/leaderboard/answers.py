"""Answers: for each application who is best, how sure that is and at what cost, in sentences."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.boards import Board
from sparc3_bench.leaderboard.entries import BETTER, Entry
from sparc3_bench.leaderboard.phrasing import brief, listed, number, within
from sparc3_bench.leaderboard.series import Series

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.ranks import Ranks

_PARTS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 6: "a sixth", 7: "a seventh"}
_PARTS |= {8: "an eighth", 9: "a ninth", 10: "a tenth"}

_ALIKE = 0.8
"""Seconds that differ by less than this factor are about the same: machines have other work."""


@dataclass(frozen=True)
class Answer:
    """What a section says of one application, where its scorers are tested against one another."""

    board: Board
    entry: Entry
    ranks: Ranks

    @cached_property
    def scorers(self) -> dict[int, Series]:
        """The rows that stand for the scorers, by position, best first."""
        stand = {self.entry.place(one): one for one in self.entry.scorers().values()}
        return {place: stand[place] for place in sorted(stand)}

    @cached_property
    def leaders(self) -> dict[int, Series]:
        """Those that no other is shown to be better than."""
        texts = self.ranks.texts
        return {p: one for p, one in self.scorers.items() if texts[p].partition("–")[0] == "1"}

    @property
    def goal(self) -> str:
        """What is to be done, as the start of a sentence."""
        section, spec = self.entry.section, self.entry.spec
        what = " ".join(brief(spec)[:2]).lower()
        by = f" ({within(self.entry.metric.title)})"
        if section.order_chosen is not None:
            return f"To choose which {what} to remove{by}"
        if section.order_curve is not None:
            return f"To remove {what}, over all amounts{by}"
        sizes, amount = section.sizes, section.order
        if spec.amount_kind == "count":
            return f"To remove {amount:,.6g} {what}{by}"
        much = "half" if amount == 0.5 else sizes.text(amount)
        if sizes.is_log:
            return f"To keep {sizes.text(amount)} of the {what}{by}"
        return f"To remove {much} of the {what}{by}"

    @property
    def lead(self) -> str:
        """Who leads, and who is shown to be behind."""
        first, every = self.leaders, self.scorers
        others = [place for place in every if place not in first]
        names = listed([named(one) for one in first.values()])
        if not others:
            return f"{names} tie: nothing tells these {len(every)} scorers apart"
        behind = [
            place for place in others if all(self._beside(one, place) == "better" for one in first)
        ]
        if len(first) == 1:
            verb = f"{names} is ahead of"
        else:
            verb = f"{names} tie, {'both' if len(first) == 2 else 'all'} ahead of"
        rest = "the other scorer" if len(others) == 1 else f"the other {len(others)} scorers"
        if len(behind) == len(others):
            return f"{verb} {rest}"
        if behind:
            return f"{verb} {len(behind)} of {rest}"
        if len(first) == 1:
            return f"nobody is shown to be better than {names}, which is not ahead of any for sure"
        return f"{names} tie, not all of them ahead of {rest}"

    @property
    def random(self) -> str:
        """What is shown of the leaders beside random controls, as a sentence."""
        leaders = list(self.leaders.values())
        said = [self.entry.beside_random(one) for one in leaders]
        sure = [one for one, text in zip(leaders, said, strict=True) if text == BETTER]
        many = len(leaders) > 1
        if len(sure) == len(leaders):
            return f"{'All of these are' if many else 'It is'} shown to be better than random."
        if sure:
            names, verb = listed([named(one) for one in sure]), "is" if len(sure) == 1 else "are"
            return f"Of these only {names} {verb} shown to be better than random."
        if all(text.startswith("no verdict") or not text for text in said):
            return f"{'They were' if many else 'It was'} not tested against random."
        return f"{'None of these is' if many else 'It is not'} shown to be better than random."

    @property
    def beat_random(self) -> bool:
        """Whether all leaders are shown to be better than random controls."""
        return all(self.entry.beside_random(one) == BETTER for one in self.leaders.values())

    @property
    def cost(self) -> str:
        """Which leader costs least, in seconds of one kind of machine; empty where not known."""
        timed = self._timed(self.leaders)
        if len(self.leaders) < 2 or len(timed) < 2:
            return ""
        (least, cheapest), (most, dearest) = timed[0], timed[-1]
        start = "Of these"
        if len(timed) < len(self.leaders):
            start = f"Of the {len(timed)} that were timed on one kind of machine"
        if least > _ALIKE * most:
            return f"{start} all cost about as much time."
        part = f"{_part(most / least)} of the time of {named(dearest)}"
        return f"{start} {named(cheapest)} costs least, {part}."

    @property
    def cheaper(self) -> str:
        """Who does not lead, beats random and takes half of the time at most; empty if nobody."""
        timed, leads = self._timed(self.leaders), self.leaders.values()
        if len(timed) < len(leads):
            return ""
        least, first = timed[0]
        for spent, one in self._timed(self.scorers):
            behind = not any(one is other for other in leads)
            if behind and 0 < 2 * spent <= least and self.entry.beside_random(one) == BETTER:
                who = f"{named(one)}, which does not lead and is shown to be better than random,"
                return f"{who} takes {_part(least / spent)} of the time of {named(first)}."
        return ""

    @property
    def text(self) -> str:
        """All of it."""
        parts = f"{self.goal}: {self.lead}.", self.random, self.cost, self.cheaper
        return " ".join(filter(None, parts))

    def _timed(self, rows: Mapping[int, Series]) -> list[tuple[float, Series]]:
        """Return those that used one kind of machine with the seconds of their scores, rising."""
        found = [
            (one.attribution.centre, one)
            for one in rows.values()
            if one.attribution and one.machines == [self.entry.section.machine]
        ]
        return sorted(found, key=lambda pair: (pair[0], pair[1].scorer.name))

    def _beside(self, at: int, place: int) -> str:
        return self.ranks.beside(at, place, self.entry.metric.direction)[2]


def _part(ratio: float) -> str:
    if ratio >= 10.5:
        return "less than a hundredth" if ratio > 100 else "less than a tenth"
    return f"about {_PARTS.get(round(ratio), 'two thirds')}"


@dataclass(frozen=True)
class Application:
    """A task on a model, with an answer for each unit that is removed."""

    board: Board
    answers: tuple[Answer, ...]


def applications(boards: Sequence[Board]) -> list[Application]:
    """Return what is answered, in the order of the boards."""
    found = []
    for board in boards:
        made = tuple(
            Answer(board, entry, entry.tests.ranks) for entry in board.leading if entry.tests.ranks
        )
        if made:
            found.append(Application(board, made))
    return found


def how_good(answers: Sequence[Answer]) -> str:
    """Return in how many comparisons each of the most successful scorers leads."""
    led, there = Counter[str](), Counter[str]()
    for one in answers:
        led.update(scorer.scorer.title for scorer in one.leaders.values())
        there.update(scorer.scorer.title for scorer in one.scorers.values())
    shown = sorted(led, key=lambda title: (-led[title], -there[title], title))[:3]
    told = [f"{title} in {led[title]} of {there[title]} comparisons" for title in shown]
    return f"No scorer is shown to be better than {listed(told)}."


def how_sure(answers: Sequence[Answer]) -> str:
    """Return in how many comparisons the lead is shared, and how many leaders beat chance."""
    shared = sum(len(one.leaders) > 1 for one in answers)
    sure = sum(one.beat_random for one in answers)
    return (
        f"In {shared} of {len(answers)} comparisons the lead is shared, and in {sure} all that "
        "share it are shown to be better than random controls. Every order is tested on the same "
        "samples, at 5 % over all pairs of a comparison; numbers have 95 % intervals."
    )


def at_what_cost(answers: Sequence[Answer]) -> str:
    """Return how many times as long as the cheapest that reads samples the leading scorers take."""
    ratios: dict[str, list[float]] = {}
    for one in answers:
        machine = one.entry.section.machine
        seconds = {
            row.scorer.title: row.attribution.centre
            for row in one.scorers.values()
            if row.attribution and row.machines == [machine] and row.reads
        }
        if len(seconds) > 1 and (least := min(seconds.values())) > 0:
            for title, spent in seconds.items():
                ratios.setdefault(title, []).append(spent / least)
    if not ratios:
        return "Nothing is known of it on one kind of machine."
    middle = {title: statistics.median(found) for title, found in ratios.items()}
    often = sorted(ratios, key=lambda title: (-len(ratios[title]), middle[title]))[:4]
    first, *rest = sorted(often, key=lambda title: middle[title])
    told = [f"{title} {number(middle[title], 2)} times" for title in rest]
    return (
        f"Of those that read samples {first} takes least time for its scores; "
        f"{listed(told)} as long as the cheapest of its comparison (median)."
    )


def named(one: Series) -> str:
    """Return the scorer's name."""
    return one.scorer.title
