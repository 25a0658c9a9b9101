"""Submission: what must be true of a result of others, and what a reviewer would ask."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import PluginHost
from sparc3_bench.leaderboard.sentences import sentences
from sparc3_bench.record.files import read_result, samples_path, write_result
from sparc3_bench.record.result import Result

_MOST_BYTES = 2_000_000
"""Of a record; the largest that this suite has written has 0.2 MB."""

_SLACK = 1e-6
"""Relative difference within which a number counts as that of its samples."""

_FEW = 32
"""Samples below which a reviewer asks for more."""


@dataclass(frozen=True)
class Review:
    """What a check of one result said."""

    path: Path
    target: Path
    result: Result
    errors: tuple[str, ...]  # why it cannot be taken; a sentence each
    questions: tuple[str, ...]  # what a reviewer would ask; a sentence each


def review(path: Path, results: Path, host: PluginHost) -> Review:
    """Check a result, with its samples beside it, that is to join `results` or is among them.

    Raises
    ------
    RecordError
        When it is no result, or its content was changed after it was written.
    """
    result = read_result(path)
    target = results / result.spec.path
    errors = [*sentences("review", "refusals", result, path.stat().st_size, _MOST_BYTES)]
    if target.exists() and target.resolve() != path.resolve():
        errors.append(f"The leaderboard has this very run already, {target}.")
    errors += _numbers(path, result, host)
    counts = [len(values) for point in result.points for values in point.samples.values()]
    asked = sentences("review", "questions", result, min(counts, default=0), _FEW)
    warned = (f"The run says itself: {warning}" for warning in result.warnings)
    return Review(path, target, result, tuple(errors), (*asked, *warned))


def accept(one: Review) -> None:
    """Copy a result that has no errors to where it belongs, marked as submitted."""
    write_result(one.target, one.result.model_copy(update={"origin": "submitted"}))


def _numbers(path: Path, result: Result, host: PluginHost) -> Iterator[str]:
    """Yield what does not follow from the per-sample measurements."""
    if result.status != "ok":
        return
    if result.sample_file is None or not samples_path(path).is_file():
        yield (
            "The file of samples is not beside the record; `sparc3 run` writes it, under the same "
            "name with .samples.json.gz."
        )
        return
    try:
        yield from contradictions(result, host)
    except Sparc3Error as error:
        yield str(error)


def contradictions(result: Result, host: PluginHost) -> Iterator[str]:
    """Yield what of a finished run does not follow from its samples, by the task that measured.

    Raises
    ------
    Sparc3Error
        When that is not installed in the same version.
    """
    from sparc3_bench.run.intervals import is_old
    from sparc3_bench.run.options import task_of
    from sparc3_bench.statistics.curve import curve_numbers

    spec = result.spec
    task = task_of(result, host)
    try:
        samples = [point.samples for point in result.points]
        curve = curve_numbers(task, spec.amounts, samples, result.clusters, spec.removal)
    except (KeyError, ValueError, IndexError, TypeError, ArithmeticError) as error:
        yield f"The samples are not those of task '{spec.task.name}' ({error!r})."
        return
    for point, numbers, ends in zip(result.points, curve.points, curve.intervals, strict=True):
        where = f"at amount {point.amount.requested:g}"
        yield from _same(where, point.metrics, numbers)
        if is_old(result):
            continue  # its intervals are percentiles; pages make them anew
        told = {f"{n} (interval)": end for n, pair in point.intervals.items() for end in pair[:1]}
        yield from _same(where, told, {f"{n} (interval)": low for n, (low, _) in ends.items()})
    whole = {name: one.value for name, one in curve.whole.items()}
    claimed = {name: one.value for name, one in result.curve.items() if name in whole}
    yield from _same("of the whole curve", claimed, whole)


def _same(where: str, claimed: Mapping[str, float], found: Mapping[str, float]) -> Iterator[str]:
    for name, value in claimed.items():
        if name not in found:
            yield f"`{name}` {where} does not follow from the samples."
        elif not math.isclose(value, found[name], rel_tol=_SLACK, abs_tol=1e-9):
            yield f"`{name}` {where} is {value:g}, and {found[name]:g} by the samples."
