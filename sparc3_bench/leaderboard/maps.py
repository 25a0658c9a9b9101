"""Maps: where in the model the circuits of a section lie, a heat map a series."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sparc3_bench.leaderboard.axes import nice
from sparc3_bench.leaderboard.heatmap import heatmap
from sparc3_bench.leaderboard.phrasing import percent
from sparc3_bench.types.architecture import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparc3_bench.leaderboard.series import Series
    from sparc3_bench.leaderboard.tables import Section

    Shares = Mapping[str, Sequence[float | None]]
    """By the names of the columns, the share of every block."""

_NAMED = 20
"""A description names no more heads."""

_EVEN = 0.05
"""Shares that differ by no more than this part of the largest are the same."""


def atlas(section: Section) -> SimpleNamespace | None:
    """Return where the circuits of the scorers lie, or None where nothing was recorded."""
    scorers = [one for one in section.series if not one.is_control]
    heads = [(one, rows) for one in scorers if (rows := _head_levels(section, one))]
    if heads:
        return _heads(section, heads)
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
    top = min(1.0, nice(max(every), (1, 2, 4, 6, 8)))
    maps = []
    for index, (one, found) in enumerate(shares):
        columns = list(found)
        rows = [list(row) for row in zip(*found.values(), strict=True)]
        drawing = _drawn(
            *(section, one, index, rows, columns),
            legend=f"share {section.sizes.verb}",
            top=top,
            texts=[["none" if v is None else percent(v, 1) for v in row] for row in rows],
        )
        maps.append((one, drawing))
    return SimpleNamespace(words=words, even="", maps=maps)


def _heads(section: Section, found: Sequence[tuple[Series, list[list[int]]]]) -> SimpleNamespace:
    """Return maps of heads: the darker, the smaller the circuits that a head still belongs to."""
    maps = []
    for index, (one, levels) in enumerate(found):
        smallest = _circuits(section, one)
        last = max(level for row in levels for level in row)
        inner = [
            f"{block}.{head}"
            for block, row in enumerate(levels)
            for head, level in enumerate(row)
            if level == last
        ]
        drawing = _drawn(
            *(section, one, index, levels),
            [str(head) for head in range(len(levels[0]))],
            legend=f"smallest circuit it belongs to, share {section.sizes.verb}",
            column_title="head",
            description=f"In the circuit of {smallest[last]}, by block and head: "
            f"{', '.join(inner[:_NAMED])}{' and more' if len(inner) > _NAMED else ''}.",
            top=len(smallest) - 1,
            ticks=list(enumerate(smallest)),
            texts=[[smallest[level] for level in row] for row in levels],
        )
        maps.append((one, drawing))
    words = "the smallest circuit that each attention head belongs to"
    return SimpleNamespace(words=words, even="", maps=maps)


def _drawn(
    section: Section,
    series: Series,
    index: int,
    matrix: Sequence[Sequence[float | None]],
    columns: Sequence[str],
    **rest: Any,
) -> str:
    return heatmap(
        matrix,
        [str(block) for block in range(len(matrix))],
        columns,
        f"Where the circuit of {series.label} lies",
        row_title="block",
        form=percent,
        name=f"{section.id}-map-{index}",
        **rest,
    )


def _circuits(section: Section, series: Series) -> list[str]:
    """Return the sizes of the circuits that a sketch tells apart, from everything down."""
    amounts = next(run.result.spec.amounts for run in series.runs if run.result.sketch)
    sizes = {1.0, *(section.sizes.size(amount) for amount in amounts)}
    return [percent(round(size, 4)) for size in sorted(sizes, reverse=True) if size > 0]


def _head_levels(section: Section, series: Series) -> list[list[int]]:
    """Return, by block and head, the position among `_circuits` of the smallest it belongs to."""
    sketch, kept = series.whole.sketch, series.whole.kept
    blocks = max((len(row) for roles in kept.values() for row in roles.values()), default=0)
    if section.spec.unit != "head" or not sketch or sketch.stride > 1 or not blocks:
        return []
    if sketch.units % blocks:
        return []
    amounts = next(run.result.spec.amounts for run in series.runs if run.result.sketch)
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
    kept = series.whole.kept
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
