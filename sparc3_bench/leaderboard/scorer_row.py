"""A scorer's row: what the report on a scorer says of one row of a section, as plain data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from sparc3_bench.comparison.phrasing import interval_text, number, with_sign
from sparc3_bench.types.values import Direction, Scale


class RowPart(BaseModel):
    """A part of what is said of a row."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, defer_build=True
    )


class AttributionCost(RowPart):
    """What the attribution of a row cost, on average over its seeds; None where not recorded."""

    seconds: float | None
    """Wall time."""
    peak_bytes: float | None
    """Largest resident memory meanwhile."""
    tokens: float | None
    """Tokens that went through the model, forwards, and backwards where there are gradients."""


class MoreSamples(RowPart):
    """What would tell two rows apart that are tied."""

    factor: float | None
    """How many times as many samples; None for two that are equal."""
    now: int
    """How many samples were measured on."""
    item: str
    """What a sample is: a window, a prompt."""
    clusters: int | None
    """How many clusters the samples are in, where more of them would be in the same ones."""
    option: str
    """The task's option that sets their number; empty where it is not known."""


class Estimated(RowPart):
    """A number, None where there is none, with both ends of its 95 % interval, if it has one."""

    title: str
    """What it is called; of a row, the title of its scorer."""
    value: float | None
    """The number; of a row, that which orders the rows."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end of it."""

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends of the interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def text(self) -> str:
        """The number with its interval."""
        return "–" if self.value is None else interval_text(self.value, self.ends)


class MeasuredNumber(Estimated):
    """A number of scores that are measured themselves."""

    direction: Direction
    """Whether a higher or a lower one is better."""
    note: str
    """What must be known of it."""


class StandingRow(Estimated):
    """A row of a section by the number that orders the rows."""

    scorer: str
    """The name of its scorer."""
    name: str
    """The title of its scorer, with what sets the row apart."""
    rank: str
    """`2` or `2–3` among the scorers, each with one row; empty where they are not ranked."""
    cost: AttributionCost
    """What its attribution cost."""


class Neighbour(StandingRow):
    """Another scorer of the section, which the row of the report is set beside."""

    is_above: bool
    """Whether it has the better number."""
    difference: float
    """The row of the report minus this one, or on a log scale divided by it."""
    difference_low: float
    """Lower end of the 95 % interval of that, of these two alone."""
    difference_high: float
    """Upper end of it."""
    p_value: float
    """Of no difference, adjusted by Holm over all pairs of scorers."""
    verdict: str
    """`better` and `worse` say what the row of the report is, `tied` that it is not told apart."""
    more: MoreSamples | None
    """What would tell the two apart; None where they are, or nothing would."""


class ScorerRow(StandingRow):
    """A row of a section that is a scorer's, beside the other scorers there."""

    is_control: bool
    """Whether the scorer is a control."""
    application: str
    """The task, as its board is called."""
    model: str
    """The model."""
    conventions: str
    """The section in words."""
    section: str
    """The name of its page on the leaderboard."""
    leads: bool
    """Whether it is what the report says of the scorer in this application."""
    metric: str
    """The title of what the rows are ordered by."""
    counted_in: str
    """Its unit."""
    direction: Direction
    """Which way it is better."""
    scale: Scale
    """On which it is compared."""
    where: str
    """At what it is measured."""
    scorers: int
    """How many are ranked, this one among them."""
    clusters: int
    """How many independent samples ranks follow from; 0 where nothing is ranked."""
    random: str
    """What random controls say, in words; empty where nothing can be better than them."""
    told: str
    """What was chosen, or else must be known of the number, in words."""
    seeds: int
    """How many seeds it is the mean of."""
    neighbours: tuple[Neighbour, ...]
    """The nearest other scorers that matter, best first."""
    command: str
    """What tells it apart from those that it is tied with; empty where it cannot be said or is not
    worth it."""
    numbers: tuple[MeasuredNumber, ...]
    """Of scores that are measured themselves and not ranked, all of them."""
    earlier: int
    """How many of the rows beside it stand in from other code than that of this row."""
    others: int
    """How many rows there are beside it."""
    all_scorers: tuple[tuple[str, str, str], ...]
    """Where it has no rank, as a control has none: every scorer with its number, in words, and what
    random controls say of it."""

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
