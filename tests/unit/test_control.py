"""Random controls: the same counts as the circuit, nested, uniform, and named by their seed."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import choose

SHAPES = {"a": (6, 20), "b": (3, 7), "c": (1, 50)}
UNITS = {"0": (24,), "1": (24,)}


def scores(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def chosen(amount: float, group: str, shapes: dict[str, tuple[int, ...]] = SHAPES):
    unit = "weight" if shapes is SHAPES else "neuron"
    return choose(scores(shapes), amount, unit=unit, group=group)


@pytest.mark.parametrize("amount", [0, 0.05, 0.3, 0.5, 0.9, 1])
@pytest.mark.parametrize("seed", [0, 7])
def test_rows_keep_as_many_as_the_rows_of_the_circuit(amount, seed):
    kept = chosen(amount, "row")
    control = matched(kept, "row", seed)
    assert list(control) == list(kept)
    for name, keep in kept.items():
        assert control[name].dtype == torch.bool
        assert control[name].sum(1).tolist() == keep.sum(1).tolist()


@pytest.mark.parametrize("amount", [0, 0.05, 0.3, 0.5, 0.9, 1])
@pytest.mark.parametrize("shapes", [SHAPES, UNITS], ids=["weights", "units"])
@pytest.mark.parametrize("group", ["layer", "model"])
def test_tensors_keep_as_many_as_those_of_the_circuit(group, shapes, amount):
    kept = chosen(amount, group, shapes)
    control = matched(kept, group, 3)
    for name, keep in kept.items():
        assert control[name].shape == keep.shape
        assert int(control[name].sum()) == int(keep.sum())


def test_counts_of_a_model_differ_by_tensor_and_the_control_follows():
    kept = {"a": torch.tensor([True, True, True, False]), "b": torch.tensor([False] * 3 + [True])}
    control = matched(kept, "model", 0)
    assert [int(keep.sum()) for keep in control.values()] == [3, 1]


@pytest.mark.parametrize("group", ["row", "layer", "model"])
def test_controls_of_one_seed_lie_inside_each_other(group):
    sizes = [matched(chosen(amount, group), group, 1) for amount in (0.1, 0.35, 0.36, 0.8)]
    for larger, smaller in itertools.pairwise(sizes):
        for name, keep in smaller.items():
            assert not (keep & ~larger[name]).any()


def test_control_does_not_depend_on_which_weights_the_circuit_has():
    kept = chosen(0.5, "layer")
    other = {name: ~keep for name, keep in kept.items()}  # half is as many as the other half
    one, two = (
        matched({"a": kept["a"]}, "layer", 0)["a"],
        matched({"a": other["a"]}, "layer", 0)["a"],
    )
    assert torch.equal(one, two)


def test_control_depends_on_the_seed_and_on_the_name_alone():
    keep = chosen(0.5, "layer")["a"]
    drawn = [
        matched({name: keep}, "layer", seed)[name] for name in ("a", "b") for seed in (0, 1, 2)
    ]
    assert len({tuple(mask.flatten().tolist()) for mask in drawn}) == 6
    assert torch.equal(matched({"z": keep, "a": keep}, "layer", 0)["a"], drawn[0])


def test_rows_of_one_matrix_are_drawn_apart():
    control = matched({"a": torch.tensor([[True] * 10 + [False] * 10] * 8)}, "row", 0)["a"]
    assert len({tuple(row.tolist()) for row in control}) == 8


@pytest.mark.parametrize(
    ("group", "shape"), [("row", (4, 6)), ("layer", (4, 6)), ("layer", (24,))], ids=str
)
def test_every_position_is_kept_about_equally_often(group, shape):
    keep = torch.zeros(shape, dtype=torch.bool)
    keep[..., : shape[-1] // 3] = True
    seeds = 3000
    total = sum(matched({"m": keep}, group, seed)["m"].long() for seed in range(seeds))
    # Six standard deviations of a binomial; 1/3 of every row or tensor is kept.
    assert (total - seeds / 3).abs().max() < 6 * (seeds * 2 / 9) ** 0.5


def test_pairs_of_positions_are_kept_together_as_often_as_chance_says():
    keep = torch.tensor([True] * 3 + [False] * 6)
    seeds = 3000
    drawn = torch.stack([matched({"m": keep}, "layer", seed)["m"] for seed in range(seeds)])
    together = drawn.double().T @ drawn.double()
    chance = (3 / 9) * (2 / 8)
    apart = ~torch.eye(9, dtype=torch.bool)
    assert (together[apart] - seeds * chance).abs().max() < 6 * (seeds * chance) ** 0.5


@pytest.mark.parametrize("kept", [True, False])
def test_all_and_nothing_are_what_they_are(kept):
    masks = {"a": torch.full((3, 4), kept), "b": torch.full((5,), kept)}
    for name, keep in matched(masks, "layer", 0).items():
        assert torch.equal(keep, masks[name])
