"""Maps: where in the model the circuits of a section lie, a matrix a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

from sparc3_bench.comparison.phrasing import percent
from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import Series
from sparc3_bench.types.architecture import Role

Shares = Mapping[str, Sequence[float | None]]
"""By the names of the columns, the share of every block."""

_EVEN = 0.05
"""Shares that differ by no more than this part of the largest are the same."""


def atlas(section: Section) -> SimpleNamespace | None:
    """Return where the circuits of the scorers lie, or None where nothing was recorded.

    Of what is returned, `words` are what the maps show, `maps` the data of each beside its series;
    `even` is the share that every matrix has where none has more than another, and no maps.
    """
    scorers = [one for one in section.series if not one.is_control]
    heads = [(one, rows) for one in scorers if (rows := _head_levels(section, one))]
    if heads:
        words = "the smallest circuit that each attention head belongs to"
        maps = [(one, _heads(section, one, levels)) for one, levels in heads]
        return SimpleNamespace(words=words, even="", maps=maps)
    amount = section.sizes.nearest(0.1)
    if amount is None:
        return None
    shares = [(one, found) for one in scorers if (found := _shares(section, one, amount))]
    if not shares:
        return None
    words = f"the share of each matrix at {section.sizes.share(amount)}"
    every = [v for _, found in shares for row in found.values() for v in row if v is not None]
    if not every or max(every) - min(every) <= _EVEN * max(every):
        even = percent(section.sizes.size(amount))
        return SimpleNamespace(words=words, even=even, maps=())
    maps = []
    for one, found in shares:
        rows = [list(row) for row in zip(*found.values(), strict=True)]
        texts = [["none" if v is None else percent(v, 1) for v in row] for row in rows]
        drawn = _drawn(rows, list(found), texts, f"share {section.sizes.verb}", max(every))
        maps.append((one, drawn))
    return SimpleNamespace(words=words, even="", maps=maps)


def _heads(section: Section, one: Series, levels: list[list[int]]) -> dict[str, object]:
    """Return the map of heads: the darker, the smaller the circuits that a head still is in."""
    smallest = _circuits(section, one)
    texts = [[f"in the circuit of {smallest[level]}" for level in row] for row in levels]
    columns = [str(head) for head in range(len(levels[0]))]
    legend = f"smallest circuit it belongs to, share {section.sizes.verb}"
    drawn = _drawn(levels, columns, texts, legend, len(smallest) - 1, "head")
    return {**drawn, "levels": levels, "circuits": smallest}


def _drawn(
    matrix: Sequence[Sequence[float | None]],
    columns: list[str],
    texts: list[list[str]],
    legend: str,
    top: float,
    column_title: str = "",
) -> dict[str, object]:
    """Return a matrix as data: shares of the darkest, null where there is none."""
    return {
        "rows": [str(block) for block in range(len(matrix))],
        "row_title": "block",
        "columns": columns,
        "column_title": column_title,
        "shares": [
            [None if value is None else round(value / (top or 1), 4) for value in row]
            for row in matrix
        ],
        "texts": texts,
        "legend": legend,
    }


def _circuits(section: Section, series: Series) -> list[str]:
    """Return the sizes of the circuits that a sketch tells apart, from everything down."""
    sizes = {1.0, *(section.sizes.size(amount) for amount in series.sketched_at)}
    return [percent(round(size, 4)) for size in sorted(sizes, reverse=True) if size > 0]


def _head_levels(section: Section, series: Series) -> list[list[int]]:
    """Return, by block and head, the position among `_circuits` of the smallest it belongs to."""
    sketch, kept = series.sketch, series.kept
    blocks = max((len(row) for roles in kept.values() for row in roles.values()), default=0)
    if section.spec.unit != "head" or not sketch or sketch.stride > 1 or not blocks:
        return []
    if sketch.units % blocks:
        return []
    amounts = series.sketched_at
    counts = [int(level, 36) for level in sketch.levels]
    if section.sizes.by_removed:
        counts = [len(amounts) - count for count in counts]
    # Every head belongs to the whole, whether or not an amount is that large.
    whole = any(section.sizes.size(amount) == 1 for amount in amounts)
    top = len(_circuits(section, series)) - 1
    levels = [max(0, min(top, count - whole)) for count in counts]
    heads = sketch.units // blocks
    return [levels[block * heads : (block + 1) * heads] for block in range(blocks)]


def _shares(section: Section, series: Series, amount: float) -> Shares:
    """Return the share of every role in every block that belongs to the circuit.

    Roles that are never pruned are left out; those that are pruned together share a column.
    """
    kept = series.kept
    dense, here = kept.get(0.0), kept.get(amount)
    if not dense or not here:
        return {}
    columns: dict[tuple[float | None, ...], list[str]] = {}
    known = [str(role) for role in Role]
    # In the order of a block; unknown ones last.
    for role in sorted(here, key=lambda role: ((*known, role).index(role), role)):
        row = here[role]
        if all(other.get(role) == dense.get(role) for other in kept.values()):
            continue
        whole = dense.get(role, ())
        if len(whole) != len(row):
            return {}
        kept_of = [left / full if full else None for left, full in zip(row, whole, strict=True)]
        shares = [
            1 - share if section.sizes.by_removed and share is not None else share
            for share in kept_of
        ]
        columns.setdefault(tuple(shares), []).append(role.replace("-", " "))
    return {", ".join(roles): shares for shares, roles in columns.items()}
