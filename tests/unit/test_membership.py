"""Membership and likeness: levels against masks, ranks against SciPy and by counting."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import scipy.stats
import torch
from torch import Tensor

from sparc3_bench.record.parts import Sketch
from sparc3_bench.run.steps import size
from sparc3_bench.run.steps.size import Membership, Size
from sparc3_bench.selection import membership
from sparc3_bench.selection.membership import (
    MOST_SKETCHED,
    jaccard,
    rank_correlation,
    spaced,
    stride,
)
from sparc3_bench.selection.select import choose

SHAPES = {"a": (5, 8), "b": (3, 7), "c": (2,), "d": (1, 11)}
AMOUNTS = (0.0, 0.2, 0.5, 0.9, 1.0)


def ranking(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def chosen(scores: dict[str, Tensor], amount: float) -> dict[str, Tensor]:
    return choose(scores, amount, unit="weight", group="model")


def flat(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([values.flatten() for values in tensors.values()])


@pytest.fixture
def sketched(monkeypatch):
    """Return a function that sketches so many units from samples of what is kept."""

    def sketch(units: int, samples: list[str]) -> Sketch | None:
        monkeypatch.setattr(size, "count_units", lambda view, unit: units)
        told = {"in_scope": 0, "in_model": 0, "weights_removed": 0, "units_removed": 0, "kept": {}}
        values = [Size(**told, sampled=one) for one in samples]
        cell = SimpleNamespace(blank=None, spec=SimpleNamespace(unit="weight"))
        return Membership(cell, samples).make(None, {"sizes": values})

    return sketch


@pytest.mark.parametrize("every", [1, 3, 5, 9, 73, 75])
def test_levels_count_the_amounts_at_which_a_unit_is_kept(sketched, monkeypatch, every):
    monkeypatch.setattr(size, "stride", lambda units, most: every)
    scores = ranking()
    kept = [chosen(scores, amount) for amount in AMOUNTS]
    found = sketched(74, ["".join(map(str, spaced(one, every).int().tolist())) for one in kept])
    assert (found.units, found.stride) == (74, every)
    expected = sum(flat(masks).long() for masks in kept)[::every]
    assert [int(level, 36) for level in found.levels] == expected.tolist()


@pytest.mark.parametrize("units", [1, 100, 16_384, 16_385, 40_000, 1_000_001])
def test_a_sample_is_small_and_its_stride_odd(units):
    every = stride(units, MOST_SKETCHED)
    found = spaced({"a": torch.arange(units)}, every)
    assert every % 2 == 1
    assert len(found) == -(-units // every) <= 16_384
    assert every == 1 or len(found) > 5_000
    assert found.tolist() == list(range(0, units, every))


@pytest.mark.parametrize(("amounts", "there"), [(1, True), (35, True), (36, False)])
def test_more_amounts_than_digits_make_no_sketch(sketched, amounts, there):
    found = sketched(4, ["1010"] * amounts)
    assert (found is not None) is there
    if found is not None:
        digit = "123456789abcdefghijklmnopqrstuvwxyz"[amounts - 1]
        assert found.levels == f"{digit}0{digit}0"


def test_jaccard_is_both_over_either():
    left = {"a": torch.tensor([True, True, False, False]), "b": torch.tensor([[True], [False]])}
    right = {"a": torch.tensor([True, False, True, False]), "b": torch.tensor([[True], [True]])}
    assert jaccard(left, right) == jaccard(right, left) == 2 / 5
    assert jaccard(left, left) == 1
    assert jaccard(left, {name: ~keep for name, keep in left.items()}) == 0


def test_jaccard_of_nothing_is_one():
    nothing = {"a": torch.zeros(3, dtype=torch.bool)}
    assert jaccard(nothing, nothing) == 1


def spearman(left: Tensor, right: Tensor) -> float:
    return rank_correlation({"a": left}, {"a": right})


def counted(left: list[float], right: list[float]) -> float:
    """Return Spearman's correlation from ranks found by counting; ties share their mean rank."""

    def ranks(values: list[float]) -> list[float]:
        return [
            sum(other < own for other in values) + (1 + sum(other == own for other in values)) / 2
            for own in values
        ]

    one, two = ranks(left), ranks(right)
    middle = (len(left) + 1) / 2
    product = sum((a - middle) * (b - middle) for a, b in zip(one, two, strict=True))
    lengths = [sum((a - middle) ** 2 for a in r) for r in (one, two)]
    return product / (lengths[0] * lengths[1]) ** 0.5


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_spearman_is_that_of_scipy_and_of_counting(seed, ties, dtype):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(60, generator=generator)
    right = left + torch.randn(60, generator=generator)
    left, right = ((v * 2).round() if ties else v for v in (left, right))
    left, right = left.to(dtype), right.to(dtype)
    found = spearman(left, right)
    expected = scipy.stats.spearmanr(left.double().numpy(), right.double().numpy()).statistic
    assert found == pytest.approx(expected, rel=1e-12)
    assert found == pytest.approx(counted(left.tolist(), right.tolist()), rel=1e-12)


def test_spearman_knows_the_order_alone():
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    assert spearman(values, values.exp()) == pytest.approx(1)
    assert spearman(values, -(values**3)) == pytest.approx(-1)


def test_spearman_of_a_constant_is_zero():
    values = torch.arange(5.0)
    assert spearman(values, torch.ones(5)) == spearman(torch.ones(5), values) == 0


@pytest.mark.parametrize("most", [10, 50, 1000])
def test_rankings_are_compared_by_evenly_spaced_scores(monkeypatch, most):
    monkeypatch.setattr(membership, "_MOST_RANKED", most)
    one, two = ranking(0), ranking(1)
    every = {10: 9, 50: 3, 1000: 1}[most]
    expected = scipy.stats.spearmanr(flat(one)[::every], flat(two)[::every]).statistic
    assert rank_correlation(one, two) == pytest.approx(expected)
