"""`sparc3 status`: how the runs of a folder stand, from another shell or another machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.tables import print_table
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.printable import how_many


class AtWork(Part):
    """A runner that is at work, and on what."""

    host: str
    """Name of the machine."""
    process: int
    """Number of the process."""
    seconds: float
    """How long it has been at work."""
    runs: dict[str, float]
    """The results that are being made, with how long each has taken, in seconds."""


class Standing(Answer):
    """How the runs of a folder stand."""

    command: Literal["status"] = "status"
    folder: Path
    """The folder."""
    runners: list[AtWork]
    """Those that are alive."""
    runs: int
    """How many runs were asked for."""
    there: list[str]
    """Results that are there, by their path in the folder."""
    at_work: list[str]
    """Results that are being made."""
    failed: dict[str, str]
    """Results of runs that failed, with the reason."""
    to_be_done: list[str]
    """Results that are neither there nor being made."""


def command(
    results: Annotated[Path, typer.Argument(help="Folder with result files.")] = Path("results"),
    as_json: JsonFlag = False,
) -> None:
    """Tell who is at work on a folder of results, how far they are, and what failed.

    Reads what is written there and asks nobody. Exit code 0, 1 when something failed or is neither
    there nor being made, 2 for wrong input.
    """
    from sparc3_bench.record.files import read_result
    from sparc3_bench.run.journal import noted

    runners = list(noted(results))
    if not runners:
        raise Sparc3Error(f"No runner has worked on {results}; name a folder of `sparc3 run`.")
    now = time.time()
    alive = []
    for runner in (one for one in runners if one.is_alive):
        theirs = sorted(runner.began.keys() - runner.over.keys(), key=runner.began.__getitem__)
        began = {path: now - runner.began[path] for path in theirs}
        alive.append(
            AtWork(host=runner.host, process=runner.pid, seconds=now - runner.since, runs=began)
        )
    at_work = {path for runner in alive for path in runner.runs}
    promised = dict.fromkeys(path for runner in runners for path in runner.orders)
    states: dict[str, list[str]] = {"ok": [], "failed": [], "interrupted": [], "": []}
    reasons = dict[str, str]()
    for path in promised:
        try:
            result = read_result(results / path)
        except Sparc3Error:
            states[""].append(path)
        else:
            reasons[path] = f"{result.error}"
            states.setdefault(result.status, []).append(path)
    missing = [path for path in (*states[""], *states["interrupted"]) if path not in at_work]
    standing = Standing(
        folder=results,
        runners=alive,
        runs=len(promised),
        there=states["ok"],
        at_work=sorted(at_work - {*states["ok"]}),
        failed={path: reasons[path] for path in states["failed"]},
        to_be_done=missing,
    )
    if as_json:
        standing.tell()
    else:
        _print(standing)
    if standing.failed or (missing and not alive):
        raise typer.Exit(1)


def _print(standing: Standing) -> None:
    from sparc3_bench.run.progress import spoken

    rows = []
    for runner in standing.runners:
        who, since = f"{runner.host}, process {runner.process}", spoken(runner.seconds)
        for path, seconds in (runner.runs or {"": 0.0}).items():
            rows.append((who, since, spoken(seconds) if path else "-", path))
            who = since = ""
    if rows:
        print_table(("runner", "since", "at work", "on"), rows)
    counts = {
        "there": standing.there,
        "at work": standing.at_work,
        "failed": standing.failed,
        "to be done": standing.to_be_done,
    }
    told = ", ".join(f"{len(some)} {what}" for what, some in counts.items())
    typer.echo(f"{how_many(standing.runs, 'run')}: {told}.")
    for path, reason in standing.failed.items():
        typer.echo(f"{path}: failed: {reason.partition(chr(10))[0]}")
