"""`sparc3 compare`: two runs on the same samples, amount by amount."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.results import Listed, listed_as
from sparc3_bench.cli.tables import MATCHED, NOT_BETTER, print_table
from sparc3_bench.comparison import phrasing
from sparc3_bench.comparison.comparable import check_side_by_side
from sparc3_bench.comparison.control_verdict import record_verdict
from sparc3_bench.comparison.phrasing import convention_text, scorer_text
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.record.parts import MetricRecord, Point
from sparc3_bench.record.result import Result
from sparc3_bench.run.options import task_of

if TYPE_CHECKING:
    from sparc3_bench.comparison.headtohead import Meeting
    from sparc3_bench.comparison.replicates import BootstrapNumber


class Side(Part):
    """The metric of one of the two runs at one amount."""

    value: float | None
    """The number."""
    low: float | None
    """Lower end of its 95 % interval; null without one."""
    high: float | None
    """Upper end of it."""
    beside_random: str
    """What its random circuits with the same counts say of it; empty where there are none."""


class ComparedAt(Part):
    """The two runs at one amount; without an interval where there is one independent sample."""

    amount: float
    """How much is removed."""
    first: Side
    """The first run."""
    second: Side
    """The second run."""
    difference: float | None
    """The first minus the second, or, on a log scale, the first divided by the second."""
    low: float | None
    """Lower end of the 95 % interval of the difference."""
    high: float | None
    """Upper end of it."""
    p_value: float | None
    """Two-sided, of no difference, adjusted by Holm over the amounts."""
    told_apart_by: float | None
    """What two runs must typically differ by here to be told apart; a factor on a log scale."""
    verdict: str
    """`first better`, `second better`, `tie`, or `differ` of a number that only describes; empty
    where nothing can be tested."""


class ComparedRuns(Answer):
    """What `sparc3 compare` tells of two runs."""

    command: Literal["compare"] = "compare"
    first: Listed
    """The first run."""
    second: Listed
    """The second run."""
    conventions: str
    """What they share, in words."""
    metric: str
    """Name of the metric."""
    title: str
    """Its name for readers."""
    better: str
    """`lower`, `higher`, or `neither`."""
    scale: str
    """`linear`: differences are told; `log`: ratios."""
    rows: list[ComparedAt]
    """One an amount that both have."""


def command(
    result: common.ResultNames,
    metric: Annotated[
        str | None,
        typer.Option(help="What to compare.", show_default="the main metric of the task"),
    ] = None,
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare two runs of one task on the same samples, amount by amount.

    The difference is the first minus the second (of a metric on a log scale, ×, the first divided
    by the second), with a 95 % interval and a two-sided p-value, both of this very quantity, by
    Student's t of as many independent samples with the spread of the paired bootstrap; p-values are
    adjusted together (Holm). Both need the files of samples beside them. It says which one is
    better, or that they tie, by how much the two must typically differ to be told apart at an
    amount, and which numbers are not better than random circuits with the same counts.
    """
    from sparc3_bench.comparison.headtohead import meetings_by_amount
    from sparc3_bench.run.intervals import renewed

    host = common.installed()
    path, other_path = _both(common.result_files(result, results))
    one, other = (renewed(common.finished(file), host) for file in (path, other_path))
    check_side_by_side(str(path), one, str(other_path), other)
    chosen = _metric(one, metric)
    task = task_of(one, host)
    theirs = {point.amount.requested: point for point in other.points}
    points = [
        (point, theirs[amount])
        for point in one.points
        if (amount := point.amount.requested) > 0 and amount in theirs
    ]
    if not points:
        raise Sparc3Error(
            f"{path} and {other_path} have no amount in common; run one of them at those of the "
            "other."
        )
    pairs = [
        (
            mine.amount.requested,
            _number(path, one, mine, task, chosen.name),
            _number(other_path, other, yours, task, chosen.name),
        )
        for mine, yours in points
    ]
    found = {meeting.amount: meeting for meeting in meetings_by_amount(pairs, chosen.scale)}
    told = ComparedRuns(
        first=listed_as(path, one),
        second=listed_as(other_path, other),
        conventions=convention_text(one.spec),
        metric=chosen.name,
        title=chosen.title,
        better=chosen.direction,
        scale=chosen.scale,
        rows=[
            _compared(amount, chosen, found.get(amount), (mine, yours), sides)
            for (amount, mine, yours), sides in zip(
                pairs, _sides(one, other, points, chosen), strict=True
            )
        ],
    )
    if as_json:
        told.tell()
    else:
        _print(told, one, other, found)


def _both(files: Sequence[Path]) -> Sequence[Path]:
    if len(files) != 2:
        many = f"{len(files)} are named" if len(files) > 1 else f"{files[0]} is one"
        raise Sparc3Error(f"Two results are compared, and {many}; name two, or a folder of both.")
    return files


