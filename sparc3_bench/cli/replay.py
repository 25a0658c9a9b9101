"""`sparc3 replay`: run what finished results say they are of again, and say whether it is so."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.execution import Execution, carries_out_runs
from sparc3_bench.errors import ExitCode, Sparc3Error

if TYPE_CHECKING:
    from sparc3_bench.replication.replay import Replay
    from sparc3_bench.replication.step_agreement import StepAgreement


class ReplayStep(Part):
    """How far record and replay agree in one step."""

    step: str
    """What is compared."""
    agreement: Literal["equal", "within tolerance", "differs"]
    """What it came to."""
    gaps: int
    """How many values are not the same."""
    where: str | None
    """Which of them are furthest apart."""
    recorded: str | None
    """The value in the record."""
    replayed: str | None
    """The value in the replay."""
    size: float | None
    """How far they are apart; null where that is no number."""
    allowed: float
    """How far they may be apart."""


class ReplayOfResult(Part):
    """What running one result again came to."""

    file: str
    """The result."""
    outcome: Literal["equal", "within tolerance", "differs", "not replayed"]
    """What it came to."""
    reason: str | None
    """Why it was not replayed."""
    result: str | None
    """The new result; null where nothing was run."""
    noted: tuple[str, ...]
    """What else is not the same, and moves no number by itself."""
    steps: tuple[ReplayStep, ...]
    """The steps that were compared, to the first that differs."""


class ReplayAnswer(Answer):
    """What `sparc3 replay` found."""

    command: Literal["replay"] = "replay"
    replays: tuple[ReplayOfResult, ...]
    """One a result, in the order given."""


@partial(carries_out_runs, results="replays")
def command(
    result: common.ResultNames,
    files: common.Files = [],  # noqa: B006  # typer wants a list
    as_json: JsonFlag = False,
    *,
    execution: Execution,
) -> None:
    """Run what results say they are of again, and tell the first step that differs, if any.

    Steps are made anew: what earlier runs kept is read only where --store names it. Nothing is run
    of a spec that comes to another one now, e.g. with other weights or texts. New results are
    marked as replays. Exit code 0 when all are equal or within tolerance, 1 when one differs or
    cannot be replayed, 2 for wrong input, 130 when interrupted.
    """
    from sparc3_bench.replication.replay import Replay
    from sparc3_bench.run.results import HIDDEN, check_writable

    paths = common.result_files(result, None)
    check_writable(execution.results)
    replays, host = [Replay(path, execution.results) for path in paths], common.installed()
    with ExitStack() as stack:
        if execution.store is None:
            hidden = execution.results / HIDDEN
            hidden.mkdir(parents=True, exist_ok=True)
            fresh = tempfile.TemporaryDirectory(dir=hidden, prefix="replay-")
            execution = dataclasses.replace(execution, store=stack.enter_context(fresh))
        running = stack.enter_context(execution.running())
        for one in replays:
            one.plan(running.worker, host, files)
        if len(replays) == 1 and replays[0].reason:
            raise Sparc3Error(replays[0].reason)
        waiting = {id(one.standing): one for one in replays if one.standing}
        for one in replays:
            if not one.standing:
                _tell(one, as_json)
        standings = [one.standing for one in waiting.values() if one.standing]
        for standing in running.runner.run(standings):
            waiting[id(standing)].finish()
            _tell(waiting[id(standing)], as_json)
    if as_json:
        ReplayAnswer(replays=tuple(map(_answered, replays))).tell()
    if not any(one.steps for one in replays):
        raise typer.Exit(ExitCode.WRONG_INPUT)
    if any(one.outcome in ("differs", "not replayed") for one in replays):
        raise typer.Exit(ExitCode.NOT_WELL)


def _tell(one: Replay, as_json: bool) -> None:
    if not as_json:
        typer.echo("\n".join(_sentences(one)))


def _sentences(one: Replay) -> list[str]:
    if one.reason:
        return [f"{one.path}: not replayed: {one.reason}"]
    first = "" if one.outcome != "differs" else f" in the step '{one.steps[-1].step}'"
    lines = [f"{one.path}: {one.outcome}{first}"]
    # The one that differs is told first.
    for step in reversed(one.steps):
        if (worst := step.worst) is not None:
            values = " was {} and is {} now".format(*map(_text, (worst.recorded, worst.replayed)))
            told = values if (worst.recorded, worst.replayed) != (None, None) else ""
            size = f", apart by {worst.size:.2g}" if math.isfinite(worst.size) else ""
            allowed = f" where {step.allowed:g} is allowed" if size else ""
            lines.append(f"  {step.step}: {worst.where}{told}{size}{allowed}")
    if one.noted:
        lines.append(f"  not the same, and no failure by itself: {', '.join(one.noted)}")
    return lines


def _answered(one: Replay) -> ReplayOfResult:
    return ReplayOfResult.of(
        one,
        file=str(one.path),
        reason=one.reason or None,
        result=str(one.target) if one.target else None,
        steps=tuple(map(_step_answered, one.steps)),
    )


def _step_answered(step: StepAgreement) -> ReplayStep:
    worst = step.worst
    return ReplayStep.of(
        step,
        where=worst and worst.where,
        recorded=None if worst is None else _text(worst.recorded),
        replayed=None if worst is None else _text(worst.replayed),
        size=worst.size if worst and math.isfinite(worst.size) else None,
    )


def _text(value: Any) -> str:
    """Return a value of a record in few characters."""
    if value is None:
        return "nothing"
    return f"{value:.8g}" if isinstance(value, float) else str(value)
