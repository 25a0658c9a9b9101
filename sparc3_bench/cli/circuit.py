"""`sparc3 circuit`: show, export and compare the circuits that a result file names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.circuit import compare, describe, sizes
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.files import read_result, write_atomically
from sparc3_bench.record.result import Result

app = typer.Typer(
    help="Show, export and compare circuits: what a scorer keeps of a model at one size.",
    no_args_is_help=True,
)

ResultFile = Annotated[Path, typer.Argument(help="Result file that `sparc3 run` wrote.")]
Size = Annotated[
    str | None,
    typer.Option(help="Fraction kept of what is ranked, from 0 to 1.", show_default=False),
]
Remove = Annotated[
    int | None,
    typer.Option(min=0, help="Units removed; for results that count units.", show_default=False),
]
Files = Annotated[
    list[Path],
    typer.Option(
        "--files",
        help="Folder with the local models and texts, whose names alone are in a result; "
        "repeatable [default: the working folder].",
        show_default=False,
    ),
]


@app.command()
def show(
    result: ResultFile,
    size: Size = None,
    remove: Remove = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="SVG file to draw the circuit to; heads go to a second one, FILE-heads.svg.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Tell what a circuit is, from the result file alone.

    The size is one that was measured; by default the one that was looked for, else the one nearest
    to a tenth of the scope. Neither the dense nor the empty model is shown unless it is asked for.
    """
    from sparc3_bench.host import default_host
    from sparc3_bench.run.intervals import renewed

    read = renewed(_read(result), default_host())
    at = sizes.circuit_at(read, sizes.parse_amount(size, remove, read.spec.amount_kind))
    written = []
    if picture is not None:
        if picture.suffix != ".svg":
            raise Sparc3Error(f"`--picture` must name a file that ends in .svg, got '{picture}'.")
        for name, text in describe.pictures(read, at).items():
            written.append(picture.with_stem(f"{picture.stem}-{name}") if name else picture)
            _write(written[-1], text)
    typer.echo(describe.circuit_text(read, at))
    for path in written:
        typer.echo(f"{path}")


@app.command()
def export(
    result: ResultFile,
    out: Annotated[Path, typer.Option(help="Folder to write: new, empty, or an earlier export.")],
    size: Size = None,
    remove: Remove = None,
    mib: Annotated[
        str | None,
        typer.Option(
            metavar="TASK_MODEL",
            help="Also write node and neuron scores as the MIB circuit track reads them, in "
            "folders of this name; look up in the track's own docs which names it knows.",
            show_default=False,
        ),
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Leave the pruned model out.")
    ] = False,
    files: Files = [],  # noqa: B006  # typer wants a list
    cache: common.Cache = None,
) -> None:
    """Write a circuit as a folder that others load with transformers and safetensors alone.

    It has the mask, the pruned model, circuit.json with all that is known of it, and a README.md
    with the lines that load it. Scores are read from the cache, or computed again.
    """
    from sparc3_bench.circuit.export import check_exportable
    from sparc3_bench.circuit.export import export as write
    from sparc3_bench.circuit.rebuild import rebuilt
    from sparc3_bench.run.place import Place
    from sparc3_bench.run.progress import Reporter

    read = _read(result)
    amount = sizes.require_amount(read, sizes.parse_amount(size, remove, read.spec.amount_kind))
    check_exportable(read, out, model=not no_model, mib_name=mib)
    report = Reporter()
    folder = common.cache_folder(cache)
    made = rebuilt(read, str(result), files, folder, Place(folder, report))
    circuit = made.circuit(amount)
    if circuit.agreement is not None and circuit.agreement < 1:
        report.say(
            f"Only {circuit.agreement:.2%} of the sampled units are as in the result: its scores "
            "were made on another machine, or by other code."
        )
    elif circuit.agreement is None and not made.has_same_code:
        report.say(
            f"The code of scorer '{read.spec.scorer.name}' is other than what made the result, and "
            "the result has no sketch of this size that would tell whether the circuit is."
        )
    write(made, circuit, out, model=not no_model, mib_name=mib)
    typer.echo(f"{out}: {1 - circuit.amount.in_scope:.4%} of the weights in scope are kept")


