"""A scorer's row: what the report on a scorer says of one row of a section, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from sparc3_bench.comparison.phrasing import interval_text, number, with_sign
from sparc3_bench.types.values import Direction, Scale


@dataclass(frozen=True)
class AttributionCost:
    """What the attribution of a row cost, on average over its seeds; None where not recorded.

    Attributes
    ----------
    seconds
        Wall time.
    peak_bytes
        Largest resident memory meanwhile.
    tokens
        Tokens that went through the model, forwards, and backwards where there are gradients.
    """

    seconds: float | None
    peak_bytes: float | None
    tokens: float | None


@dataclass(frozen=True)
class MoreSamples:
    """What would tell two rows apart that are tied.

    Attributes
    ----------
    factor
        How many times as many samples; None for two that are equal.
    now
        How many samples were measured on.
    item
        What a sample is: a window, a prompt.
    clusters
        How many clusters the samples are in, where more of them would be in the same ones.
    option
        The task's option that sets their number; empty where it is not known.
    """

    factor: float | None
    now: int
    item: str
    clusters: int | None
    option: str


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """A number, None where there is none, with both ends of its 95 % interval, if it has one."""

    title: str
    value: float | None
    low: float | None
    high: float | None

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends of the interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def text(self) -> str:
        """The number with its interval."""
        return "–" if self.value is None else interval_text(self.value, self.ends)


@dataclass(frozen=True, kw_only=True)
class MeasuredNumber(Estimated):
    """A number of scores that are measured themselves.

    Attributes
    ----------
    title, direction
        What it is called, and whether a higher or a lower one is better.
    value, low, high
        The number, with both ends of its interval.
    note
        What must be known of it.
    """

    direction: Direction
    note: str


@dataclass(frozen=True, kw_only=True)
class StandingRow(Estimated):
    """A row of a section by the number that orders the rows.

    Attributes
    ----------
    title, name
        The scorer's, and that of the row, with what sets it apart.
    rank
        `2` or `2–3` among the scorers, each with one row; empty where they are not ranked.
    cost
        What its attribution cost.
    """

    scorer: str
    name: str
    rank: str
    cost: AttributionCost


@dataclass(frozen=True, kw_only=True)
class Neighbour(StandingRow):
    """Another scorer of the section, which the row is set beside.

    Attributes
    ----------
    title, scorer, name, rank, cost
        As of the row of the report.
    value, low, high
        Its number, with both ends of its interval.
    is_above
        Whether it has the better number.
    difference, difference_low, difference_high
        The row of the report minus this one, or on a log scale divided by it, with the 95 %
        interval of these two alone.
    p_value
        Of no difference, adjusted by Holm over all pairs of scorers.
    verdict
        `better` and `worse` say what the row of the report is, `tied` that it is not told apart.
    more
        What would tell the two apart; None where they are, or nothing would.
    """

    is_above: bool
    difference: float
    difference_low: float
    difference_high: float
    p_value: float
    verdict: str
    more: MoreSamples | None


@dataclass(frozen=True, kw_only=True)
class ScorerRow(StandingRow):
    """A row of a section that is a scorer's, beside the other scorers there.

    Attributes
    ----------
    application, model, conventions
        Which section it is, in words.
    section
        The name of its page on the leaderboard.
    leads
        Whether it is what the report says of the scorer in this application.
    title, scorer, name, rank, cost
        As of any row of a section: the scorer's title and name, and that of the row.
    value, low, high
        The number that orders the rows, with both ends of its interval.
    is_control
        Whether the scorer is a control.
    metric, where
        By what the rows are ordered: its title, and at what it is measured.
    counted_in, direction, scale
        Its unit, which way is better, and on which scale it is compared.
    seeds
        How many seeds it is the mean of.
    scorers
        How many are ranked, this one among them.
    clusters
        How many independent samples ranks follow from; 0 where nothing is ranked.
    random
        What random controls say, in words; empty where nothing can be better than them.
    told
        What was chosen, or else must be known of the number, in words.
    neighbours
        The nearest other scorers that matter, best first.
    command
        What tells it apart from those that it is tied with; empty where it cannot be said or is not
        worth it.
    numbers
        Of scores that are measured themselves and not ranked, all of them.
    earlier, others
        How many of the rows beside it stand in from other code than that of this row, and how many
        there are.
    all_scorers
        Where it has no rank, as a control has none: every scorer with its number, in words, and
        what random controls say of it.
    """

    is_control: bool
    application: str
    model: str
    conventions: str
    section: str
    leads: bool
    metric: str
    counted_in: str
    direction: Direction
    scale: Scale
    where: str
    scorers: int
    clusters: int
    random: str
    told: str
    seeds: int
    neighbours: tuple[Neighbour, ...]
    command: str
    numbers: tuple[MeasuredNumber, ...]
    earlier: int
    others: int
    all_scorers: tuple[tuple[str, str, str], ...]

    @property
    def what_differs(self) -> str:
        """What stands between it and another."""
        return "ratio" if self.scale == "log" else "difference"

    def beside(self, other: Neighbour) -> str:
        """Return how it differs from another, with the interval of that."""
        ends = (other.difference_low, other.difference_high)
        if self.scale == "log":
            return f"{number(other.difference)} [{number(ends[0])}, {number(ends[1])}]"
        if ends[0] == ends[1]:
            return with_sign(other.difference)
        return interval_text(other.difference, ends)
