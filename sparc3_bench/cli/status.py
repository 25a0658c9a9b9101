"""`sparc3 status`: how the runs of a folder stand, from another shell or another machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.errors import Sparc3Error


def command(
    results: Annotated[Path, typer.Argument(help="Folder with result files.")] = Path("results"),
) -> None:
    """Tell who is at work on a folder of results, how far they are, and what failed.

    Reads what is written there and asks nobody. Exit code 0, 1 when something failed or is neither
    there nor being made, 2 for wrong input.
    """
    from rich.console import Console

    from sparc3_bench.record.files import read_result
    from sparc3_bench.run.journal import noted
    from sparc3_bench.run.progress import spoken

    runners = list(noted(results))
    if not runners:
        raise Sparc3Error(f"No runner has worked on {results}; name a folder of `sparc3 run`.")
    now = time.time()
    table = common.table(("runner", "since", "at work", "on"), 1)
    at_work: set[str] = set()
    for runner in runners:
        if not runner.is_alive:
            continue
        theirs = sorted(runner.began.keys() - runner.over.keys(), key=runner.began.__getitem__)
        at_work |= {*theirs}
        for number, path in enumerate(theirs or [""]):
            who = f"{runner.host}, process {runner.pid}" if number == 0 else ""
            since = spoken(now - runner.since) if number == 0 else ""
            table.add_row(who, since, spoken(now - runner.began[path]) if path else "-", path)
    promised = dict.fromkeys(path for runner in runners for path in runner.orders)
    states: dict[str, list[str]] = {"ok": [], "failed": [], "interrupted": [], "": []}
    reasons = {}
    for path in promised:
        try:
            result = read_result(results / path)
        except Sparc3Error:
            states[""].append(path)
        else:
            reasons[path] = result.error
            states.setdefault(result.status, []).append(path)
    console = Console()
    if not console.is_terminal:
        console.width = 160
    if table.row_count:
        console.print(table)
    missing = [path for path in (*states[""], *states["interrupted"]) if path not in at_work]
    counts = {
        "there": len(states["ok"]),
        "at work": len(at_work - {*states["ok"]}),
        "failed": len(states["failed"]),
        "to be done": len(missing),
    }
    told = ", ".join(f"{number} {what}" for what, number in counts.items())
    console.print(f"{len(promised)} runs: {told}.", highlight=False)
    for path in states["failed"]:
        reason = f"{reasons[path]}".splitlines()[0]
        console.print(f"{path}: failed: {reason}", markup=False, highlight=False, soft_wrap=True)
    if states["failed"] or (missing and not table.row_count):
        raise typer.Exit(1)
