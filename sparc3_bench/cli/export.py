"""`sparc3 export`: results in the forms that others read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.errors import RecordError, Sparc3Error, UnknownNameError
from sparc3_bench.record.files import write_atomically
from sparc3_bench.record.result import Result
from sparc3_bench.run.options import parse_pairs
from sparc3_bench.run.results import check_writable


class ExportAnswer(Answer):
    """What `sparc3 export` wrote."""

    command: Literal["export"] = "export"
    format: str
    """The form."""
    out: str
    """The file, or the folder with the files."""
    results: int
    """So many results are in it."""
    written: int
    """So many rows the table has, or so many files there are."""
    left_out: dict[str, int]
    """By status, how many results are not in it."""
    unreadable: tuple[str, ...]
    """Why files are no results, a sentence each."""


def command(
    result: common.ResultNames,
    out: Annotated[
        Path, typer.Option(help="File of the table; folder of the records, or of the model.")
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="parquet or csv: one table of every number; eee: Every Eval Ever records; hub: "
            ".eval_results of a model repository.",
            show_default="parquet, or csv where `--out` ends in .csv",
        ),
    ] = None,
    organization: Annotated[
        str, typer.Option(help="Who ran them; for eee.", show_default=False)
    ] = "unknown",
    amount: Annotated[
        float | None,
        typer.Option(
            help="For hub: the amount that was removed from the model of the repository, 0 for the "
            "dense one."
        ),
    ] = None,
    benchmark: Annotated[
        list[str],
        typer.Option(
            help="For hub: METRIC=OWNER/DATASET:TASK, the benchmark registered there that a metric "
            "is the number of; repeatable."
        ),
    ] = [],  # noqa: B006  # typer wants a list
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Write results as a table, as records of Every Eval Ever, or for a model repository.

    What failed, was interrupted or withdrawn is left out and counted. Exit code 0, 1 when a file
    is no result, 2 for wrong input.
    """
    named = out.suffix.removeprefix(".")
    form = form or ("csv" if named == "csv" else "parquet")
    if form not in _WRITERS:
        raise UnknownNameError("format", form, _WRITERS)
    if named != form and {named, form} <= {"csv", "parquet"}:
        raise Sparc3Error(
            f"`--format {form}` does not go with the file {out}, which is named as {named}; leave "
            "`--format` out, or choose another name."
        )
    files = common.result_files(result, results)
    _check_place(out, result, is_folder=form in ("eee", "hub"))
    check_writable(out.parent)
    unreadable = list[str]()
    read = common.renewed_results(files, unreadable)
    finished = [one for one in read if one.status == "ok"]
    if not finished:
        raise RecordError(
            "\n".join(unreadable) or f"No run of {', '.join(result)} came to its end."
        )
    asked = _Asked(out, organization, amount, parse_pairs(benchmark))
    number = _WRITERS[form](finished, asked)
    left = Counter(one.status for one in read if one.status != "ok")
    told = [f"{count} {status}" for status, count in left.items()]
    rest = f"; left out: {', '.join(told)}" if told else ""
    ExportAnswer(
        format=form,
        out=str(out),
        results=len(finished),
        written=number,
        left_out=dict(left),
        unreadable=tuple(unreadable),
    ).tell(as_json, [f"{len(finished):,} results, {number:,} {_COUNTED[form]} → {out}{rest}"])
    common.tell_left_out(unreadable)


@dataclass(frozen=True)
class _Asked:
    out: Path
    organization: str
    amount: float | None
    benchmarks: Mapping[str, str]


def _table(name: str, results: Sequence[Result], asked: _Asked) -> int:
    from sparc3_bench.api import exporting
    from sparc3_bench.api.rows import rows_of

    write = {"parquet": exporting.write_parquet, "csv": exporting.write_csv}[name]
    return write(asked.out, rows_of(results))


def _every_eval(results: Sequence[Result], asked: _Asked) -> int:
    from sparc3_bench.api.every_eval import evaluation_record

    files = dict(evaluation_record(one, asked.organization) for one in results)
    for name, record in files.items():
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        _write(asked.out / name, text + "\n")
    return len(files)


def _hub(results: Sequence[Result], asked: _Asked) -> int:
    from sparc3_bench.api.hub_results import hub_results

    if asked.amount is None or not asked.benchmarks:
        raise Sparc3Error(
            "A hub must know which model and which benchmark numbers are of; give `--amount` and "
            "`--benchmark METRIC=OWNER/DATASET:TASK`."
        )
    files: dict[str, str] = {}
    for one in results:
        name, text = hub_results(one, asked.amount, asked.benchmarks)
        if name in files:
            raise Sparc3Error(
                f"A model repository has one file a task, and several results are of task "
                f"'{one.spec.task.name}'; name the one of the model that is in it."
            )
        files[name] = text
    for name, text in files.items():
        _write(asked.out / name, text)
    return len(files)


_WRITERS: dict[str, Callable[[Sequence[Result], _Asked], int]] = {
    "parquet": partial(_table, "parquet"),
    "csv": partial(_table, "csv"),
    "eee": _every_eval,
    "hub": _hub,
}
_COUNTED = {"parquet": "numbers", "csv": "numbers", "eee": "records", "hub": "files"}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)


def _check_place(out: Path, named: Sequence[str], *, is_folder: bool) -> None:
    if out.exists() and out.is_dir() != is_folder:
        what, other = ("folder", "file") if is_folder else ("file", "folder")
        raise Sparc3Error(f"`--out` is a {what} here, and {out} is a {other}; choose another.")
    folders = [Path(one).resolve() for one in named if Path(one).is_dir()]
    if is_folder and any(out.resolve().is_relative_to(folder) for folder in folders):
        raise Sparc3Error(f"{out} would be among the results; choose another folder for `--out`.")
