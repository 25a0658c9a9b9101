"""`sparc3 show`: one result: what was run, every number with its interval, cost and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.results import Listed, listed_as
from sparc3_bench.cli.tables import MATCHED, NOT_BETTER, print_table
from sparc3_bench.comparison import phrasing
from sparc3_bench.comparison.control_verdict import record_curve_verdict, record_verdict
from sparc3_bench.printable import prefixed
from sparc3_bench.record.parts import MetricRecord, Point
from sparc3_bench.record.result import Result


class Measured(Part):
    """A number of a result."""

    amount: float | None
    """How much is removed; null for a number of the whole curve."""
    metric: str
    """Its name."""
    title: str
    """Its name for readers."""
    unit: str
    """What it is counted in."""
    better: str
    """`lower`, `higher`, or `neither`."""
    value: float | None
    """The number."""
    low: float | None
    """Lower end of its 95 % interval; null without one."""
    high: float | None
    """Upper end of it."""
    beside_random: str
    """What random circuits with the same counts say of it; empty where there are none."""


class Spent(Part):
    """What one phase cost."""

    seconds: float
    """Wall time."""
    peak_bytes: int
    """Largest resident memory of the process during the phase."""
    tokens: int | None
    """Tokens that went through the model; null in old records."""


class Shown(Answer):
    """What `sparc3 show` tells of a result."""

    command: Literal["show"] = "show"
    result: Listed
    """What was run."""
    numbers: list[Measured]
    """Every metric at every amount, then the numbers of the whole curve."""
    chosen: list[Measured]
    """The metrics of what was looked for, or chosen, on other samples; empty without it."""
    has_old_intervals: bool
    """Whether intervals are as an older version made them, too narrow where samples are few."""
    cost: dict[str, Spent]
    """What each phase cost."""
    warnings: list[str]
    """What a reader should know before comparing."""
    error: str | None
    """Why the run has another status than `ok`."""


def command(
    result: common.ResultName,
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Show one result: what was run, every metric at every amount, cost and warnings."""
    from sparc3_bench.run.intervals import is_old, read_renewed

    path = common.result_file(result, results)
    read = read_renewed(path)
    if as_json:
        Shown.of(
            read,
            result=listed_as(path, read),
            numbers=list(_numbers(read)),
            chosen=list(numbers_at(read, read.found.point)) if read.found else [],
            has_old_intervals=is_old(read),
            cost={name: Spent.of(one) for name, one in read.cost.items()},
        ).tell()
    else:
        _print(path, read, is_old(read))


def numbers_at(result: Result, point: Point) -> Iterator[Measured]:
    """Yield every metric of a result at one of its points."""
    for metric in result.metrics:
        said = record_verdict(result, point, metric)
        yield _measured(metric, point.amount.requested, *point.read(metric.name), said)


def _numbers(result: Result) -> Iterator[Measured]:
    for point in result.points:
        yield from numbers_at(result, point)
    for metric in result.curve_metrics:
        if one := result.curve.get(metric.name):
            said = record_curve_verdict(result, metric)
            yield _measured(metric, None, one.value, one.interval, said)


def _measured(
    metric: MetricRecord,
    amount: float | None,
    value: float,
    ends: tuple[float, float] | None,
    beside_random: str,
) -> Measured:
    low, high = ends or (None, None)
    return Measured.of(
        metric,
        amount=amount,
        metric=metric.name,
        better=metric.direction,
        value=value,
        low=low,
        high=high,
        beside_random=beside_random,
    )


def _print(path: Path, result: Result, old: bool) -> None:
    spec = result.spec
    lines = [
        f"{phrasing.scorer_text(spec)} on {spec.task.title}, {spec.model.id} "
        f"{spec.model.label}".rstrip(),
        f"{phrasing.convention_text(spec)}.",
        f"Seed {spec.seed}, {spec.model.dtype}; {result.status}, {result.origin}; {path}",
    ]
    if spec.objective:
        lines.append(f"Objective {spec.objective}")
    if result.error:
        lines.append(result.error)
    typer.echo("\n".join(lines))
    if result.points:
        _print_points(result)
        typer.echo(f"Brackets are 95 % intervals over samples{_OLD if old else ''}.")
    if found := result.found:
        (metric,) = [one for one in result.metrics if one.name == found.metric] or result.metrics[
            :1
        ]
        told = phrasing.interval_text(*found.point.read(metric.name))
        verdict = record_verdict(result, found.point, metric)
        typer.echo(
            f"{found.title}, {found.point.amount.requested:g} removed: "
            f"{phrasing.metric_title(metric)} {told}{f' ({verdict})' if verdict else ''}"
        )
    metrics = {metric.name: metric for metric in result.curve_metrics}
    for name, estimate in result.curve.items():
        told = phrasing.interval_text(estimate.value, estimate.interval)
        notes = [estimate.note, record_curve_verdict(result, metrics[name])]
        note = f" ({', '.join(filter(None, notes))})" if any(notes) else ""
        typer.echo(f"{phrasing.metric_title(metrics[name])}: {told}{note}")
    for phase, cost in result.cost.items():
        tokens = "" if cost.tokens is None else f", {cost.tokens:,} tokens"
        tokens += f", {cost.backward_tokens:,} of them back" if cost.backward_tokens else ""
        tokens += f", {prefixed(cost.flops)}FLOP" if cost.flops else ""
        typer.echo(f"{phase}: {cost.seconds:,.1f} s, {cost.peak_bytes / 1e9:.2f} GB{tokens}")
    for warning in result.warnings:
        typer.echo(f"warning: {warning}")


def _print_points(result: Result) -> None:
    """Print a row for each amount, with marks of what random circuits say, where there are any."""
    notes, rows = dict[str, None](), []
    for point in result.points:
        cells = [f"{point.amount.requested:g}"]
        for metric in result.metrics:
            said = record_verdict(result, point, metric)
            mark, note = _MARKS.get(said, ("", f"Beside {MATCHED}: {said}."))
            notes |= {note: None} if said else {}
            cells.append(phrasing.interval_text(*point.read(metric.name)) + mark)
        rows.append(cells)
    print_table(("removed", *map(phrasing.metric_title, result.metrics)), rows)
    for note in notes:
        typer.echo(note)


_MARKS = {
    "better than random": ("*", f"* better than {MATCHED}."),
    "not better than random": (
        NOT_BETTER,
        f"{NOT_BETTER} not better than {MATCHED}.",
    ),
}
_OLD = (
    " as an older version made them, too narrow where samples are few; without the samples and the "
    "task they cannot be made anew"
)
