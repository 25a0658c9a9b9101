"""The command `sparc3`: one file a subcommand; wrong input ends in one sentence and exit code 2."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sparc3_bench.cli.defaults import take_user_file
from sparc3_bench.errors import ExitCode, Sparc3Error

PANELS = {
    "Measure": ("run", "plan", "status", "rejudge", "replicate", "replay"),
    "Look": (
        "results",
        "show",
        "compare",
        "effects",
        "report",
        "circuit",
        "inspect",
        "suite",
        "list",
        "doctor",
    ),
    "Use": ("prune", "correct", "score"),
    "Share": ("publish", "export", "validate", "migrate", "submit", "withdraw", "schema"),
    "Write plugins": ("new", "check"),
}
"""The commands by what they are for; each has the file of its name, with `command` or an `app`."""

_FILES = {"list": "listing"}
_RUN_EXTRA = (
    *("datasets", "gguf", "h5py", "huggingface_hub", "numpy", "pyarrow", "safetensors", "scipy"),
    *("torch", "transformers", "yaml"),
)
_WRONG_USAGE: type[Exception] = typer.BadParameter.__mro__[1]


class Commands(Mapping[str, Any]):
    """The commands by name; the file of one is imported when it is asked for."""

    def __iter__(self) -> Iterator[str]:
        return (name for names in PANELS.values() for name in names)

    def __len__(self) -> int:
        return sum(map(len, PANELS.values()))

    def __getitem__(self, name: str) -> Any:
        return _loaded(name)


def summary(name: str) -> str:
    """Return what a command does, from the first line of its file."""
    file = Path(__file__).with_name(f"{_FILES.get(name, name)}.py")
    with file.open(encoding="utf-8") as opened:
        said = opened.readline().strip().strip('"').partition(": ")[2]
    return said[:1].upper() + said[1:]


@functools.cache
def _loaded(name: str) -> Any:
    panel = next((panel for panel, names in PANELS.items() if name in names), None)
    if panel is None:
        raise KeyError(name)
    module = importlib.import_module(f"{__name__}.{_FILES.get(name, name)}")
    around = typer.Typer(add_completion=False, rich_markup_mode="rich")
    around.callback()(lambda: None)  # without one it would be no group
    if hasattr(module, "app"):
        around.add_typer(module.app, name=name, rich_help_panel=panel)
    else:
        around.command(name, rich_help_panel=panel)(module.command)
    made = typer.main.get_group(around).commands[name]
    _take_as_plain(made)
    return made


def _take_as_plain(command: Any) -> None:
    """Have help shown as it is written: lines broken anew, brackets for what they are."""
    for one in (command, *command.params):
        paragraphs = (getattr(one, "help", None) or "").split("\n\n")
        one.help = "\n\n".join(" ".join(text.split()) for text in paragraphs).replace("[", "\\[")
    for inner in getattr(command, "commands", {}).values():
        _take_as_plain(inner)


class Program(TyperGroup):
    """The whole command line."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = Commands()  # type: ignore[assignment]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show what there is; of each command the first line of its file, which is not imported."""
        shown = [
            TyperCommand(name, help=summary(name), rich_help_panel=panel)
            for panel, names in PANELS.items()
            for name in names
        ]
        loaded, self.commands = self.commands, {str(one.name): one for one in shown}
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = loaded

    def invoke(self, ctx: Any) -> Any:
        """Do what is asked for, quietly if that is asked for too."""
        with _held() if ctx.params.get("quiet") else contextlib.nullcontext():
            return super().invoke(ctx)


@contextlib.contextmanager
def _held() -> Iterator[None]:
    """Hold back what is said on standard error; where something goes wrong, let it out."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except typer.Exit as end:
        if end.exit_code == ExitCode.NOT_WELL:
            sys.stderr.write(said.getvalue())
        raise


app = typer.Typer(
    name="sparc3",
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sparc3-bench {importlib.metadata.version('sparc3-bench')}")
        raise typer.Exit


@app.callback()
def whole(
    context: typer.Context,
    quiet: bool = typer.Option(
        False, "--quiet", "-q", help="Say nothing but results, and what goes wrong."
    ),
    version: bool = typer.Option(
        False,
        "--version",
        "-V",
        help="Show the version and exit.",
        is_eager=True,
        callback=_tell_version,
    ),
) -> None:
    """Compare ways to score the weights of a language model by importance.

    Every command that prints results prints one JSON object instead with `--json`.
    """
    take_user_file(context)


def main() -> None:
    """Run the command line."""
    # Threads that spin while they wait make everything many times slower beside another process.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _hide_foreign_torchvision()
    try:
        code = app(prog_name="sparc3", standalone_mode=False)
    except Sparc3Error as error:
        code = _told(str(error))
    except _WRONG_USAGE as error:
        code = _told(_usage(error))
    except ModuleNotFoundError as error:
        if error.name not in _RUN_EXTRA:
            raise
        code = _told(
            f"This needs the package '{error.name}', which is not installed; "
            "pip install 'sparc3-bench[run]'."
        )
    except OSError as error:
        if error.filename is None:
            raise
        code = _told(
            f"'{error.filename}' cannot be used ({error.strerror}); see that it is there and may "
            "be written to. What is finished is kept; the same command goes on from there."
        )
    if code == ExitCode.INTERRUPTED:
        _told("Interrupted. What is finished is kept; the same command goes on from there.")
    sys.exit(code)


def _usage(error: Any) -> str:
    """Return what is wrong with what was typed; nothing where help was shown instead."""
    text = " ".join(error.format_message().split()).partition(", unable to parse")[0].rstrip(".")
    text = re.sub(r"^Invalid value for '(.+)': Input should be", r"`\1` must be", text)
    return f"{text}; see `{error.ctx.command_path} --help`." if text and error.ctx else text


def _hide_foreign_torchvision() -> None:
    """Hide torchvision where it was built for another torch than the one here.

    Where it is installed transformers imports it, and cannot be imported when that fails. Nothing
    here needs it; packages such as lxt bring it along. Builds are told by what follows the plus
    sign of a version: torch 2.13.0+cpu goes with torchvision 0.28.0+cpu.
    """
    try:
        versions = [importlib.metadata.version(name) for name in ("torch", "torchvision")]
    except importlib.metadata.PackageNotFoundError:
        return
    builds = {version.partition("+")[2] for version in versions}
    if len(builds) > 1:
        sys.modules["torchvision"] = None  # type: ignore[assignment]


def _told(text: str) -> int:
    if text:
        typer.echo(text, err=True)
    return ExitCode.WRONG_INPUT
