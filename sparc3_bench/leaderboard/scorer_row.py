"""A scorer's row: what the report on a scorer says of one row of a section, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Neighbour:
    """Another scorer of the section, which the row is set beside.

    Attributes
    ----------
    title, name
        The scorer's, and that of the row, with what sets it apart.
    is_above
        Whether it has the better number.
    rank
        `2` or `2–3`.
    difference, difference_low, difference_high
        The row of the report minus this one, or on a log scale divided by it, with the 95 %
        interval of these two alone.
    p_value
        Of no difference, adjusted by Holm over all pairs of scorers.
    verdict
        `better` and `worse` say what the row of the report is, `tied` that it is not told apart.
    value, low, high
        Its number, with both ends of the 95 % interval.
    cost
        What its attribution cost.
    more
        What would tell the two apart; None where they are, or nothing would.
    """

    scorer: str
    title: str
    name: str
    is_above: bool
    rank: str
    value: float
    low: float | None
    high: float | None
    difference: float
    difference_low: float
    difference_high: float
    p_value: float
    verdict: str
    cost: AttributionCost
    more: MoreSamples | None


@dataclass(frozen=True)
class MeasuredNumber:
    """A number with its 95 % interval, where it has one, and what must be known of it.

    Attributes
    ----------
    title, direction
        What it is, and which way is better.
    value, low, high
        The number, and both ends of its interval.
    note
        What must be known of it.
    """

    title: str
    direction: Direction
    value: float
    low: float | None
    high: float | None
    note: str


@dataclass(frozen=True)
class ScorerRow:
    """A row of a section that is a scorer's, beside the other scorers there.

    Attributes
    ----------
    application, model, conventions
        Which section it is, in words.
    section
        The name of its page on the leaderboard.
    leads
        Whether it is what the report says of the scorer in this application.
    is_control
        Whether the scorer is a control.
    metric, where
        By what the rows are ordered: its title, and at what it is measured.
    counted_in, direction, scale
        Its unit, which way is better, and on which scale it is compared.
    value, low, high
        The number of the row, with both ends of the 95 % interval.
    seeds
        How many seeds it is the mean of.
    rank
        Among the scorers, each with one row; empty where they are not ranked.
    scorers
        How many those are, this one among them.
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
    earlier
        How many of the rows beside it stand in from other code than that of this row.
    others
        How many other rows are in the section.
    all_scorers
        Where it has no rank, as a control has none: every scorer with its number, in words, and
        what random controls say of it.
    """

    scorer: str
    title: str
    name: str
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
    value: float | None
    low: float | None
    high: float | None
    rank: str
    scorers: int
    clusters: int
    random: str
    told: str
    cost: AttributionCost
    seeds: int
    neighbours: tuple[Neighbour, ...]
    command: str
    numbers: tuple[MeasuredNumber, ...]
    earlier: int
    others: int
    all_scorers: tuple[tuple[str, str, str], ...]
