"""compare: results side by side on the same samples, with ranks and paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.comparison import phrasing
from sparc3_bench.comparison.headtohead import Meeting, meetings
from sparc3_bench.comparison.ranks import Ranks, draws_of, ranks
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.shown_table import ShownTable, html_of, text_of
from sparc3_bench.record.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Compared:
    """Results that may be compared: of one task, model, evaluation data and conventions.

    Attributes
    ----------
    section
        The results, best first; seeds of one scorer are one row.
    ranks
        Ranks by the number that orders them; None where nothing can be tested.
    pairs
        By the positions of two rows, how they differ in the main metric at every amount.
    """

    section: Section
    ranks: Ranks | None
    pairs: Mapping[tuple[int, int], Sequence[Meeting]]

    @property
    def names(self) -> list[str]:
        """What each row is called."""
        return [
            one.scorer.title + (f", {one.difference}" if one.difference else "")
            for one in self.section.series
        ]

    def tables(self) -> list[ShownTable]:
        """Return the ranks, and the differences of every two rows."""
        section, metric = self.section, self.section.metrics[0]
        title = phrasing.section_title(section.spec)
        amounts = [amount for amount in section.amounts if amount > 0] or [*section.amounts]
        rows = []
        for place, (name, one) in enumerate(zip(self.names, section.series, strict=True)):
            rank = self.ranks.texts.get(place, "–") if self.ranks else "–"
            found = (one.value(amount, metric.name) for amount in amounts)
            cells = (phrasing.number(value.centre) if value else "–" for value in found)
            rows.append([name, rank, *cells])
        note = ""
        if self.ranks is not None:
            least = phrasing.least(self.ranks.resolvable, self.ranks.scale, 2)
            note = f"Neighbours must typically differ by {least} to be told apart."
        head = [f"{metric.title} ({metric.direction} is better)", "rank"]
        ranked = ShownTable(title, [*head, *(f"{amount:g}" for amount in amounts)], rows, note)
        pairs = [
            (
                *(f"{self.names[one]} vs {self.names[other]}", f"{met.amount:g}"),
                *phrasing.difference_cells(met.difference, met.p_adjusted),
            )
            for (one, other), some in self.pairs.items()
            for met in some
        ]
        if not pairs:
            return [ranked]
        what = "ratio" if metric.scale == "log" else "difference"
        columns = ["", "amount", what, "95 % interval", "p (Holm)"]
        return [ranked, ShownTable(f"{metric.title}, on the same samples", columns, pairs)]


@dataclass(frozen=True)
class Comparison:
    """Groups of results that may be compared; displays as tables.

    Attributes
    ----------
    groups
        One for every task, model, data and conventions.
    """

    groups: tuple[Compared, ...]

    def __repr__(self) -> str:
        return text_of(table for one in self.groups for table in one.tables())

    def _repr_html_(self) -> str:
        return html_of(table for one in self.groups for table in one.tables())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the difference of every two rows at every amount, as a dict.

        `difference` is the first minus the second, or of a metric on a log scale their ratio; `low`
        and `high` end its 95 % interval, and `p` is adjusted by Holm over the amounts.
        """
        for one in self.groups:
            spec = one.section.spec
            for (first, second), some in one.pairs.items():
                for meeting in some:
                    yield {
                        "task": spec.task.name,
                        "model": spec.model.id,
                        "metric": one.section.metrics[0].name,
                        "first": one.names[first],
                        "second": one.names[second],
                        "amount": meeting.amount,
                        "difference": meeting.difference.value,
                        "low": meeting.difference.low,
                        "high": meeting.difference.high,
                        "p": meeting.p_adjusted,
                    }


def compare(results: Iterable[Result]) -> Comparison:
    """Compare results on the same samples: ranks with ties, and every two of them.

    Parameters
    ----------
    results
        What `run` or `load_results` returns, or any number of those together.

    Returns
    -------
    Comparison
        Only what was measured on the same data under the same conventions stands side by side.
        Intervals and p-values are of Student's t with the spread of the paired bootstrap
        [holm1979].

    Raises
    ------
    Sparc3Error
        When no two results may be compared, or it is no results.

    Examples
    --------
    ::

        sb.compare(sb.load_results("results"))
    """
    given: list[object] = [results] if isinstance(results, str | PathLike) else [*results]
    known = [one for one in given if isinstance(one, Result)]
    if len(known) < len(given):
        raise Sparc3Error(
            "What is compared must be results, as `run` and `load_results` return them; of a "
            "folder give `load_results(folder)`."
        )
    sections, _ = split((Path(result.spec.path), result) for result in known)
    groups = []
    for section in sections:
        if len(section.series) > 1:
            draws = draws_of(section)
            groups.append(Compared(section, ranks(section, draws), meetings(section, draws)))
    if not groups:
        raise Sparc3Error(
            "No two of these results may be compared; they must be of the same task, model, "
            "evaluation data and conventions."
        )
    return Comparison(tuple(groups))
