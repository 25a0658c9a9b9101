"""Allocations at work: of every comparison group its own share goes, the lowest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.pruning import GroupShares
from sparc3_bench.selection.keep import as_groups, keep_groups, keep_together
from sparc3_bench.types.conventions import AmountKind, Removal
from sparc3_bench.types.groups import Group

_SLACK = 1e-6
"""Of a unit: shares are binary numbers, and 0.29 × 100 is meant to be 29."""


def joint_shares(scores: Mapping[str, Tensor], amount: float) -> dict[str, Tensor]:
    """Return which share of each group goes when all groups are ranked together.

    Parameters
    ----------
    scores
        By name ``[groups, size]``.
    amount
        The share of all that goes, in [0, 1]: the lowest, of ties the first.

    Returns
    -------
    dict
        By name float64 ``[groups]``.
    """
    tensors = [values.contiguous() for values in scores.values()]
    total = sum(values.numel() for values in tensors)
    kept = keep_together(tensors, int(amount * total + _SLACK))
    return {
        name: 1 - keep.count_nonzero(1).double() / keep.shape[1]
        for name, keep in zip(scores, kept, strict=True)
    }


def check_divided(who: str, groups: Collection[Group], kind: AmountKind, removal: Removal) -> None:
    """Refuse what an allocation cannot divide.

    Raises
    ------
    Sparc3Error
        For counts, the highest, and comparison groups of which all lose as much or that are one.
    """
    if kind == "count" or removal != "lowest" or {*groups} - {"row", "layer"}:
        raise Sparc3Error(
            f"Allocation '{who}' divides a fraction of the lowest among rows or layers; choose "
            "group 'row' or 'layer', fractions and removal 'lowest', or leave it out."
        )


def grouped(ranking: Mapping[str, Tensor], group: Group) -> dict[str, Tensor]:
    """Return what is ranked as its comparison groups, by name ``[groups, size]``."""
    return {name: as_groups(values, group) for name, values in ranking.items()}


def allotted(
    ranking: Mapping[str, Tensor], shares: GroupShares, group: Group, who: str
) -> dict[str, Tensor]:
    """Keep all but the share of each comparison group that goes; of ties the first go.

    Raises
    ------
    Sparc3Error
        When the shares of `who` do not fit.
    """
    kept = {}
    for name, groups in grouped(ranking, group).items():
        counts = _counts(shares.get(name), groups, f"Allocation '{who}' says of `{name}`")
        kept[name] = _keep(groups, counts).view(ranking[name].shape)
    return kept


def _counts(share: Tensor | float | None, groups: Tensor, told: str) -> Tensor:
    count, size = groups.shape
    found = torch.full((count,), torch.nan) if share is None else torch.as_tensor(share)
    if found.ndim > 1 or found.numel() not in (1, count):
        raise Sparc3Error(
            f"{told} {list(found.shape)} shares, and it has {count} comparison groups; a number "
            "for all or one each must be returned."
        )
    if not bool(((found >= 0) & (found <= 1)).all()):
        raise Sparc3Error(f"{told} no share in [0, 1]; it must be returned for every name.")
    counts = (found.double() * size + _SLACK).floor().long()
    return counts.reshape(-1).expand(count).to(groups.device)


def _keep(groups: Tensor, counts: Tensor) -> Tensor:
    first = int(counts[0])
    if bool((counts == first).all()):
        (same,) = keep_groups([groups], first)
        return same
    order = groups.argsort(dim=1, stable=True)
    places = torch.arange(groups.shape[1], device=groups.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places) >= counts[:, None]


def banded_shares(worth: Sequence[float], amount: float, width: float) -> list[float]:
    """Return shares that fall with worth, in a band twice `width` wide, of mean `amount`.

    That is how OWL turns the outliers of blocks into their sparsity [yin2024owl]. Shares beyond
    [0, 1] are cut off there.
    """
    low, high = min(worth), max(worth)
    scaled = [2 * width * (one - low) / (high - low) if high > low else 0.0 for one in worth]
    mean = sum(scaled) / len(scaled)
    return [min(1.0, max(0.0, amount - one + mean)) for one in scaled]
