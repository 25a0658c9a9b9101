"""select: which weights, neurons or heads are removed at a given amount, exactly so many.

Ties go to the lower position: by order of the matrices in the model, then row, then column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.model.view import ModelView
from sparc3_bench.selection.threshold import joint_cuts, row_cuts
from sparc3_bench.selection.units import unit_mask, unit_scores
from sparc3_bench.types.conventions import AmountKind, Group, Removal, Unit
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
        What the tensors' elements are; neurons and heads are not ranked by `row`.
    group
        The set ranked together. Neurons and heads are ranked in a `layer` (one block) or in the
        whole `model`.
    removal
        Which end is removed. `highest` at x removes exactly what `lowest` at 1 - x keeps.
    kind
        What `amount` counts; a `count` goes with group `model`.
    known
        The cuts at this amount, and perhaps at others; see `cuts`. They are found where not given.

    Raises
    ------
    Sparc3Error
        For an amount outside its range, or neurons and heads by `row`.
    """
    if unit != "weight" and group == "row":
        raise Sparc3Error(
            f"Group 'row' ranks the weights inside one row and cannot rank units of '{unit}'; "
            "choose 'layer' or 'model'."
        )
    check_amount(amount, kind)
    total = sum(values.numel() for values in ranking.values())
    if kind == "count" and amount > total:
        raise Sparc3Error(
            f"{amount:,.0f} units of '{unit}' cannot be removed: the scope has {total:,}."
        )
    quota = _quota(ranking, amount, removal, kind)
    if known is None:
        known = _found(ranking, [quota], group)
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
    count = _quota(ranking, amount, removal, kind)(total)
    cut = known[""].get(count)
    below = 0 if cut is None else sum(int((v <= cut).count_nonzero()) for v in ranking.values())
    excess = below - count
    for name in reversed(list(ranking)):
        values = ranking[name]
        if cut is None:
            keep = torch.full_like(values, count == 0, dtype=torch.bool)
        else:
            keep = (values > cut).contiguous()
            excess -= _keep_last(keep, values, cut, excess)
        yield name, keep if removal == "lowest" else ~keep


def cuts(
    ranking: Mapping[str, Tensor],
    amounts: Sequence[float],
    group: Group,
    removal: Removal,
    kind: AmountKind,
) -> Cuts:
    """Return where scores are cut at several amounts; they are sorted or counted once for all."""
    return _found(ranking, [_quota(ranking, one, removal, kind) for one in amounts], group)


def as_mask(kept: Mapping[str, Tensor], view: ModelView, unit: Unit) -> KeepMask:
    """Return the weights and biases that go with what `choose` does not keep."""
    if unit == "weight":
        return KeepMask(kept)
    return unit_mask(kept, view, unit)


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


def keep_rows(values: Tensor, count: int, cut: Tensor | None = None) -> Tensor:
    """Keep all but the `count` lowest of each row; of ties the leftmost go. ``[rows, columns]``."""
    if count in (0, values.shape[1]):
        return torch.full_like(values, count == 0, dtype=torch.bool)
    cut = row_cuts(values, [count])[count] if cut is None else cut
    threshold, beyond = cut[:, :1], cut[:, 1:]
    keep = values > threshold
    # Where the next number is larger, all is decided.
    tied = (~(beyond > threshold)).flatten().nonzero().flatten()
    if len(tied):
        # Of the ties at the threshold the last ones stay, until exactly k are gone.
        excess = values.shape[1] - count - keep[tied].count_nonzero(dim=1)
        at_threshold = values[tied] == threshold[tied]
        row, column = at_threshold.nonzero().unbind(1)
        ends = torch.bincount(row, minlength=len(tied)).cumsum(0)
        from_the_right = ends[row] - torch.arange(len(row), device=row.device)
        stays = from_the_right <= excess[row]
        keep[tied[row[stays]], column[stays]] = True
    return keep


def keep_together(tensors: Sequence[Tensor], count: int, cut: Tensor | None = None) -> list[Tensor]:
    """Keep all but the `count` lowest of all tensors; of ties the first go. Nothing is joined."""
    if count in (0, sum(values.numel() for values in tensors)):
        return [torch.full_like(values, count == 0, dtype=torch.bool) for values in tensors]
    threshold = joint_cuts(tensors, [count])[count] if cut is None else cut
    keeps = [(values > threshold).contiguous() for values in tensors]
    excess = sum(keep.numel() - int(keep.count_nonzero()) for keep in keeps) - count
    for values, keep in zip(reversed(tensors), reversed(keeps), strict=True):
        if excess == 0:
            break
        excess -= _keep_last(keep, values, threshold, excess)
    return keeps


def _keep_last(keep: Tensor, values: Tensor, threshold: Tensor, excess: int) -> int:
    """Keep the last of the ties at the threshold, so many at most; return how many there were."""
    if excess == 0:
        return 0
    ties = (values == threshold).flatten().nonzero().flatten()[-excess:]
    keep.view(-1)[ties] = True
    return len(ties)


def _quota(
    ranking: Mapping[str, Tensor], amount: float, removal: Removal, kind: AmountKind
) -> Quota:
    """Return how many of the lowest of a group go; with removal `highest`, how many stay."""
    if kind == "count":
        total = sum(values.numel() for values in ranking.values())
        count = int(amount) if removal == "lowest" else total - int(amount)
        return lambda size: count
    part = _typed(amount) if removal == "lowest" else _typed(1) - _typed(amount)
    return lambda size: count_to_remove(part, size)


def _typed(amount: float | Fraction) -> Fraction:
    return amount if isinstance(amount, Fraction) else Fraction(repr(float(amount)))


def _found(ranking: Mapping[str, Tensor], quotas: Sequence[Quota], group: Group) -> Cuts:
    def counts(size: int) -> list[int]:
        return sorted({count for quota in quotas if 0 < (count := quota(size)) < size})

    if group == "row":
        return {name: row_cuts(v, counts(v.shape[1])) for name, v in ranking.items()}
    if group == "layer":
        return {name: joint_cuts([v], counts(v.numel())) for name, v in ranking.items()}
    every = ranking.values()
    return {"": joint_cuts(every, counts(sum(values.numel() for values in every)))}


def _keep(
    ranking: Mapping[str, Tensor], quota: Quota, group: Group, known: Cuts
) -> dict[str, Tensor]:
    """Return a keep-mask for every tensor, exactly the quota counted off in each group."""
    if group == "row":
        counted = {name: quota(values.shape[1]) for name, values in ranking.items()}
        return {n: keep_rows(v, counted[n], known[n].get(counted[n])) for n, v in ranking.items()}
    if group == "layer":
        counted = {name: quota(values.numel()) for name, values in ranking.items()}
        return {
            name: keep_together([values], counted[name], known[name].get(counted[name]))[0]
            for name, values in ranking.items()
        }
    total = sum(values.numel() for values in ranking.values())
    kept = keep_together(list(ranking.values()), quota(total), known[""].get(quota(total)))
    return dict(zip(ranking, kept, strict=True))
