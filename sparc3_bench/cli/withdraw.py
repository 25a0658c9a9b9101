"""`sparc3 withdraw`: a result of the leaderboard loses trust, and says why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.errors import Sparc3Error


class Withdrawn(Answer):
    """What `sparc3 withdraw` did."""

    command: Literal["withdraw"] = "withdraw"
    path: Path
    """The file of the result, which is withdrawn now."""
    reason: str
    """What readers are told."""


def command(
    result: common.ResultName,
    reason: Annotated[str, typer.Option(help="Why it must not be relied on; one sentence.")],
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Mark a result as withdrawn; it keeps its file and is listed with the reason."""
    from sparc3_bench.record.files import read_result, write_result

    path = common.result_file(result, results, to_change=True)
    read = read_result(path)
    if read.status != "ok":
        raise Sparc3Error(f"{path} is {read.status} already; only finished runs are withdrawn.")
    if not reason.strip():
        raise Sparc3Error("A reason must be given with `--reason`; readers are shown it.")
    told = " ".join(reason.split())
    write_result(path, read.model_copy(update={"status": "withdrawn", "error": told}))
    Withdrawn(path=path, reason=told).tell(as_json, [f"{path}: withdrawn"])
