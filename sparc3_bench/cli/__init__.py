"""The command `sparc3`: one file a subcommand; wrong input ends in one sentence and exit code 2."""

from __future__ import annotations

import sys

import typer

from sparc3_bench.cli import (
    check,
    circuit,
    compare,
    correct,
    doctor,
    listing,
    migrate,
    publish,
    rejudge,
    replicate,
    run,
    score,
    submit,
    validate,
)
from sparc3_bench.errors import Sparc3Error

_RUN_EXTRA = ("datasets", "gguf", "h5py", "numpy", "safetensors", "scipy", "torch", "transformers")

_INTERRUPTED = 130
"""The exit code typer gives for control-C."""

app = typer.Typer(
    name="sparc3",
    help="Compare ways to score the weights of a language model by importance.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("list")(listing.command)
app.command("run")(run.command)
app.command("score")(score.command)
app.command("check")(check.command)
app.command("correct")(correct.command)
app.command("rejudge")(rejudge.command)
app.command("replicate")(replicate.command)
app.command("validate")(validate.command)
app.command("show")(compare.show)
app.command("compare")(compare.command)
app.command("submit")(submit.command)
app.command("withdraw")(submit.withdraw)
app.command("migrate")(migrate.command)
app.command("schema")(migrate.schema)
app.command("publish")(publish.command)
app.command("doctor")(doctor.command)
app.add_typer(circuit.app, name="circuit")


def main() -> None:
    """Run the command line."""
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
        if done.code == _INTERRUPTED:
            _told("Interrupted. What is finished is kept; the same command goes on from there.")
        raise


def _told(text: str) -> int:
    typer.echo(text, err=True)
    return 2
