"""`sparc3 submit`: results of others are checked, and join the leaderboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.errors import Sparc3Error


class Submission(Part):
    """A result that was submitted."""

    path: Path
    """Its file."""
    target: Path
    """Where it belongs among the results of the leaderboard."""
    questions: list[str]
    """What a reviewer would ask; a sentence each."""
    is_copied: bool
    """Whether it was copied there; else it was checked only."""


class Submitted(Answer):
    """What `sparc3 submit` checked."""

    command: Literal["submit"] = "submit"
    results: list[Submission]
    """The results, all of them in order."""


def command(
    result: common.ResultNames,
    results: Annotated[Path, typer.Option(help="Folder of the leaderboard's results.")] = Path(
        "leaderboard/results"
    ),
    check: Annotated[bool, typer.Option("--check", help="Copy nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check results and copy them to where they belong, all of them or none.

    The schema, the hash of the content, provenance, the version of the task and every metric, which
    is computed again from the samples, must be right. What a reviewer would ask is printed. A file
    that lies among the results already is checked in its place.
    """
    from sparc3_bench.leaderboard.submission import accept, review

    host = common.installed()
    reviews = [review(path, results, host) for path in common.result_files(result, None)]
    targets = [one.target for one in reviews]
    errors = [f"{one.path}: {error}" for one in reviews for error in one.errors]
    errors += [
        f"{one.path}: Another file of this call is the same run."
        for one in reviews
        if targets.count(one.target) > 1
    ]
    if errors:
        raise Sparc3Error("\n".join(errors))
    done = []
    for one in reviews:
        copied = not check and one.target.resolve() != one.path.resolve()
        if copied:
            accept(one)
        done.append(Submission.of(one, is_copied=copied))
    Submitted(results=done).tell(as_json, _told(done))


def _told(done: list[Submission]) -> Iterator[str]:
    for made in done:
        for question in made.questions:
            yield f"{made.path}: a reviewer would ask: {question}"
        yield f"{made.path} → {made.target}" if made.is_copied else f"{made.path}: in order"
