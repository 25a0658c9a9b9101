"""What several subcommands share: options with their help, and the request made of them."""

from __future__ import annotations

import copy
import functools
import inspect
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

import sparc3_bench.cli.completion as completion
from sparc3_bench.assets import CACHE_VARIABLE, LIMIT_VARIABLE, default_cache, scores_limit
from sparc3_bench.errors import ExitCode
from sparc3_bench.types.conventions import AskedConventions, Conventions, written_of

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.record.result import Result


def convention(name: str, any_value: bool = False) -> Any:
    """Return the option of a convention."""
    usual = any_value or AskedConventions.model_fields[name].default
    told = str(Conventions.model_fields[name].description).rstrip(".")
    return typer.Option(
        help=f"{told}: {', '.join(written_of(name))}.",
        show_default=True if usual else "the scorer's",
        autocompletion=lambda: written_of(name),
    )


def named(kind: str, help: str, *typed: str, **more: Any) -> Any:
    """Return the option whose values are names of installed plugins; `more` is for typer."""
    return typer.Option(*typed, help=help, autocompletion=completion.names_of(kind), **more)


MODEL_HELP = "Named model, local folder or GGUF file, or Hugging Face id."
ScorerNames = Annotated[
    list[str],
    named("scorer", "Scorer to run, repeatable; NAME@0,1,2 runs it with these seeds.", "--scorer"),
]
TaskName = Annotated[str, named("task", "Task to run.", "--task")]
ModelName = Annotated[str, named("model", MODEL_HELP, "--model")]
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
    str | None, named("judge", "Judge of what models write.", "--judge", show_default="the task's")
]
JudgeOptions = Annotated[
    list[str],
    typer.Option("--judge-option", help="NAME=VALUE; repeatable. See `sparc3 list judges`."),
]
Objective = Annotated[
    str | None,
    typer.Option(
        help="Scalar that is attributed.", show_default="the scorer's, or else the task's"
    ),
]
Scope = Annotated[str, convention("scope")]
Seed = Annotated[int, typer.Option(help="Seed of scorers named without one of their own.")]
Dtype = Annotated[
    str,
    typer.Option(help="float32, bfloat16, or auto: bfloat16 where the processor has it."),
]
Device = Annotated[
    str,
    typer.Option(help="Torch device the model runs on; several, with commas, share its blocks."),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1, help="Reference samples run at once.", show_default="short ones, up to 512 tokens"
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder for models, texts, scores and finished points. Of scores it keeps "
        f"${LIMIT_VARIABLE} GB (20 where it is not set), those used last.",
        show_default=f"${CACHE_VARIABLE}, or sparc3-bench in the user's cache",
    ),
]
_NAMED = "a file, the first 4 or more digits of a key (see `sparc3 results list`), or a folder"
ResultName = Annotated[
    str,
    typer.Argument(help=f"Result: {_NAMED} that has it alone.", autocompletion=completion.keys),
]
ResultNames = Annotated[
    list[str],
    typer.Argument(help=f"Results: {_NAMED} of them.", autocompletion=completion.keys),
]
Files = Annotated[
    list[Path],
    typer.Option(
        "--files",
        help="Folder with the local models and texts, whose names alone are in a result; "
        "repeatable.",
        show_default="the working folder",
    ),
]
SearchedFolder = Annotated[
    Path | None,
    typer.Option(
        "--results",
        help="Folder in which keys are looked up.",
        show_default="results, leaderboard/results, then those that the package brings",
    ),
]


def with_options(
    command: Callable[..., None],
    name: str,
    options: Sequence[inspect.Parameter],
    made: Callable[[dict[str, Any], typer.Context | None], Any],
) -> Callable[..., None]:
    """Let a command take options in the place of another parameter.

    `name` is that of the parameter, whose value is made of what was said and, if the command has
    one, its parameter `context`.
    """
    own = inspect.signature(command, eval_str=True).parameters

    @functools.wraps(command)
    def taking(**given: Any) -> None:
        said = {one.name: given.pop(one.name) for one in options}
        command(**given, **{name: made(said, given.get("context"))})

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


def options_of(declared: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the options that a function or a class declares, to be taken by a command."""
    return [*inspect.signature(declared, eval_str=True).parameters.values()]


def convention_options(any_value: bool = False) -> list[inspect.Parameter]:
    """Return an option for each convention but kinds of amounts, which have options of their own.

    Nothing said means the usual value, or `any_value`.
    """
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if any_value else field.default,
            annotation=Annotated[
                str | None if any_value or not field.default else str, convention(name, any_value)
            ],
        )
        for name, field in AskedConventions.model_fields.items()
        if name != "amount_kind"
    ]


def given(context: typer.Context, name: str) -> bool:
    """Return whether the user typed an option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def installed() -> PluginHost:
    """Return the plugins that are installed."""
    from sparc3_bench.host import default_host

    return default_host()


def renewed_results(files: Sequence[Path], left_out: list[str]) -> list[Result]:
    """Return results with the intervals that this version makes; why files are none is appended."""
    from sparc3_bench.record.files import read_each
    from sparc3_bench.run.intervals import renewed

    host = installed()
    return [renewed(one, host) for _, one in read_each(files, left_out.append)]


def finished(path: Path) -> Result:
    """Return the result of a run that came to its end.

    Raises Sparc3Error when it failed, was interrupted or is withdrawn; or as `read_result`.
    """
    from sparc3_bench.record.files import read_result

    result = read_result(path)
    result.check_finished(path)
    return result


def result_file(said: str, folder: Path | None, to_change: bool = False) -> Path:
    """Return the file of the result that is meant, whose key may be looked up in a folder."""
    from sparc3_bench.record.reference import referred

    return referred(said, _searched(folder, to_change))


def result_files(said: Sequence[str], folder: Path | None, to_change: bool = False) -> list[Path]:
    """Return the files of all results that are meant, keys being looked up in a folder."""
    from sparc3_bench.record.reference import all_referred

    return all_referred(said, _searched(folder, to_change))


def _searched(folder: Path | None, to_change: bool) -> Sequence[Path]:
    from sparc3_bench.record.reference import OWN_FOLDERS, USUAL_FOLDERS

    if folder is not None:
        return (folder,)
    return OWN_FOLDERS if to_change else USUAL_FOLDERS


def cache_folder(chosen: Path | None) -> Path:
    """Return the cache folder to use.

    Raises AssetError when the limit of what it keeps is no number.
    """
    scores_limit()  # a bad one is refused before anything is computed
    return chosen if chosen is not None else default_cache()


def tell_left_out(sentences: Sequence[str]) -> None:
    """Tell which files of others were left out; exit with code 1 if there are any."""
    for sentence in sentences:
        typer.echo(f"left out: {sentence}", err=True)
    if sentences:
        raise typer.Exit(ExitCode.NOT_WELL)


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
