"""Results: records of runs as Python has them, as a table with intervals and as a data frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from sparc3_bench.api.rows import rows_of
from sparc3_bench.comparison.comparable import ComparisonKey, comparison_key
from sparc3_bench.comparison.control_verdict import WORSE, control_verdict, row_verdicts
from sparc3_bench.comparison.phrasing import (
    interval_text,
    metric_title,
    scorer_text,
    section_title,
    within,
)
from sparc3_bench.comparison.ranks import Ranks, draws_of, ranks
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.shown_table import ShownTable, html_of, text_of
from sparc3_bench.record.reference import all_referred
from sparc3_bench.run.intervals import read_renewed

if TYPE_CHECKING:
    import pandas

    from sparc3_bench.record.result import Result

_INTERVALS = "Brackets are 95 % intervals over samples."
_WEAK = "°"
"""Beside a number that is not better than random controls."""


class Results(Sequence["Result"]):
    """Finished runs; they display as a table, and `to_pandas` gives every number of them.

    Parameters
    ----------
    results
        The records.
    """

    def __init__(self, results: Iterable[Result]) -> None:
        self._results = tuple(results)

    @overload
    def __getitem__(self, index: int) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> Results: ...

    def __getitem__(self, index: int | slice) -> Result | Results:
        found = self._results[index]
        return Results(found) if isinstance(found, tuple) else found

    def __len__(self) -> int:
        return len(self._results)

    def __add__(self, other: Iterable[Result]) -> Results:
        return Results([*self, *other])

    def __repr__(self) -> str:
        return text_of(self.tables()) or "no results"

    def _repr_html_(self) -> str:
        return html_of(self.tables()) or "<p>no results</p>"

    def tables(self) -> list[ShownTable]:
        """Return the main metric over the amounts, a table for all that may be compared."""
        groups: dict[ComparisonKey, list[Result]] = {}
        for result in self:
            groups.setdefault(comparison_key(result), []).append(result)
        return [_table(group) for group in groups.values()]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every number with its interval; for the columns see `NumberRow`.

        Results that failed or were withdrawn have none.
        """
        return map(dict, rows_of(self))

    def to_pandas(self) -> pandas.DataFrame:
        """Return every number with its interval as a data frame; see `rows`.

        Raises
        ------
        Sparc3Error
            When pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise Sparc3Error(
                "A data frame needs pandas, which is not installed; `pip install pandas`, or use "
                "`rows()`."
            ) from None
        return pandas.DataFrame(list(self.rows()))


def load_results(folder: str | PathLike[str]) -> Results:
    """Read the results below a folder, or one of them.

    Parameters
    ----------
    folder
        What `sparc3 run --results` or `run` wrote; or what names one result, as `sparc3 show`
        takes it.

    Raises
    ------
    RecordError
        When there is none, naming the first file that is no result.

    Examples
    --------
    ::

        frame = sb.load_results("results").to_pandas()
    """
    return Results(map(read_renewed, all_referred([fspath(folder)])))


def _table(group: Sequence[Result]) -> ShownTable:
    first, tested = group[0], _Tested(group)
    metric = first.metrics[0] if first.metrics else None
    amounts = sorted({at.amount.requested for one in group for at in one.points})
    head = [f"{metric_title(metric)} ({metric.direction} is better)" if metric else ""]
    rows = []
    for result in sorted(group, key=tested.place):
        seed = f", seed {result.spec.seed}" if result.spec.seed else ""
        cells = [f"{scorer_text(result.spec)}{seed}", *tested.rank(result)]
        if result.status != "ok" or metric is None:
            tested.notes.append(f"{cells[0]} {result.status}: {result.error}")
            cells.append(result.status)
        else:
            here = {at.amount.requested: at for at in result.points}
            cells += [
                interval_text(*here[amount].read(metric.name)) + tested.mark(result, amount)
                if amount in here
                else "–"
                for amount in amounts
            ]
            cells += [
                " ".join(filter(None, (interval_text(one.value, one.interval), one.note)))
                for one in (result.curve[metric.name] for metric in first.curve_metrics)
            ]
        rows.append(cells)
    head += ["rank"] if tested.ranks else []
    head += [f"{amount:g}" for amount in amounts] or ["status"]
    head += [one.title for one in first.curve_metrics]
    whole = [[*row, *[""] * (len(head) - len(row))] for row in rows]
    return ShownTable(section_title(first.spec), head, whole, " ".join((_INTERVALS, *tested.notes)))


class _Tested:
    """What the samples of results that may be compared say, by the key of each."""

    def __init__(self, group: Sequence[Result]) -> None:
        self.ranks: Ranks | None = None
        self.notes = list[str]()
        self._place, self._weak = dict[str, int](), set[tuple[str, float]]()
        done = [(Path(one.spec.path), one) for one in group if one.status == "ok"]
        for section in split(done)[0]:
            draws = draws_of(section)
            self.ranks, rows = ranks(section, draws), row_verdicts(section, draws)
            for place, series in enumerate(section.series):
                verdicts = {
                    amount: control_verdict(section, series, amount, rows=rows)
                    for amount in section.amounts
                }
                for run in series.runs:
                    key = run.result.key
                    self._place[key] = place
                    weak = [at for at, said in verdicts.items() if said.startswith(WORSE)]
                    self._weak |= {(key, amount) for amount in weak}
            if self._weak:
                self.notes.append(f"{_WEAK} is not better than random.")
            if self.ranks:
                self.notes.append(f"Ranks are by {within(section.metric.title)} {section.where}.")

    def place(self, result: Result) -> float:
        return self._place.get(result.key, math.inf)

    def rank(self, result: Result) -> list[str]:
        texts = self.ranks.texts if self.ranks else {}
        return [texts.get(self._place.get(result.key, -1), "–")] if self.ranks else []

    def mark(self, result: Result, amount: float) -> str:
        return _WEAK if (result.key, amount) in self._weak else ""
