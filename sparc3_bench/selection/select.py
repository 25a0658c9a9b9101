"""select: which weights, neurons, heads or blocks are removed at a given amount, exactly so many.

Ties go to the lower position: by order of the matrices in the model, then row, then column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.view import ModelView
from sparc3_bench.selection.keep import above, as_groups, keep_groups, keep_last, ungrouped
from sparc3_bench.selection.threshold import joint_cuts, row_cuts
from sparc3_bench.selection.units import unit_mask, unit_scores
from sparc3_bench.types.conventions import AmountKind, Removal, Unit, groups_of
from sparc3_bench.types.groups import Group, pattern_of, tiles_of
from sparc3_bench.types.lazy import Lazy
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.scores import ScoreMap

Quota = Callable[[int], int]
"""Size of a comparison group to how many of its lowest are counted off."""
Cuts = Mapping[str, Mapping[int, Tensor]]
"""By name of what is ranked ("" for all together) and count, where its scores are cut."""


def count_to_remove(amount: float | Fraction, size: int) -> int:
    """Return floor(amount × size), with `amount` read as the decimal number that was typed.

    (0.29 × 100 is 28.999999999999996 in binary; the user asked for 29.)
    """
    return math.floor(_typed(amount) * size)


def select(
    scores: ScoreMap,
    amount: float,
    view: ModelView,
    *,
    unit: Unit = "weight",
    group: Group = "row",
    removal: Removal = "lowest",
    kind: AmountKind = "fraction",
) -> KeepMask:
    """Return the keep-mask of `choose`."""
    ranking = rankable(scores, view, unit)
    kept = choose(ranking, amount, unit=unit, group=group, removal=removal, kind=kind)
    return as_mask(kept, view, unit)


def rankable(scores: ScoreMap, view: ModelView, unit: Unit) -> Mapping[str, Tensor]:
    """Return what is ranked: the weights' scores by matrix, or the units' scores by block."""
    if unit == "weight":
        return scores.weights
    return unit_scores(scores, view, unit)


def choose(
    ranking: Mapping[str, Tensor],
    amount: float,
    *,
    unit: Unit,
    group: Group,
    removal: Removal = "lowest",
    kind: AmountKind = "fraction",
    known: Cuts | None = None,
) -> dict[str, Tensor]:
    """Choose what to keep: for every tensor of `ranking` a bool one, True = kept.

    Parameters
    ----------
    ranking
        Scores of what is ranked; higher = more important. They are ranked as they are: no absolute
        value is taken.
    amount
        The fraction of each comparison group that is removed, in [0, 1], or with kind `count` the
        number of units.
    unit
        What the tensors' elements are; see `groups_of`.
    group
        The set ranked together. Neurons and heads are ranked in a `layer` (one block) or in the
        whole `model`, decoder blocks in the model. A pattern ``n:m`` goes with its own amount,
        1 - n/m, or with 0 or 1. Tiles such as ``16x16`` or ``x128`` go with any fraction.
    removal
        Which end is removed. `highest` at x removes exactly what `lowest` at 1 - x keeps.
    kind
        What `amount` counts; a `count` goes with group `model`.
    known
        The cuts at this amount, and perhaps at others; see `cuts`. They are found where not given.

    Raises
    ------
    Sparc3Error
        For an amount outside its range, a group that does not rank the unit, or a matrix whose
        inputs are no multiple of a pattern, or whose sides are none of a tile's.
    """
    check_ranked(unit, group)
    check_amount(amount, kind)
    shapes = {name: values.shape for name, values in ranking.items()}
    total = sum(shape.numel() for shape in shapes.values())
    if kind == "count" and amount > total:
        raise Sparc3Error(
            f"{amount:,.0f} units of '{unit}' cannot be removed: the scope has {total:,}."
        )
    check_fits(shapes, group)
    quota = _quota(ranking, amount, removal, kind, group)
    if known is None:
        known = _found(ranking, [quota], group)
    if isinstance(ranking, Lazy):
        how: dict[str, Any] = {"unit": unit, "group": group, "removal": removal, "kind": kind}
        singly = dict(chosen_singly(ranking, amount, known, **how))
        return {name: singly[name] for name in ranking}
    kept = _keep(ranking, quota, group, known)
    return kept if removal == "lowest" else {name: ~keep for name, keep in kept.items()}


def chosen_singly(
    ranking: Mapping[str, Tensor],
    amount: float,
    known: Cuts,
    *,
    unit: Unit,
    group: Group,
    removal: Removal,
    kind: AmountKind,
) -> Iterator[tuple[str, Tensor]]:
    """Yield what `choose` returns, in another order perhaps, with one tensor in memory at a time.

    Parameters are those of `choose`; the cuts must be known.
    """
    if group != "model":
        for name in ranking:
            one = {name: ranking[name]}
            yield from choose(
                one, amount, unit=unit, group=group, removal=removal, kind=kind, known=known
            ).items()
        return
    total = sum(values.numel() for values in ranking.values())
    count = _quota(ranking, amount, removal, kind, group)(total)
    cut = known[""].get(count)
    below = 0 if cut is None else sum(int((v <= cut).count_nonzero()) for v in ranking.values())
    excess = below - count
    for name in reversed(list(ranking)):
        values = ranking[name]
        if cut is None:
            keep = torch.full_like(values, count == 0, dtype=torch.bool)
        else:
            keep = above(values, cut)
            excess -= keep_last(keep, values, cut, excess)
        yield name, keep if removal == "lowest" else ~keep


def cuts(
    ranking: Mapping[str, Tensor],
    amounts: Sequence[float],
    group: Group,
    removal: Removal,
    kind: AmountKind,
) -> Cuts:
    """Return where scores are cut at several amounts; they are sorted or counted once for all."""
    return _found(ranking, [_quota(ranking, one, removal, kind, group) for one in amounts], group)


def as_mask(kept: Mapping[str, Tensor], view: ModelView, unit: Unit) -> KeepMask:
    """Return the weights and biases that go with what `choose` does not keep."""
    if unit == "weight":
        return KeepMask(kept)
    return unit_mask(kept, view, unit)


def check_ranked(unit: Unit, group: Group) -> None:
    """Refuse a group that has no several units of a kind to rank.

    Raises
    ------
    Sparc3Error
        Naming those that have.
    """
    if group not in (known := groups_of(unit, group)):
        part = "tile" if tiles_of(group) else "row"
        inside = (
            f"weights inside one {part}" if group not in ("layer", "model") else "units of a layer"
        )
        raise Sparc3Error(
            f"Group '{group}' ranks the {inside} and cannot rank units of '{unit}'; choose "
            f"{' or '.join(map(repr, known))}."
        )


def check_amount(amount: float, kind: AmountKind) -> None:
    """Refuse an amount that no model could have.

    Raises
    ------
    Sparc3Error
        For a fraction outside [0, 1] or a count that is no natural number.
    """
    if kind == "fraction" and not (math.isfinite(amount) and 0 <= amount <= 1):
        raise Sparc3Error(f"Sparsity must be at least 0 and at most 1, got {amount:g}.")
    if kind == "count" and not (math.isfinite(amount) and amount >= 0 and amount == int(amount)):
        raise Sparc3Error(f"A count of units must be a whole number from 0 on, got {amount:g}.")


def check_fits(shapes: Mapping[str, Sequence[int]], group: Group | None) -> None:
    """Refuse a pattern that does not divide the inputs of every matrix, and tiles that do not fit.

    Raises
    ------
    Sparc3Error
        Naming the first matrix.
    """
    if (tiles := tiles_of(group)) is not None:
        for name, shape in shapes.items():
            if any(size % side for size, side in zip(shape, tiles.within(shape), strict=True)):
                raise Sparc3Error(
                    f"Group '{group}' cuts matrices into tiles of that many rows by columns, and "
                    f"`{name}` is {shape[0]} by {shape[1]}; choose sides that divide it."
                )
    if (pattern := pattern_of(group)) is None:
        return
    for name, shape in shapes.items():
        if shape[-1] % pattern.of:
            is_matrix = len(shape) > 1
            of, usual = ("the inputs of a row", "row") if is_matrix else ("heads", "layer")
            raise Sparc3Error(
                f"Group '{group}' takes {of} {pattern.of} by {pattern.of}, and `{name}` has "
                f"{shape[-1]} of them; choose a pattern that divides them, or group '{usual}'."
            )


def _quota(
    ranking: Mapping[str, Tensor], amount: float, removal: Removal, kind: AmountKind, group: Group
) -> Quota:
    """Return how many of the lowest of a group go; with removal `highest`, how many stay."""
    pattern = pattern_of(group)
    if pattern is not None and 0 < amount < 1:
        if kind == "count" or not pattern.takes(amount):
            raise Sparc3Error(
                f"Group '{group}' removes {pattern.amount:.6g} of the weights, got {amount:g}; "
                "give that, or choose another group."
            )
        gone = pattern.of - pattern.kept
        return lambda size: gone if removal == "lowest" else pattern.kept
    if kind == "count":
        total = sum(values.numel() for values in ranking.values())
        count = int(amount) if removal == "lowest" else total - int(amount)
        return lambda size: count
    part = _typed(amount) if removal == "lowest" else _typed(1) - _typed(amount)
    return lambda size: count_to_remove(part, size)


def _typed(amount: float | Fraction) -> Fraction:
    return amount if isinstance(amount, Fraction) else Fraction(repr(float(amount)))


def _together(
    ranking: Mapping[str, Tensor], group: Group
) -> Iterator[tuple[str, Collection[Tensor]]]:
    """Yield comparison groups by name of the tensor, read when asked for; "" for all as one."""
    groups = Lazy(ranking, lambda name: as_groups(ranking[name], group))
    if group == "model":
        yield "", groups.values()
    else:
        yield from ((name, [groups[name]]) for name in groups)


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(values.shape[1] for values in tensors)


def _found(ranking: Mapping[str, Tensor], quotas: Sequence[Quota], group: Group) -> Cuts:
    found: dict[str, Mapping[int, Tensor]] = {}
    for name, tensors in _together(ranking, group):
        size, first = _size(tensors), next(iter(tensors))
        counts = sorted({count for quota in quotas if 0 < (count := quota(size)) < size})
        if pattern_of(group):  # of one amount, and half as large as the scores
            found[name] = {}
        elif first.shape[0] > 1:
            found[name] = row_cuts(first, counts)
        else:
            found[name] = joint_cuts(tensors, counts)
    return found


def _keep(
    ranking: Mapping[str, Tensor], quota: Quota, group: Group, known: Cuts
) -> dict[str, Tensor]:
    """Return a keep-mask for every tensor, exactly the quota counted off in each group."""
    kept: list[Tensor] = []
    for name, tensors in _together(ranking, group):
        count = quota(_size(tensors))
        kept += keep_groups([*tensors], count, known[name].get(count))
    shaped = zip(ranking.items(), kept, strict=True)
    return {name: ungrouped(keep, group, values.shape) for (name, values), keep in shaped}
