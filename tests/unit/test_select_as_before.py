"""Masks of random scores with many ties are those of the rule written out densely, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from sparc3_bench.selection import threshold
from sparc3_bench.selection.bits import as_bits, from_bits
from sparc3_bench.selection.select import choose, cuts

AMOUNTS = (0.0, 0.1, 0.29, 0.5, 0.7, 0.9, 1.0)
KINDS = ("few values", "spread", "both zeros", "subnormal", "infinite", "no number")


def scores(kind: str, seed: int, unit: str, dtype: torch.dtype) -> dict[str, Tensor]:
    draw = np.random.default_rng([seed, KINDS.index(kind)])
    shapes = [(5, 33), (9, 16), (2, 70)] if unit == "weight" else [(37,), (37,), (11,)]
    found = {}
    for index, shape in enumerate(shapes):
        values = draw.normal(size=shape)
        match kind:
            case "few values":
                values = np.round(values * draw.integers(1, 3))
            case "both zeros":
                values = np.where(draw.random(shape) < 0.6, np.copysign(0.0, values), values)
            case "subnormal":
                values = np.round(values * 3) * (5e-324 if dtype == torch.float64 else 1e-45)
            case "infinite":
                values[draw.random(shape) < 0.2] = math.inf
                values[draw.random(shape) < 0.2] = -math.inf
            case "no number":
                values = np.round(values)
                values[draw.random(shape) < 0.1] = math.nan
        found[str(index)] = torch.from_numpy(values).to(dtype)
    return found


def kept(values: np.ndarray, count: int) -> np.ndarray:
    """Keep all above the count-th smallest, and of those that tie with it the last."""
    if count in (0, len(values)):
        return np.full(len(values), count == 0)
    cut = np.sort(values)[count - 1]
    keep = values > cut
    excess = len(values) - count - int(keep.sum())
    if excess > 0:
        keep[np.flatnonzero(values == cut)[-excess:]] = True
    return keep


def by_the_rule(
    ranking: Mapping[str, Tensor], amount: float, group: str, removal: str
) -> dict[str, Tensor]:
    part = Fraction(repr(amount))
    part = part if removal == "lowest" else 1 - part

    def keep(values: Tensor) -> Tensor:
        flat = values.reshape(-1).numpy()
        found = torch.from_numpy(kept(flat, math.floor(part * len(flat)))).view(values.shape)
        return found if removal == "lowest" else ~found

    if group == "row":
        return {name: torch.stack([keep(row) for row in v]) for name, v in ranking.items()}
    if group == "layer":
        return {name: keep(values) for name, values in ranking.items()}
    whole = keep(torch.cat([values.reshape(-1) for values in ranking.values()]))
    parts = whole.split([values.numel() for values in ranking.values()])
    return {n: one.view(ranking[n].shape) for n, one in zip(ranking, parts, strict=True)}


@pytest.mark.parametrize("enough", [0, 1 << 16], ids=["counted", "sorted"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("removal", ["lowest", "highest"])
@pytest.mark.parametrize(
    ("unit", "group"),
    [
        *(("weight", group) for group in ("row", "layer", "model")),
        *((unit, group) for unit in ("neuron", "head") for group in ("layer", "model")),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_those_of_the_rule(monkeypatch, kind, unit, group, removal, dtype, enough):
    monkeypatch.setattr(threshold, "_ENOUGH", enough)
    for seed in range(2 if enough else 1):  # each count of bits is of 2^16 values
        ranking = scores(kind, seed, unit, dtype)
        known = cuts(ranking, AMOUNTS, group, removal, "fraction")
        for amount in AMOUNTS:
            expected = by_the_rule(ranking, amount, group, removal)
            for given in (None, known) if amount == 0.5 else (known,):
                found = choose(
                    ranking, amount, unit=unit, group=group, removal=removal, known=given
                )
                assert all(torch.equal(found[name], keep) for name, keep in expected.items())


@pytest.mark.parametrize("shape", [(0,), (1,), (8,), (3, 5), (2, 3, 7)], ids=str)
def test_masks_are_whole_again_after_packing(shape):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5
    bits = as_bits(mask)
    assert bits.numel() == -(-mask.numel() // 8)
    assert torch.equal(from_bits(bits, shape), mask)
