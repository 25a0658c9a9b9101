"""`sparc3 circuit diff`: what circuits on the same model share, and where one has more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.circuit import compare, describe, sizes
from sparc3_bench.circuit.compare import Overlap, Pair
from sparc3_bench.circuit.describe import Counts
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.record.result import Result
from sparc3_bench.run.progress import Reporter


class SharedUnits(Part):
    """What two circuits share."""

    amount: float
    """How much of what is ranked is removed."""
    first: Path
    """One result."""
    second: Path
    """The other."""
    in_first: int
    """Units of the first."""
    in_second: int
    """Units of the second."""
    in_both: int
    """Units of both."""
    jaccard: float
    """In both over in either."""
    overlap: float
    """In both over the smaller one."""


class ComparedCircuits(Answer):
    """What `sparc3 circuit diff` counted."""

    command: Literal["circuit diff"] = "circuit diff"
    sampled: bool
    """Whether units of the sketches were counted, and not all."""
    pairs: list[SharedUnits]
    """Every two results at every amount."""
    rank_correlations: list[float] | None
    """Of the scores, for every two results as at the first amount; null where there is none."""


def command(
    result: common.ResultNames,
    size: Annotated[
        list[str],
        typer.Option(
            help="Fraction kept, repeatable.", show_default="every size that all results have"
        ),
    ] = [],  # noqa: B006
    remove: Annotated[
        list[int], typer.Option(min=0, help="Units removed, repeatable; for results that count.")
    ] = [],  # noqa: B006
    sketch: Annotated[
        bool,
        typer.Option("--sketch", help="Compare the sketches in the files, without the model."),
    ] = False,
    files: common.Files = [],  # noqa: B006
    cache: common.Cache = None,
    results: common.SearchedFolder = None,
    as_json: JsonFlag = False,
) -> None:
    """Count what circuits on the same model share, and tell where one has more.

    Jaccard is in both over in either; overlap is in both over the smaller one. More than two
    results give matrices.
    """
    paths = common.result_files(result, results)
    read = {str(path): common.finished(path) for path in paths}
    compare.check_comparable(read)
    kind = next(iter(read.values())).spec.amount_kind
    amounts = _amounts(list(read.values()), size, remove)
    told = [sizes.size_text(amount, kind) for amount in amounts]
    # Where each has more is a table for every size; unless asked for more, one will do.
    detailed = amounts if size or remove else [sizes.usual(amounts, kind)]
    counts: list[Found | None]
    likeness = None
    if sketch:
        units = [list(compare.sketched_units(read, amount).values()) for amount in amounts]
        overlaps = [compare.of_each_two(compare.overlap_of_samples, some) for some in units]
        counts = [_recorded_counts(read, amount) for amount in detailed]
    else:
        from sparc3_bench.circuit import rebuild
        from sparc3_bench.run.place import Place

        folder = common.cache_folder(cache)
        place = Place(folder, Reporter())
        made = [rebuild.rebuilt(one, name, files, folder, place) for name, one in read.items()]
        overlaps = [rebuild.overlaps_of(made, amount) for amount in amounts]
        likeness = rebuild.likeness(made)
        one, two = made[:2]
        counts = [
            (one.size(amount).kept, two.size(amount).kept, one.whole)
            for amount in (detailed if len(made) == 2 else ())
        ]
    if as_json:
        _tell(paths, amounts, overlaps, likeness, sketch)
        return
    lines = compare.comparison_text(list(read), told, overlaps, likeness)
    typer.echo(lines + ("\nunits sampled in the sketches" if sketch else ""))
    if len(read) == 2:
        for amount, found in zip(detailed, counts, strict=True):
            if found is not None:
                typer.echo("\n" + compare.difference(*found, sizes.size_text(amount, kind)))


Found = tuple["Counts", "Counts", "Counts"]


def _tell(
    paths: Sequence[Path],
    amounts: Sequence[float],
    overlaps: Sequence[Mapping[Pair, Overlap]],
    likeness: Mapping[Pair, float] | None,
    sampled: bool,
) -> None:
    pairs = [
        SharedUnits(
            amount=amount,
            first=paths[first],
            second=paths[second],
            in_first=one.left,
            in_second=one.right,
            in_both=one.both,
            jaccard=one.jaccard,
            overlap=one.coefficient,
        )
        for amount, some in zip(amounts, overlaps, strict=True)
        for (first, second), one in some.items()
    ]
    correlations = None if likeness is None else list(likeness.values())
    ComparedCircuits(sampled=sampled, pairs=pairs, rank_correlations=correlations).tell()


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
