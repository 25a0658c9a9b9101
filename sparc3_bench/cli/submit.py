"""`sparc3 submit` and `sparc3 withdraw`: results of others join the leaderboard, or lose trust."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.files import read_result, write_result

Board = Annotated[Path, typer.Option(help="Folder of the leaderboard's results.")]


def command(
    paths: Annotated[list[Path], typer.Argument(help="Result files, their samples beside them.")],
    results: Board = Path("leaderboard/results"),
    check: Annotated[bool, typer.Option("--check", help="Copy nothing.")] = False,
) -> None:
    """Check results and copy them to where they belong, all of them or none.

    The schema, the hash of the content, provenance, the version of the task and every metric, which
    is computed again from the samples, must be right. What a reviewer would ask is printed. A file
    that lies among the results already is checked in its place.
    """
    from sparc3_bench.host import default_host
    from sparc3_bench.leaderboard.submission import accept, review

    host = default_host()
    reviews = [review(path, results, host) for path in paths]
    targets = [one.target for one in reviews]
    errors = [f"{one.path}: {error}" for one in reviews for error in one.errors]
    errors += [
        f"{one.path}: Another file of this call is the same run."
        for one in reviews
        if targets.count(one.target) > 1
    ]
    for one in reviews:
        for question in one.questions:
            typer.echo(f"{one.path}: a reviewer would ask: {question}")
    if errors:
        raise Sparc3Error("\n".join(errors))
    for one in reviews:
        if check or one.target.resolve() == one.path.resolve():
            typer.echo(f"{one.path}: in order")
        else:
            accept(one)
            typer.echo(f"{one.path} → {one.target}")


def withdraw(
    path: Annotated[Path, typer.Argument(help="A result file of the leaderboard.")],
    reason: Annotated[str, typer.Option(help="Why it must not be relied on; one sentence.")],
) -> None:
    """Mark a result as withdrawn; it keeps its file and is listed with the reason."""
    result = read_result(path)
    if result.status != "ok":
        raise Sparc3Error(f"{path} is {result.status} already; only finished runs are withdrawn.")
    if not reason.strip():
        raise Sparc3Error("A reason must be given with `--reason`; readers are shown it.")
    gone = result.model_copy(update={"status": "withdrawn", "error": " ".join(reason.split())})
    write_result(path, gone)
    typer.echo(f"{path}: withdrawn")
