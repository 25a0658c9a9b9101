"""`sparc3 compare` and `sparc3 show`: the tables of the page in the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.leaderboard import phrasing
from sparc3_bench.leaderboard.phrasing import metric_title, scorer_text
from sparc3_bench.types.conventions import CONVENTIONS

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.replicates import BootstrapNumber
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

    The difference is the first minus the second (of a metric on a log scale, ×, the first divided
    by the second), with a 95 % interval and a two-sided p-value, both of this very quantity, by
    Student's t of as many independent samples with the spread of the paired bootstrap; p-values are
    adjusted together (Holm). Both need the files of samples beside them. Last it says by how much
    the two must typically differ to be told apart at an amount.
    """
    from rich.console import Console

    from sparc3_bench.host import default_host
    from sparc3_bench.leaderboard.headtohead import meetings_by_amount
    from sparc3_bench.run.options import task_of

    one, other = _finished(first), _finished(second)
    _check_comparable(first, one, second, other)
    chosen = _metric(one, metric)
    task = task_of(one, default_host())
    theirs = {point.amount.requested: point for point in other.points}
    pairs = [
        (
            amount,
            _number(first, one, point, task, chosen.name),
            _number(second, other, theirs[amount], task, chosen.name),
        )
        for point in one.points
        if (amount := point.amount.requested) > 0 and amount in theirs
    ]
    if not pairs:
        raise Sparc3Error(
            f"{first} and {second} have no amount in common; run one of them at those of the other."
        )
    found = {meeting.amount: meeting for meeting in meetings_by_amount(pairs, chosen.scale)}
    ratio = chosen.scale == "log"
    columns = (
        *("amount", _named(one, other), _named(other, one)),
        *("ratio" if ratio else "difference", "95 % interval", "p (Holm)", "told apart by"),
    )
    table = common.table(columns, 1, f"{chosen.title} ({chosen.direction} is better)")
    for amount, mine, yours in pairs:
        cells = "–", "one independent sample", "–", "–"
        if meeting := found.get(amount):
            cells = (
                phrasing.difference_text(meeting.difference),
                phrasing.between(meeting.difference),
                phrasing.probability(meeting.p_adjusted),
                _least(mine, yours, chosen),
            )
        table.add_row(
            f"{amount:g}", phrasing.number(mine.value), phrasing.number(yours.value), *cells
        )
    Console().print(table)


def _least(mine: BootstrapNumber, yours: BootstrapNumber, metric: MetricRecord) -> str:
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
    return phrasing.least(least, metric.scale, 2) if least and least > none else "–"


def show(path: Annotated[Path, typer.Argument(help="A result file.")]) -> None:
    """Show one result: what was run, every metric at every amount, cost and warnings."""
    from rich.console import Console

    from sparc3_bench.run.intervals import is_old, read_renewed

    result = read_renewed(path)
    spec = result.spec
    told = f"{spec.unit} by {spec.group}, {spec.schedule}, ablation {spec.ablation}"
    lines = [
        f"{scorer_text(spec)} on {spec.task.title}, {spec.model.id} {spec.model.label}".rstrip(),
        f"{told}, {spec.removal} removed, seed {spec.seed}; {result.status}, {result.origin}",
    ]
    if spec.objective:
        lines.append(f"objective {spec.objective}")
    if result.error:
        lines.append(result.error)
    typer.echo("\n".join(lines))
    if result.points:
        amounts = [f"{point.amount.requested:g}" for point in result.points]
        table = common.table(("amount removed", *amounts), 1)
        for metric in result.metrics:
            table.add_row(
                metric_title(metric),
                *(phrasing.interval_text(*point.read(metric.name)) for point in result.points),
            )
        Console().print(table)
        typer.echo(_OLD if is_old(result) else _NEW)
    titles = {metric.name: metric_title(metric) for metric in result.curve_metrics}
    for name, estimate in result.curve.items():
        cell = phrasing.interval_text(estimate.value, estimate.interval)
        note = f" ({estimate.note})" if estimate.note else ""
        typer.echo(f"{titles.get(name, name)}: {cell}{note}")
    for phase, cost in result.cost.items():
        tokens = "" if cost.tokens is None else f", {cost.tokens:,} tokens"
        typer.echo(f"{phase}: {cost.seconds:,.1f} s, {cost.peak_bytes / 1e9:.2f} GB{tokens}")
    for warning in result.warnings:
        typer.echo(f"warning: {warning}")


