"""What several subcommands share: options with their help, and the request made of them."""

from __future__ import annotations

import copy
import functools
import importlib.metadata
import inspect
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

import sparc3_bench.cli.defaults as defaults
from sparc3_bench.assets import CACHE_VARIABLE, LIMIT_VARIABLE, default_cache, scores_limit
from sparc3_bench.errors import ExitCode
from sparc3_bench.types.conventions import AskedConventions, Conventions, values_of

if TYPE_CHECKING:
    from rich.table import Table


def _convention(name: str) -> Any:
    """Return the option of a convention."""
    usual = AskedConventions.model_fields[name].default
    told = str(Conventions.model_fields[name].description).rstrip(".")
    absent = "" if usual else " [default: the scorer's]"
    return typer.Option(help=f"{told}: {', '.join(values_of(name))}{absent}.")


ScorerNames = Annotated[
    list[str],
    typer.Option(
        "--scorer",
        help="Scorer to run, repeatable; NAME@0,1,2 runs it with these seeds.",
        show_default=False,
    ),
]
TaskName = Annotated[str, typer.Option("--task", help="Task to run.")]
ModelName = Annotated[
    str, typer.Option("--model", help="Named model, local folder or GGUF file, or Hugging Face id.")
]
ScorerOptions = Annotated[
    list[str],
    typer.Option(
        "--scorer-option",
        help="NAME=VALUE for every scorer that has it, SCORER.NAME=VALUE for one; repeatable.",
    ),
]
TaskOptions = Annotated[
    list[str], typer.Option("--task-option", help="NAME=VALUE; repeatable. See `sparc3 list`.")
]
JudgeName = Annotated[
    str | None,
    typer.Option("--judge", help="Judge of what models write; the task's default when absent."),
]
JudgeOptions = Annotated[
    list[str],
    typer.Option("--judge-option", help="NAME=VALUE; repeatable. See `sparc3 list judges`."),
]
Objective = Annotated[
    str | None,
    typer.Option(help="Scalar that is attributed [default: the scorer's, or else the task's]."),
]
Scope = Annotated[str, _convention("scope")]
Seed = Annotated[int, typer.Option(help="Seed of scorers named without one of their own.")]
Dtype = Annotated[
    str,
    typer.Option(help="float32, bfloat16, or auto: bfloat16 where the processor has it."),
]
Device = Annotated[str, typer.Option(help="Torch device the model runs on.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Reference samples run at once.")]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help=f"Folder for models, texts, scores and finished points [default: ${CACHE_VARIABLE}, "
        f"or sparc3-bench in the user's cache]. Of scores it keeps ${LIMIT_VARIABLE} GB "
        "[default: 20], those used last.",
        show_default=False,
    ),
]


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sparc3-bench {importlib.metadata.version('sparc3-bench')}")
        raise typer.Exit


def whole(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_tell_version
        ),
    ] = False,
) -> None:
    """Compare ways to score the weights of a language model by importance."""
    defaults.take_user_file(context)


def with_options(
    command: Callable[..., None],
    name: str,
    options: Sequence[inspect.Parameter],
    made: Callable[[dict[str, Any], typer.Context], Any],
) -> Callable[..., None]:
    """Let a command, which has a parameter `context`, take options in the place of another one.

    Parameters
    ----------
    command
        The command.
    name
        Of the parameter that the options make.
    options
        What users type.
    made
        Makes the parameter's value of what was said.
    """
    own = inspect.signature(command, eval_str=True).parameters

    @functools.wraps(command)
    def taking(**given: Any) -> None:
        said = {one.name: given.pop(one.name) for one in options}
        command(**given, **{name: made(said, given["context"])})

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters: list[inspect.Parameter] = []
    for one in own.values():
        parameters += options if one.name == name else [one]
    taking.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [one.replace(kind=keyword) for one in parameters]
    )
    taking.__annotations__ = {one.name: one.annotation for one in parameters}
    return taking


def in_panel(option: inspect.Parameter, panel: str) -> inspect.Parameter:
    """Return an option as it stands in a panel of the help."""
    kind, told = get_args(option.annotation)
    told = copy.copy(told)
    told.rich_help_panel = panel
    return option.replace(annotation=Annotated[kind, told])


def convention_options() -> list[inspect.Parameter]:
    """Return an option for each convention but that of kinds of amounts.

    Amounts are said by options of their own.
    """
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[str if field.default else str | None, _convention(name)],
        )
        for name, field in AskedConventions.model_fields.items()
        if name != "amount_kind"
    ]


def given(context: typer.Context, name: str) -> bool:
    """Return whether the user typed an option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def cache_folder(chosen: Path | None) -> Path:
    """Return the cache folder to use.

    Raises
    ------
    AssetError
        When the limit of what it keeps is no number.
    """
    scores_limit()  # a bad one is refused before anything is computed
    return chosen if chosen is not None else default_cache()


def tell_left_out(sentences: Sequence[str]) -> None:
    """Tell which files of others were left out; exit with code 1 if there are any."""
    for sentence in sentences:
        typer.echo(f"left out: {sentence}", err=True)
    if sentences:
        raise typer.Exit(ExitCode.NOT_WELL)


def table(columns: Sequence[str], left: int, title: str | None = None) -> Table:
    """Return an empty table whose first columns, so many, are flush left and the others right."""
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        made.add_column(column, justify="left" if index < left else "right")
    return made


@contextmanager
def interruptible() -> Iterator[None]:
    """Take the first signal to end as control-C; the second ends this process at once."""
    known = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {number: signal.getsignal(number) for number in known if number is not None}
    told = False

    def end(*_: object) -> None:
        nonlocal told
        if told:
            os._exit(ExitCode.INTERRUPTED)
        told = True
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
