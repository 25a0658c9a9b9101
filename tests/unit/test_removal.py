"""Both ends of a ranking, counts of units, and the amounts 0 and 1."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from sparc3_bench import ModelView, ScoreMap
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.selection.select import as_mask, choose, count_to_remove, rankable, select
from sparc3_bench.testing.tiny import make_view

AMOUNTS = (0, 0.001, 0.01, 0.1, 0.29, 0.3, 0.5, 0.57, 0.7, 0.9, 0.999, 1)
CONVENTIONS = [("weight", group) for group in ("row", "layer", "model")]
CONVENTIONS += [(unit, group) for unit in ("neuron", "head") for group in ("layer", "model")]


def rankings(unit: str, ties: bool = False) -> dict[str, Tensor]:
    """Make scores of odd sizes, so that most amounts of them are no whole numbers."""
    generator = torch.Generator().manual_seed(2)
    shapes = [(7, 40), (3, 100), (1, 33)] if unit == "weight" else [(37,), (37,)]
    drawn = {str(n): torch.randn(shape, generator=generator) for n, shape in enumerate(shapes)}
    return {name: (v * 2).round() if ties else v for name, v in drawn.items()}


def other_end(amount: float) -> float:
    """Return one minus the decimal number that was typed."""
    return float(1 - Fraction(str(amount)))


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize(("unit", "group"), CONVENTIONS)
def test_highest_removes_exactly_what_lowest_of_the_rest_keeps(unit, group, amount, ties):
    ranking = rankings(unit, ties)
    kept = choose(ranking, amount, unit=unit, group=group, removal="highest")
    lowest = choose(ranking, other_end(amount), unit=unit, group=group)
    assert list(kept) == list(ranking)
    for name, keep in kept.items():
        assert keep.dtype == torch.bool
        assert torch.equal(keep, ~lowest[name])


@pytest.mark.parametrize("removal", ["lowest", "highest"])
def test_scores_removed_are_all_at_that_end(removal):
    ranking = rankings("weight")
    kept = choose(ranking, 0.29, unit="weight", group="model", removal=removal)
    removed = torch.cat([ranking[name][~keep] for name, keep in kept.items()])
    stayed = torch.cat([ranking[name][keep] for name, keep in kept.items()])
    if removal == "lowest":
        assert removed.max() < stayed.min()
    else:
        assert removed.min() > stayed.max()


@pytest.mark.parametrize(
    ("amount", "size", "removed"),
    [(0.1, 10, 1), (0.29, 100, 29), (0.001, 1000, 1), (0.001, 999, 1), (0.7, 10, 7), (0.3, 10, 3)],
)
def test_highest_removes_as_many_as_the_decimal_number_says(amount, size, removed):
    # 999 thousandths of 999 are 998.001: what lowest at 0.999 keeps is one.
    ranking = {"m": torch.arange(float(size))[None]}
    kept = choose(ranking, amount, unit="weight", group="row", removal="highest")["m"]
    assert int((~kept).sum()) == removed
    assert not kept[0, -removed:].any()


@pytest.mark.parametrize("removal", ["lowest", "highest"])
@pytest.mark.parametrize(("unit", "group"), CONVENTIONS)
def test_amount_zero_keeps_everything_and_one_nothing(unit, group, removal):
    ranking = rankings(unit)
    whole, empty = (
        choose(ranking, amount, unit=unit, group=group, removal=removal) for amount in (0, 1)
    )
    assert all(keep.all() for keep in whole.values())
    assert not any(keep.any() for keep in empty.values())


@pytest.mark.parametrize(("unit", "group"), CONVENTIONS)
@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
def test_model_with_everything_removed_or_nothing_runs(architecture, unit, group):
    view = make_view(architecture)
    scores = ScoreMap({name: w.matrix.contiguous() for name, w in view.weights().items()})
    whole, empty = (select(scores, amount, view, unit=unit, group=group) for amount in (0, 1))
    assert (whole.removed, whole.removed_biases) == (0, 0)
    expected = sum(
        w.matrix.numel()
        for w in view.weights().values()
        if unit == "weight"
        or (unit == "head" and w.role == "attention-output")
        or (unit == "neuron" and w.role in ("up", "gate", "down"))
    )
    assert empty.removed == expected


@pytest.mark.parametrize("removal", ["lowest", "highest"])
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("unit", ["weight", "neuron", "head"])
def test_counts_are_of_units_in_all(unit, ties, removal):
    ranking = rankings(unit, ties)
    total = sum(values.numel() for values in ranking.values())
    for count in (0, 1, 2, 36, 37, 38, total - 1, total):
        options = {"unit": unit, "group": "model", "kind": "count"}
        kept = choose(ranking, count, removal=removal, **options)
        assert sum(int((~keep).sum()) for keep in kept.values()) == count
        rest = choose(ranking, total - count, **options)
        if removal == "highest":
            assert all(torch.equal(keep, ~rest[name]) for name, keep in kept.items())


def test_counts_are_nested():
    ranking, before = rankings("neuron", ties=True), None
    for count in range(75):
        kept = choose(ranking, count, unit="neuron", group="model", kind="count")
        flat = torch.cat(list(kept.values()))
        if before is not None:
            assert not (flat & ~before).any()
            assert int(before.sum() - flat.sum()) == 1
        before = flat


@pytest.mark.parametrize("removal", ["lowest", "highest"])
def test_count_above_what_there_is_is_refused(removal):
    with pytest.raises(Sparc3Error) as caught:
        choose(
            *(rankings("head"), 75),
            unit="head",
            group="model",
            removal=removal,
            kind="count",
        )
    assert str(caught.value) == "75 units of 'head' cannot be removed: the scope has 74."


@pytest.mark.parametrize("count", [-1, 0.5, 2.5, float("nan"), float("inf")])
def test_count_that_is_no_natural_number_is_refused(count):
    with pytest.raises(Sparc3Error, match="A count of units must be a whole number from 0 on"):
        choose(rankings("head"), count, unit="head", group="model", kind="count")


@pytest.mark.parametrize("amount", [-0.1, 1.001, float("nan"), float("inf")])
@pytest.mark.parametrize("removal", ["lowest", "highest"])
def test_fraction_outside_its_range_is_refused(amount, removal):
    with pytest.raises(Sparc3Error, match="Sparsity must be at least 0 and at most 1"):
        choose(rankings("head"), amount, unit="head", group="model", removal=removal)


def test_a_fraction_is_read_as_it_is_and_a_float_as_typed():
    assert count_to_remove(Fraction(1, 3), 9) == 3
    assert count_to_remove(1 / 3, 9) == 2  # 0.3333333333333333 is below a third
    assert count_to_remove(1, 7) == 7


def with_scores(view: ModelView) -> ScoreMap:
    weights = {name: weight.matrix.contiguous() for name, weight in view.weights().items()}
    biases = {n: w.bias.clone() for n, w in view.weights().items() if w.bias is not None}
    return ScoreMap(weights, biases)


@pytest.mark.parametrize(("unit", "group"), CONVENTIONS)
@pytest.mark.parametrize("removal", ["lowest", "highest"])
def test_select_is_the_mask_of_what_is_chosen(unit, group, removal):
    view = make_view("opt")
    scores = with_scores(view)
    found = select(scores, 0.3, view, unit=unit, group=group, removal=removal)
    ranking = rankable(scores, view, unit)
    kept = choose(ranking, 0.3, unit=unit, group=group, removal=removal)
    expected = as_mask(kept, view, unit)
    for one, two in ((found.weights, expected.weights), (found.biases, expected.biases)):
        assert one.keys() == two.keys()
        assert all(torch.equal(mask, two[name]) for name, mask in one.items())
    assert found.removed > 0