@app.command()
def diff(
    results: Annotated[list[Path], typer.Argument(help="Two or more result files.")],
    size: Annotated[
        list[str],
        typer.Option(
            help="Fraction kept, repeatable [default: every size that all results have].",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    remove: Annotated[
        list[int],
        typer.Option(
            min=0, help="Units removed, repeatable; for results that count.", show_default=False
        ),
    ] = [],  # noqa: B006
    sketch: Annotated[
        bool,
        typer.Option("--sketch", help="Compare the sketches in the files, without the model."),
    ] = False,
    files: Files = [],  # noqa: B006
    cache: common.Cache = None,
) -> None:
    """Count what circuits on the same model share, and tell where one has more.

    Jaccard is in both over in either; overlap is in both over the smaller one. More than two
    results give matrices.
    """
    read = {str(path): _read(path) for path in results}
    if len(read) < len(results):
        raise Sparc3Error("A result is named twice; name each once.")
    compare.check_comparable(read)
    kind = next(iter(read.values())).spec.amount_kind
    amounts = _amounts(list(read.values()), size, remove)
    told = [sizes.size_text(amount, kind) for amount in amounts]
    # Where each has more is a table for every size; unless asked for more, one will do.
    detailed = amounts if size or remove else [sizes.usual(amounts, kind)]
    counts: list[Found | None]
    if sketch:
        units = [list(compare.sketched_units(read, amount).values()) for amount in amounts]
        overlaps = [compare.of_each_two(compare.overlap_of_samples, some) for some in units]
        lines = compare.comparison_text(list(read), told, overlaps, None)
        lines += "\nunits sampled in the sketches"
        counts = [_recorded_counts(read, amount) for amount in detailed]
    else:
        from sparc3_bench.circuit import rebuild
        from sparc3_bench.run.place import Place
        from sparc3_bench.run.progress import Reporter

        folder = common.cache_folder(cache)
        place = Place(folder, Reporter())
        made = [rebuild.rebuilt(one, name, files, folder, place) for name, one in read.items()]
        overlaps = [rebuild.overlaps_of(made, amount) for amount in amounts]
        lines = compare.comparison_text(list(read), told, overlaps, rebuild.likeness(made))
        one, two = made[:2]
        counts = [
            (one.circuit(amount).counts, two.circuit(amount).counts, one.whole)
            for amount in (detailed if len(made) == 2 else ())
        ]
    typer.echo(lines)
    if len(read) == 2:
        for amount, found in zip(detailed, counts, strict=True):
            if found is not None:
                typer.echo("\n" + compare.difference(*found, sizes.size_text(amount, kind)))


Found = tuple["describe.Counts", "describe.Counts", "describe.Counts"]


def _recorded_counts(read: Mapping[str, Result], amount: float) -> Found | None:
    """Return the counts of the first two results, if the records have them."""
    one, two = (
        describe.counts(result, sizes.circuit_at(result, amount))
        for result in list(read.values())[:2]
    )
    return None if one is None or two is None or one[1] != two[1] else (one[0], two[0], one[1])


def _amounts(results: Sequence[Result], size: list[str], remove: list[int]) -> list[float]:
    kind = results[0].spec.amount_kind
    shared = sizes.common(results)
    typed = [sizes.parse_amount(text, None, kind) for text in size]
    typed += [sizes.parse_amount(None, count, kind) for count in remove]
    return [amount for amount in typed if amount is not None] or shared


def _read(path: Path) -> Result:
    result = read_result(path)
    if result.status != "ok":
        reason = (result.error or "").partition("\n")[0]
        raise Sparc3Error(f"{path} is of a run that failed ({reason}); run it again.")
    return result


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
