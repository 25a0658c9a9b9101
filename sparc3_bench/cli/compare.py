"""`sparc3 compare` and `sparc3 show`: the tables of the page in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.leaderboard.words import named
from sparc3_bench.record.files import read_result

if TYPE_CHECKING:
    from rich.table import Table

    from sparc3_bench.leaderboard.draws import Number
    from sparc3_bench.record.parts import MetricRecord, Point
    from sparc3_bench.record.result import Result


def command(
    first: Annotated[Path, typer.Argument(help="A result file.")],
    second: Annotated[Path, typer.Argument(help="Another one, of the same task and conventions.")],
    metric: Annotated[
        str | None, typer.Option(help="What to compare [default: the main metric of the task].")
    ] = None,
) -> None:
    """Compare two runs on the same samples, amount by amount.

    The difference is the first minus the second, with a 95 % interval and a two-sided p-value, both
    by Student's t of as many independent samples with the spread of the paired bootstrap; p-values
    are adjusted together (Holm). Both need the files of samples beside them.
    """
    from sparc3_bench.host import default_host
    from sparc3_bench.leaderboard.headtohead import compared
    from sparc3_bench.run.options import task_of

    one, other = _finished(first), _finished(second)
    _check_comparable(first, one, second, other)
    chosen = _metric(one, metric)
    task = task_of(one, default_host())
    pairs = [
        (
            point.amount.requested,
            _number(first, one, point, task, chosen.name),
            _number(second, other, same, task, chosen.name),
        )
        for point, same in _common(one, other)
    ]
    if not pairs:
        raise Sparc3Error(
            f"{first} and {second} have no amount in common; run one of them at those of the other."
        )
    found = {meeting.amount: meeting for meeting in compared(pairs)}
    table = _table(
        f"{chosen.title} ({chosen.direction} is better)",
        ("amount", _named(one, other), _named(other, one), "difference", "95 % interval", "p"),
    )
    for amount, mine, yours in pairs:
        tested = ("one document", "")
        if meeting := found.get(amount):
            ends = meeting.difference
            tested = f"{ends.low:+.4g} to {ends.high:+.4g}", f"{meeting.p_adjusted:.2g}"
        numbers = f"{mine.value:.5g}", f"{yours.value:.5g}", f"{mine.value - yours.value:+.4g}"
        table.add_row(f"{amount:g}", *numbers, *tested)
    _print(table)


def show(
    path: Annotated[Path, typer.Argument(help="A result file.")],
) -> None:
    """Show one result: what was run, every metric at every amount, cost and warnings."""
    result = read_result(path)
    spec = result.spec
    told = f"{spec.unit} by {spec.group}, {spec.schedule}, ablation {spec.ablation}"
    lines = [
        f"{named(spec)} on {spec.task.title}, {spec.model.id} {spec.model.label}".rstrip(),
        f"{told}, {spec.removal} removed, seed {spec.seed}; {result.status}, {result.origin}",
    ]
    if spec.objective:
        lines.append(f"objective {spec.objective}")
    if result.error:
        lines.append(result.error)
    typer.echo("\n".join(lines))
    if result.points:
        amounts = [f"{point.amount.requested:g}" for point in result.points]
        table = _table("", ("amount removed", *amounts))
        for metric in result.metrics:
            table.add_row(
                f"{metric.title}", *(f"{point.metrics[metric.name]:.4g}" for point in result.points)
            )
        _print(table)
    for name, estimate in result.curve.items():
        ends = "" if estimate.low is None else f" [{estimate.low:.4g}, {estimate.high:.4g}]"
        note = f" ({estimate.note})" if estimate.note else ""
        typer.echo(f"{name}: {estimate.value:.4g}{ends}{note}")
    for phase, cost in result.cost.items():
        tokens = "" if cost.tokens is None else f", {cost.tokens:,} tokens"
        typer.echo(f"{phase}: {cost.seconds:,.1f} s, {cost.peak_bytes / 1e9:.2f} GB{tokens}")
    for warning in result.warnings:
        typer.echo(f"warning: {warning}")


def _finished(path: Path) -> Result:
    result = read_result(path)
    if result.status != "ok":
        raise Sparc3Error(f"{path} is of a run that is {result.status}; run it again.")
    return result


def _check_comparable(first: Path, one: Result, second: Path, other: Result) -> None:
    from sparc3_bench.leaderboard.tables import convention

    names = (
        *("task or model", "conventions", "weights or number format", "evaluation data"),
        *("metrics", "amounts of the whole curve", "judge"),
    )
    for name, mine, theirs in zip(names, convention(one), convention(other), strict=True):
        # Of two curves the amounts that both have may be compared.
        if mine != theirs and name != "amounts of the whole curve":
            raise Sparc3Error(
                f"{first} and {second} cannot be compared: they differ in {name}, {mine} and "
                f"{theirs}."
            )


def _metric(result: Result, name: str | None) -> MetricRecord:
    if name is None:
        return result.metrics[0]
    for metric in result.metrics:
        if metric.name == name:
            return metric
    raise UnknownNameError("metric", name, [metric.name for metric in result.metrics])


def _common(one: Result, other: Result) -> list[tuple[Point, Point]]:
    theirs = {point.amount.requested: point for point in other.points}
    return [
        (point, theirs[point.amount.requested])
        for point in one.points
        if point.amount.requested > 0 and point.amount.requested in theirs
    ]


def _number(path: Path, result: Result, point: Point, task: object, name: str) -> Number:
    from sparc3_bench.leaderboard.draws import number_at

    try:
        return number_at(result, point, task, name)  # type: ignore[arg-type]
    except KeyError:
        raise Sparc3Error(
            f"{path} has no samples of '{name}' beside it; they are in the file ending in "
            ".samples.json.gz that `sparc3 run` writes with the result."
        ) from None


def _named(result: Result, other: Result) -> str:
    spec = result.spec
    name = named(spec)
    return f"{name} {result.key[:6]}" if name == named(other.spec) else name


def _table(title: str, columns: tuple[str, ...]) -> Table:
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console().print(table)
