"""Overlap: how alike the circuits of different scorers are, from their sketches."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from types import SimpleNamespace

from sparc3_bench.comparison.sections import Section
from sparc3_bench.comparison.series import Series, seeds
from sparc3_bench.record.parts import Sketch

_LEAST = 30
"""Of fewer sampled units nothing can be said of how many two circuits share."""


def overlap(left: Sketch, right: Sketch, kept_at: int, *, removed: bool = False) -> float:
    """Return the Jaccard index of two circuits, or of what is removed: in both over in either.

    An estimate from every `stride`-th unit; 1 where neither has any of them. Circuits are nested,
    so a unit is kept at position `kept_at` of the amounts when its level, the number of amounts at
    which it is kept, is larger. ValueError where the sketches are of different units.
    """
    if (left.units, left.stride, len(left.levels)) != (
        right.units,
        right.stride,
        len(right.levels),
    ):
        raise ValueError("Only sketches of the same units can be compared.")
    mine, its = (_bits(one.levels, kept_at, removed) for one in (left, right))
    either = (mine | its).bit_count()
    return (mine & its).bit_count() / either if either else 1.0


@lru_cache(maxsize=256)
def _bits(levels: str, kept_at: int, removed: bool) -> int:
    """Return a number with a bit for every unit, set where it is in the circuit."""
    inside = {digit: str(int((int(digit, 36) > kept_at) != removed)) for digit in set(levels)}
    table = str.maketrans("".join(inside), "".join(inside.values()))
    return int(levels.translate(table) or "0", 2)


def overlap_matrices(
    section: Section, variants: Collection[int] = ()
) -> tuple[SimpleNamespace, ...]:
    """Return the overlaps between the series of a section at sizes near 10 % and 1 %.

    Only series whose sketches are of the same units at the same amounts are compared; of a series
    with several seeds, the first. Those at the positions of `variants` come last.
    """
    alike: dict[tuple[int, int, tuple[float, ...]], list[tuple[Series, Sketch]]] = {}
    rows = sorted(enumerate(section.series), key=lambda row: row[0] in variants)
    own = [one for place, one in rows if place not in variants]
    for _, one in rows:
        sketch = one.sketch
        if sketch:
            key = (sketch.units, sketch.stride, one.sketched_at)
            alike.setdefault(key, []).append((one, sketch))
    sizes = section.sizes
    found = []
    for (units, _, amounts), pairs in alike.items():
        for amount in sizes.compared():
            if len(pairs) < 2 or amount not in amounts:
                continue
            if sizes.is_few and sizes.size(amount) * len(pairs[0][1].levels) < _LEAST:
                continue
            at = amounts.index(amount)
            indices = [
                tuple(
                    overlap(sketch, other, at, removed=sizes.by_removed)
                    for _, other in pairs[:index]
                )
                for index, (_, sketch) in enumerate(pairs)
            ]
            found.append(
                SimpleNamespace(
                    amount=amount,
                    chance=sizes.size(amount) / (2 - sizes.size(amount)),
                    series=[one for one, _ in pairs],
                    has_seeds=any(len(seeds(one.runs)) > 1 for one, _ in pairs),
                    standing=sum(any(one is other for other in own) for one, _ in pairs),
                    rows=tuple(indices[1:]),
                    sampled=len(pairs[0][1].levels),
                    units=units,
                )
            )
    return tuple(found)