def _finished(path: Path) -> Result:
    from sparc3_bench.run.intervals import read_renewed

    result = read_renewed(path)
    if result.status != "ok":
        raise Sparc3Error(f"{path} is of a run that is {result.status}; run it again.")
    return result


def _check_comparable(first: Path, one: Result, second: Path, other: Result) -> None:
    from sparc3_bench.leaderboard.tables import comparison_key

    shared = zip(comparison_key(one), comparison_key(other), strict=True)
    for (name, parts), (mine, theirs) in zip(_SHARED.items(), shared, strict=True):
        # Of two curves the amounts that both have may be compared.
        if mine == theirs or parts is None:
            continue
        told = list(itertools.zip_longest(parts(one), parts(other), fillvalue="nothing"))
        ours, its = zip(*[pair for pair in told if pair[0] != pair[1]] or told, strict=True)
        raise Sparc3Error(
            f"{first} and {second} cannot be compared: they differ in {name}, {', '.join(ours)} "
            f"and {', '.join(its)}; run one of them as the other was run."
        )


def _measured_on(result: Result) -> list[str]:
    return [
        f"{phrasing.dataset_text(data)} from {data.source} (digest {data.token_digest[:12]})"
        for data in result.spec.datasets
        if not phrasing.is_reference(data)
    ]


def _weights(result: Result) -> list[str]:
    model = result.spec.model
    return [
        model.dtype,
        model.label or "original weights",
        f"weights {model.weight_digest[:12]}",
        f"tokenizer {model.tokenizer_digest[:12]}",
    ]


_SHARED: dict[str, Callable[[Result], Sequence[str]] | None] = {
    "task or model": lambda result: [
        f"task {result.spec.task.name}",
        f"version {result.spec.task.task_version}",
        f"model {result.spec.model.slug}",
    ],
    "conventions": lambda result: list(phrasing.brief(result.spec)[: len(CONVENTIONS)]),
    "weights or number format": _weights,
    "evaluation data": _measured_on,
    "metrics": lambda result: [f"{m.name} ({m.direction} is better)" for m in result.metrics],
    "amounts of the whole curve": None,
    "judge": lambda result: [
        phrasing.judge_text(result.spec.judge) if result.spec.judge else "without a judge"
    ],
    "numbers of samples": lambda result: [phrasing.short_text(result.spec) or "whole"],
}
"""What two runs must share, in the order of `comparison_key`, and how each says what it has."""

_NEW = "Brackets are 95 % intervals over samples."
_OLD = (
    "Brackets are 95 % intervals over samples as an older version made them, too narrow where "
    "samples are few; without the samples and the task they cannot be made anew."
)


def _metric(result: Result, name: str | None) -> MetricRecord:
    if name is None:
        return result.metrics[0]
    known = {metric.name: metric for metric in result.metrics}
    if name not in known:
        raise UnknownNameError("metric", name, known)
    return known[name]


def _number(path: Path, result: Result, point: Point, task: object, name: str) -> BootstrapNumber:
    from sparc3_bench.leaderboard.replicates import bootstrap_number

    try:
        return bootstrap_number(result, point, task, name)  # type: ignore[arg-type]
    except KeyError:
        raise Sparc3Error(
            f"{path} has no samples of '{name}' beside it; they are in the file ending in "
            ".samples.json.gz that `sparc3 run` writes with the result."
        ) from None


def _named(result: Result, other: Result) -> str:
    spec = result.spec
    name = scorer_text(spec)
    return f"{name} {result.key[:6]}" if name == scorer_text(other.spec) else name
