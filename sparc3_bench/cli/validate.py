"""`sparc3 validate`: check result files against the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.errors import RecordError
from sparc3_bench.printable import how_many


class Validated(Answer):
    """What `sparc3 validate` found."""

    command: Literal["validate"] = "validate"
    valid: list[Path]
    """Files that are valid results."""
    problems: list[str]
    """What is wrong with each of the others, a sentence each."""


def command(
    result: common.ResultNames,
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Check result files; every bad one is named with the path of the offending field.

    Exit code 0 when all are valid, 1 when some are, 2 when none is.
    """
    from sparc3_bench.record.files import read_each

    files = common.result_files(result, results)
    problems, valid = list[str](), list[Path]()
    for file, read in read_each(files, problems.append):
        if file.name.endswith(f"--{read.key}.json"):
            valid.append(file)
        else:
            problems.append(f"{file}: the name must end in --{read.key}.json.")
    if not valid:
        raise RecordError("\n".join(problems))
    told = how_many(len(valid), "valid result file")
    Validated(valid=valid, problems=problems).tell(as_json, [told])
    common.tell_left_out(problems)
