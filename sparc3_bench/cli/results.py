"""`sparc3 results`: which results there are, by what was run and not by the names of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.tables import print_table
from sparc3_bench.comparison.main_number import main_number
from sparc3_bench.comparison.phrasing import brief, scorer_text
from sparc3_bench.errors import RecordError, UnknownNameError
from sparc3_bench.printable import how_many
from sparc3_bench.record.files import read_each, read_record
from sparc3_bench.record.reference import all_referred, usual_folder
from sparc3_bench.record.result import Result
from sparc3_bench.types.conventions import CONVENTIONS

app = typer.Typer(help="List and find results by what was run.", no_args_is_help=True)

_DIGITS = 6
"""Of a key that are shown, or more where two begin with the same."""


class Headed(Part):
    """The number that stands for a result."""

    metric: str
    """Its name."""
    title: str
    """Its name for readers."""
    better: str
    """`lower`, `higher`, or `neither`."""
    amount: float | None
    """How much is removed; null for a number of the whole curve."""
    value: float | None
    """The number."""
    low: float | None
    """Lower end of its 95 % interval; null without one."""
    high: float | None
    """Upper end of it."""


class Listed(Part):
    """A result, told by what was run."""

    path: Path
    """Its file."""
    key: str
    """Names it: what `show`, `compare`, `circuit` and `rejudge` take, or its first digits."""
    scorer: str
    """Name of the scorer."""
    options: dict[str, Any]
    """Options of the scorer."""
    task: str
    """Name of the task."""
    model: str
    """The model, as it was typed."""
    label: str
    """How its weights differ from the original ones; empty where they do not."""
    dtype: str
    """The number format that it ran in."""
    conventions: dict[str, str]
    """What is ranked and removed, by the names of the options of `sparc3 run`."""
    objective: str | None
    """The scalar that was attributed; null where none was."""
    seed: int
    """Of the reference samples and of the scorer."""
    amounts: list[float]
    """How much is removed at the points of the curve."""
    status: str
    """`ok`, `failed`, `interrupted` or `withdrawn`."""
    origin: str
    """`run`, `replayed`, `submitted` or `reported`."""
    created: str
    """When it was finished, UTC."""
    is_control: bool
    """Whether the scorer is a control."""
    main: Headed | None
    """The number that stands for it; null where nothing was measured."""


class ResultList(Answer):
    """What `sparc3 results list` and `sparc3 results find` found."""

    command: Literal["results"] = "results"
    folder: Path
    """The folder that was looked through."""
    results: list[Listed]
    """The results, by task, model and scorer."""


Folder = Annotated[
    Path | None,
    typer.Argument(
        help="Folder with results.",
        show_default="results, or else leaderboard/results, or else those that the package brings",
    ),
]
Paths = Annotated[
    bool, typer.Option("--paths", help="Print the files alone, one a line, as xargs takes them.")
]


@app.command("list")
def list_all(folder: Folder = None, paths: Paths = False, as_json: JsonFlag = False) -> None:
    """List all results of a folder: key, scorer, task, model, amounts, main number, status, file.

    A file that is no result is left out and named. Exit code 0, 1 when files were left out, 2 for
    wrong input.
    """
    _tell(folder, {}, None, paths, as_json)


def _options(
    task: Annotated[str | None, common.named("task", "Name.")] = None,
    model: Annotated[str | None, common.named("model", "As it was typed.")] = None,
    scorer: Annotated[str | None, common.named("scorer", "Name.")] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="ok, failed, interrupted or withdrawn.",
            autocompletion=lambda: ["ok", "failed", "interrupted", "withdrawn"],
        ),
    ] = None,
    objective: Annotated[str | None, typer.Option(help="Scalar that was attributed.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Number format of the model.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the samples and the scorer.")] = None,
) -> None:
    """Declare what results can be found by, beside their conventions."""


def _find(
    folder: Folder = None,
    wanted: Any = None,
    amount: Annotated[
        float | None,
        typer.Option(help="Of those with this amount; the main number is the one there."),
    ] = None,
    paths: Paths = False,
    as_json: JsonFlag = False,
) -> None:
    """Find results by what was run; what is not said may be anything.

    They are listed as by `sparc3 results list`. Exit code 0, 1 when files were left out, 2 for
    wrong input, also where no result is like that.
    """
    _tell(folder, {n: v for n, v in wanted.items() if v is not None}, amount, paths, as_json)


app.command("find")(
    common.with_options(
        _find,
        "wanted",
        [*common.options_of(_options), *common.convention_options(any_value=True)],
        lambda said, _: said,
    )
)


def _tell(
    folder: Path | None,
    wanted: Mapping[str, object],
    amount: float | None,
    paths: bool,
    as_json: bool,
) -> None:
    folder = folder or usual_folder()
    left_out: list[str] = []
    every = list(read_each(all_referred([folder]), left_out.append, read_record))
    found = [(path, one) for path, one in every if _is_like(one, wanted, amount)]
    if not every:
        raise RecordError("\n".join(left_out))
    for name, value in wanted.items() if not found else ():
        there = {str(one) for _, result in every if (one := _field(name)(result)) is not None}
        if str(value) not in there:
            raise UnknownNameError(f"{name} of a result in {folder}", str(value), there)
    if not found:
        raise RecordError(
            f"No result in {folder} is like that; see what is there with `sparc3 results list "
            f"{folder}`."
        )
    if as_json:
        listed = [listed_as(path, one, amount) for path, one in found]
        ResultList(folder=folder, results=listed).tell()
    elif paths:
        typer.echo("\n".join(str(path) for path, _ in found))
    else:
        _print(found, amount, _shortest([one.key for _, one in every]))
    common.tell_left_out(left_out)


def _is_like(result: Result, wanted: Mapping[str, object], amount: float | None) -> bool:
    if amount is not None and amount not in result.spec.amounts:
        return False
    return all(_field(name)(result) == value for name, value in wanted.items())


_FIELDS: dict[str, Callable[[Result], object]] = {
    "task": lambda result: result.spec.task.name,
    "model": lambda result: result.spec.model.id,
    "scorer": lambda result: result.spec.scorer.name,
    "status": lambda result: result.status,
    "dtype": lambda result: result.spec.model.dtype,
}


def _field(name: str) -> Callable[[Result], object]:
    return _FIELDS.get(name, lambda result: getattr(result.spec, name))


def listed_as(path: Path, result: Result, amount: float | None = None) -> Listed:
    """Return a result as `--json` tells it; its main number is that at an amount, if given."""
    spec, main = result.spec, main_number(result, amount)
    low, high = (main and main.interval) or (None, None)
    return Listed.of(
        result,
        spec,
        path=path,
        scorer=spec.scorer.name,
        options=spec.scorer.options,
        task=spec.task.name,
        model=spec.model.id,
        label=spec.model.label,
        dtype=spec.model.dtype,
        conventions=spec.conventions(),
        main=main
        and Headed.of(
            main,
            main.metric,
            metric=main.metric.name,
            better=main.metric.direction,
            low=low,
            high=high,
        ),
    )


def _print(found: Sequence[tuple[Path, Result]], amount: float | None, digits: int) -> None:
    from sparc3_bench.run.intervals import is_old

    first = ("key", "scorer", "main number")
    columns = (*first, "task", "model", "ranked", "amounts", "status", "file")
    rows = []
    for path, result in found:
        spec, main = result.spec, main_number(result, amount)
        row = (
            result.key[:digits],
            scorer_text(spec) + (f", seed {spec.seed}" if spec.seed else ""),
            main.text if main else "–",
            spec.task.name,
            f"{spec.model.id} {spec.model.label}".rstrip(),
            ", ".join(brief(spec)[: len(CONVENTIONS)][:2]),
            _amounts(spec.amounts),
            result.status,
            str(path),
        )
        rows.append(row)
    # What all have in common is said once.
    alike = [
        at for at in range(3, len(columns)) if len(rows) > 1 and len({r[at] for r in rows}) == 1
    ]
    if alike:
        typer.echo("; ".join(f"{columns[at]}: {rows[0][at]}" for at in alike) + ".")
    kept = [at for at in range(len(columns)) if at not in alike]
    shown = [[row[at] for at in kept] for row in rows]
    out = print_table([columns[at] for at in kept], shown, len(kept), is_list=True)
    old = any(is_old(result) for _, result in found)
    count = how_many(len(found), "result")
    typer.echo(f"{count}. Brackets are 95 % intervals over samples{_OLD if old else ''}.")
    if out:
        typer.echo(f"For want of width there is no {', '.join(out)}; `--json` has all.")


_OLD = ", as recorded; `sparc3 show` makes those of older versions anew"


def _amounts(amounts: Sequence[float]) -> str:
    told = [f"{amount:g}" for amount in amounts]
    return " ".join(told) if len(told) < 5 else f"{told[0]} {told[1]} … {told[-1]} ({len(told)})"


def _shortest(keys: Sequence[str]) -> int:
    """Return how many digits tell these keys apart."""
    every = set(keys)
    digits = _DIGITS
    while len({key[:digits] for key in every}) < len(every):
        digits += 1
    return digits
