"""Words of the report on a scorer: each sentence follows from a test, and says no more than it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.entries import BETTER, NOTHING
from sparc3_bench.leaderboard.phrasing import (
    interval_text,
    number,
    p_value,
    value_text,
    with_sign,
)
from sparc3_bench.leaderboard.scorer_rows import WORTH, rounded_up

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.scorer_row import Neighbour, ScorerRow

_VERDICTS = {"worse": "worse than", "tied": "not told apart from", "better": "better than"}
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def headline(row: ScorerRow) -> str:
    """Return where a row stands, as the rest of a sentence that begins with the application."""
    random = row.random.replace("no verdict:", "no verdict beside random:")
    said = [_place(row), *_beside(row), random]
    if row.numbers:
        first = row.numbers[0]
        ends = _ends(first.low, first.high)
        said = [
            f"the scores of {row.name} are measured themselves, which is no competition: "
            f"{first.title} {value_text(first.value, ends)}"
        ]
    elif row.is_control:
        said = [_control(row)]
    return ", ".join(filter(None, said)) + "."


def value_sentence(row: ScorerRow) -> str:
    """Return the number that orders the rows, and what ranks and comparisons follow from."""
    if row.value is None:
        return ""
    text = f"{row.metric} {row.where}: {number_text(row)}"
    if row.direction != "neither":
        text += f" ({row.direction} is better)"
    if row.seeds > 1:
        text += f", over {row.seeds} seeds"
    if row.rank:
        text += f"; ranks by {row.clusters} independent samples"
    return f"{text}."


def number_text(row: ScorerRow | Neighbour) -> str:
    """Return the number of a row with its interval."""
    return "–" if row.value is None else interval_text(row.value, _ends(row.low, row.high))


def beside_text(row: ScorerRow, other: Neighbour) -> str:
    """Return how a row differs from another, with the interval of that."""
    ends = (other.difference_low, other.difference_high)
    if row.scale == "log":
        return f"{number(other.difference)} [{number(ends[0])}, {number(ends[1])}]"
    if ends[0] == ends[1]:
        return with_sign(other.difference)
    return interval_text(other.difference, ends)


def what_differs(row: ScorerRow) -> str:
    """Return what stands between a row and another."""
    return "ratio" if row.scale == "log" else "difference"


def next_sentence(row: ScorerRow, other: Neighbour) -> str:
    """Return what would tell a row apart from one that it is tied with; empty for any other."""
    if other.more is None:
        return ""
    more = other.more
    if more.factor is None:
        return f"{other.name} has the same number: more samples would tell nothing apart."
    now, what, advice = more.now, f"{more.item}s", ""
    if more.clusters is not None:
        now, what = more.clusters, f"clusters of {more.item}s"
        advice = f"; more {more.item}s of the same clusters add little"
    start, seen = f"To tell {row.name} from {other.name}", "if they differ by as much as was seen"
    if more.factor > WORTH:
        most = f"more than {WORTH * now:,} {what} in place of {now:,}"
        return f"{start} would take {most}, {seen}: not worth it."
    need = rounded_up(more.factor * now)
    option = f" ({more.option}={need})" if more.option else ""
    return f"{start} takes about {need:,} {what} in place of {now:,}{option}, {seen}{advice}."


def others_sentence(row: ScorerRow) -> str:
    """Return how many rows beside it stand in from results of other code; empty where none does."""
    if not row.earlier:
        return ""
    verb = "stands in from a result" if row.earlier == 1 else "stand in from results"
    return f"{row.earlier} of the {row.others} other rows {verb} of other code."


def _place(row: ScorerRow) -> str:
    if row.rank:
        best, _, worst = row.rank.partition("–")
        place = ordinal(int(best)) + (f" to {ordinal(int(worst))}" if worst else "")
        return f"{row.name} is {place} of {row.scorers}"
    has = f"{row.name} has {row.metric} {number_text(row)}"
    if row.scorers == 1:
        return f"{has}, the only scorer there"
    return f"{has}, one of {row.scorers} scorers, which cannot be tested against one another"


def _beside(row: ScorerRow) -> list[str]:
    told = []
    for verdict, words in (
        ("worse", "worse than"),
        ("tied", "not told apart from"),
        ("better", "better than"),
    ):
        some = [
            f"{one.title} ({what_differs(row)} {beside_text(row, one)}, {p_value(one.p_value)})"
            for one in row.neighbours
            if one.verdict == verdict
        ]
        if some:
            told.append(f"{words} {' and '.join(some)}")
    return told


def _control(row: ScorerRow) -> str:
    verdicts = [verdict for *_, verdict in row.all_scorers]
    better, nothing = verdicts.count(BETTER), verdicts.count(NOTHING)
    untested = sum(verdict.startswith("no verdict") for verdict in verdicts)
    others = [
        (len(verdicts) - better - nothing - untested, "not"),
        (nothing, "removed nothing"),
        (untested, "without a verdict"),
    ]
    text = f"{row.name} is a control: {better} of {row.scorers} scorers are shown to be {BETTER}"
    return ", ".join([text, *(f"{many} {words}" for many, words in others if many)])


def ordinal(place: int) -> str:
    """Return `1st`, `2nd`, `11th`."""
    ending = "th" if place % 100 in (11, 12, 13) else _ENDINGS.get(place % 10, "th")
    return f"{place}{ending}"


def _ends(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)
