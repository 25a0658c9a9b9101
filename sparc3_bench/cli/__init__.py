"""The command `sparc3`: one file a subcommand; wrong input ends in one sentence and exit code 2."""

from __future__ import annotations

import importlib.metadata
import os
import sys

import typer

from sparc3_bench.cli import (
    check,
    circuit,
    common,
    compare,
    correct,
    doctor,
    export,
    inspect,
    listing,
    migrate,
    new,
    plan,
    prune,
    publish,
    rejudge,
    replay,
    replicate,
    report,
    run,
    score,
    status,
    submit,
    suite,
    validate,
)
from sparc3_bench.errors import ExitCode, Sparc3Error

_RUN_EXTRA = (
    *("datasets", "gguf", "h5py", "huggingface_hub", "numpy", "pyarrow", "safetensors", "scipy"),
    *("torch", "transformers", "yaml"),
)

app = typer.Typer(
    name="sparc3",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.callback()(common.whole)
app.command("list")(listing.command)
app.command("run")(run.command)
app.command("plan")(plan.command)
app.command("status")(status.command)
app.command("score")(score.command)
app.command("new")(new.command)
app.command("check")(check.command)
app.command("inspect")(inspect.command)
app.command("correct")(correct.command)
app.command("prune")(prune.command)
app.command("rejudge")(rejudge.command)
app.command("replay")(replay.command)
app.command("replicate")(replicate.command)
app.command("validate")(validate.command)
app.command("show")(compare.show)
app.command("compare")(compare.command)
app.command("report")(report.command)
app.command("export")(export.command)
app.command("submit")(submit.command)
app.command("withdraw")(submit.withdraw)
app.command("migrate")(migrate.command)
app.command("schema")(migrate.schema)
app.command("publish")(publish.command)
app.command("doctor")(doctor.command)
app.add_typer(circuit.app, name="circuit")
app.add_typer(suite.app, name="suite")


def main() -> None:
    """Run the command line."""
    # Threads that spin while they wait make everything many times slower beside another process.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _hide_foreign_torchvision()
    try:
        app()
    except Sparc3Error as error:
        sys.exit(_told(str(error)))
    except ModuleNotFoundError as error:
        if error.name not in _RUN_EXTRA:
            raise
        sys.exit(
            _told(
                f"This needs the package '{error.name}', which is not installed; "
                "pip install 'sparc3-bench[run]'."
            )
        )
    except SystemExit as done:
        if done.code == ExitCode.INTERRUPTED:
            _told("Interrupted. What is finished is kept; the same command goes on from there.")
        raise


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
    typer.echo(text, err=True)
    return ExitCode.WRONG_INPUT