def _sides(
    one: Result, other: Result, points: Sequence[tuple[Point, Point]], metric: MetricRecord
) -> Iterator[tuple[Side, Side]]:
    def side(result: Result, point: Point) -> Side:
        value, ends = point.read(metric.name)
        low, high = ends or (None, None)
        said = record_verdict(result, point, metric)
        return Side(value=value, low=low, high=high, beside_random=said)

    for mine, yours in points:
        yield side(one, mine), side(other, yours)


def _compared(
    amount: float,
    metric: MetricRecord,
    meeting: Meeting | None,
    numbers: tuple[BootstrapNumber, BootstrapNumber],
    sides: tuple[Side, Side],
) -> ComparedAt:
    given: dict[str, Any] = {"amount": amount, "first": sides[0], "second": sides[1]}
    if meeting is None:
        nothing = dict.fromkeys(("difference", "low", "high", "p_value", "told_apart_by"))
        return ComparedAt(**given, **nothing, verdict="")
    return ComparedAt.of(
        meeting.difference,
        **given,
        difference=meeting.difference.value,
        p_value=meeting.p_adjusted,
        told_apart_by=_least(*numbers, metric),
        verdict=_verdict(meeting, metric),
    )


def _verdict(meeting: Meeting, metric: MetricRecord) -> str:
    from sparc3_bench.statistics.interval import LEVEL

    if meeting.p_adjusted > LEVEL or not meeting.difference.sign:
        return "tie"
    if metric.direction == "neither":
        return "differ"
    is_first = (meeting.difference.sign > 0) == (metric.direction == "higher")
    return "first better" if is_first else "second better"


def _least(mine: BootstrapNumber, yours: BootstrapNumber, metric: MetricRecord) -> float | None:
    """Return by how much two runs must differ to be told apart at one amount."""
    import numpy as np

    from sparc3_bench.statistics.ranking import resolvable

    least = resolvable(
        [mine.value, yours.value],
        np.stack([mine.replicates, yours.replicates], axis=1),
        min(mine.clusters, yours.clusters),
        scale=metric.scale,
    )
    none = 0.0 if metric.scale == "linear" else 1.0
    return least if least and least > none else None


def _print(told: ComparedRuns, one: Result, other: Result, found: dict[float, Meeting]) -> None:
    spec = one.spec
    columns = (
        *("amount", _named(one, other), _named(other, one)),
        *("ratio" if told.scale == "log" else "difference", "95 % interval", "p (Holm)"),
        *("told apart by", "verdict"),
    )
    typer.echo(f"{spec.task.title} on {spec.model.id}. {told.conventions}.")
    rows = []
    for row in told.rows:
        cells = "–", "one independent sample", "–", "–", "–"
        if meeting := found.get(row.amount):
            least = row.told_apart_by
            cells = (
                *phrasing.difference_cells(meeting.difference, meeting.p_adjusted),
                phrasing.least(least, meeting.difference.scale, 2) if least else "–",
                row.verdict,
            )
        rows.append((f"{row.amount:g}", _cell(row.first), _cell(row.second), *cells))
    print_table(columns, rows, title=f"{told.title} ({told.better} is better)")
    typer.echo("Brackets are 95 % intervals over samples.")
    if any(_is_random(side) for row in told.rows for side in (row.first, row.second)):
        typer.echo(f"{NOT_BETTER} not better than {MATCHED}.")


def _is_random(side: Side) -> bool:
    return side.beside_random.startswith("not better")


def _cell(side: Side) -> str:
    assert side.value is not None
    ends = None if side.low is None or side.high is None else (side.low, side.high)
    return phrasing.interval_text(side.value, ends) + (NOT_BETTER if _is_random(side) else "")


def _metric(result: Result, name: str | None) -> MetricRecord:
    if name is None:
        return result.metrics[0]
    known = {metric.name: metric for metric in result.metrics}
    if name not in known:
        raise UnknownNameError("metric", name, known)
    return known[name]


def _number(path: Path, result: Result, point: Point, task: object, name: str) -> BootstrapNumber:
    from sparc3_bench.comparison.replicates import bootstrap_number

    try:
        return bootstrap_number(result, point, task, name)  # type: ignore[arg-type]
    except KeyError:
        raise Sparc3Error(
            f"{path} has no samples of '{name}' beside it; they are in the file ending in "
            ".samples.json.gz that `sparc3 run` writes with the result."
        ) from None


def _named(result: Result, other: Result) -> str:
    name = scorer_text(result.spec)
    return f"{name} {result.key[:6]}" if name == scorer_text(other.spec) else name
