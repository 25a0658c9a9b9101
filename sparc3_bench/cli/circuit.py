"""`sparc3 circuit`: show and export the circuits that a result names; `diff` compares them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.circuit_diff as circuit_diff
import sparc3_bench.cli.common as common
from sparc3_bench.circuit import describe, sizes
from sparc3_bench.cli.answers import Answer, JsonFlag
from sparc3_bench.cli.results import Listed, listed_as
from sparc3_bench.cli.show import Measured, numbers_at
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.files import write_atomically
from sparc3_bench.run.progress import Reporter

app = typer.Typer(
    help="Show, export and compare circuits: what a scorer keeps of a model at one size.",
    no_args_is_help=True,
)


class ShownCircuit(Answer):
    """What `sparc3 circuit show` tells."""

    command: Literal["circuit show"] = "circuit show"
    result: Listed
    """The result that names it."""
    amount: float
    """How much of what is ranked is removed: a fraction, or a count."""
    kept_of_scope: float
    """The fraction of the weights in scope that is kept."""
    weights_removed: int
    """How many weights are removed."""
    units_removed: int | None
    """How many units are removed; null in some old records."""
    numbers: list[Measured]
    """Every metric of the circuit."""
    kept: dict[str, list[int]]
    """By role of the matrix, the weights kept in every block; empty where the record has none."""
    whole: dict[str, list[int]]
    """The same of the dense model."""
    heads: list[list[bool | None]] | None
    """By block, whether each head is in it, null where the sketch cannot tell; null for others."""
    pictures: list[Path]
    """Files that were drawn."""


class ExportedCircuit(Answer):
    """What `sparc3 circuit export` wrote."""

    command: Literal["circuit export"] = "circuit export"
    folder: Path
    """The folder."""
    kept_of_scope: float
    """The fraction of the weights in scope that is kept."""
    agreement: float | None
    """The fraction of sampled units that are as in the result; null without a sketch of the size.
    """


Size = Annotated[str | None, typer.Option(help="Fraction kept of what is ranked, from 0 to 1.")]
Remove = Annotated[
    int | None, typer.Option(min=0, help="Units removed; for results that count units.")
]

app.command("diff")(circuit_diff.command)


@app.command()
def show(
    result: common.ResultName,
    size: Size = None,
    remove: Remove = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="SVG file to draw the circuit to; heads go to a second one, FILE-heads.svg."
        ),
    ] = None,
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell what a circuit is, from the result file alone.

    The size is one that was measured; by default the one that was looked for, else the one nearest
    to a tenth of what is ranked. Neither the dense nor the empty model is shown unless it is asked
    for.
    """
    from sparc3_bench.run.intervals import renewed

    path = common.result_file(result, results)
    read = renewed(common.finished(path), common.installed())
    at = sizes.circuit_at(read, sizes.parse_amount(size, remove, read.spec.amount_kind))
    written = []
    if picture is not None:
        if picture.suffix != ".svg":
            raise Sparc3Error(f"`--picture` must name a file that ends in .svg, got '{picture}'.")
        for name, text in describe.pictures(read, at).items():
            written.append(picture.with_stem(f"{picture.stem}-{name}") if name else picture)
            _write(written[-1], text)
    if as_json:
        kept, whole = describe.counts(read, at) or ({}, {})
        ShownCircuit.of(
            at.point.amount,
            result=listed_as(path, read),
            amount=at.amount,
            kept_of_scope=1 - at.point.amount.in_scope,
            numbers=list(numbers_at(read, at.point)),
            kept={role: list(row) for role, row in kept.items()},
            whole={role: list(row) for role, row in whole.items()},
            heads=describe.membership(read, at),
            pictures=written,
        ).tell()
        return
    typer.echo(describe.circuit_text(read, at))
    for file in written:
        typer.echo(f"{file}")


@app.command()
def export(
    result: common.ResultName,
    out: Annotated[Path, typer.Option(help="Folder to write: new, empty, or an earlier export.")],
    size: Size = None,
    remove: Remove = None,
    mib: Annotated[
        str | None,
        typer.Option(
            metavar="TASK_MODEL",
            help="Also write node and neuron scores as the MIB circuit track reads them, in "
            "folders of this name; look up in the track's own docs which names it knows.",
        ),
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Leave the pruned model out.")
    ] = False,
    files: common.Files = [],  # noqa: B006  # typer wants a list
    cache: common.Cache = None,
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a circuit as a folder that others load with transformers and safetensors alone.

    It has the mask, the pruned model, circuit.json with all that is known of it, and a README.md
    with the lines that load it. Scores are read from the cache, or computed again.
    """
    from sparc3_bench.circuit.export import CircuitExport, check_exportable
    from sparc3_bench.circuit.rebuild import rebuilt
    from sparc3_bench.run.place import Place

    path = common.result_file(result, results)
    read = common.finished(path)
    amount = sizes.require_amount(read, sizes.parse_amount(size, remove, read.spec.amount_kind))
    check_exportable(read, out, model=not no_model, mib_name=mib)
    report = Reporter()
    folder = common.cache_folder(cache)
    made = rebuilt(read, str(path), files, folder, Place(folder, report))
    exported = CircuitExport(made, amount, None if no_model else "pruned", mib)
    agreement = exported.agreement
    if agreement is not None and agreement < 1:
        report.say(
            f"Only {agreement:.2%} of the sampled units are as in the result: its scores "
            "were made on another machine, or by other code."
        )
    elif agreement is None and not made.has_same_code:
        report.say(
            f"The code of scorer '{read.spec.scorer.name}' is other than what made the result, and "
            "the result has no sketch of this size that would tell whether the circuit is."
        )
    exported.write(out)
    kept = 1 - exported.size.in_scope
    ExportedCircuit(folder=out, kept_of_scope=kept, agreement=agreement).tell(
        as_json, [f"{out}: {kept:.4%} of the weights in scope are kept"]
    )


def _write(path: Path, text: str) -> None:
    if path.is_dir():
        raise Sparc3Error(f"`--picture` must name a file, but {path} is a folder.")
    try:
        write_atomically(path, text)
    except OSError as error:
        raise Sparc3Error(
            f"The picture {path} cannot be written ({error.strerror}); choose another file for "
            "`--picture`."
        ) from None
