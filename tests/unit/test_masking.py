"""Removing weights and putting them back: what the mask says, and afterwards the same bits."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from sparc3_bench import ModelView
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view
from sparc3_bench.types.masks import KeepMask

BITS = {torch.float32: torch.int32, torch.bfloat16: torch.int16}


def bits(view: ModelView) -> dict[str, Tensor]:
    """Return every tensor of the model as whole numbers, so that -0.0 differs from 0.0."""
    state = view.model.state_dict()
    return {
        name: values.clone().view(BITS.get(values.dtype, values.dtype))
        for name, values in state.items()
    }


def assert_same(before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name], after[name]), name


def random_mask(view: ModelView, seed: int = 0, biases: bool = True) -> KeepMask:
    generator = torch.Generator().manual_seed(seed)
    weights, bias_masks = {}, {}
    for name, weight in view.weights().items():
        weights[name] = torch.rand(weight.matrix.shape, generator=generator) < 0.5
        if biases and weight.bias is not None:
            bias_masks[name] = torch.rand(weight.bias.shape, generator=generator) < 0.5
    return KeepMask(weights, bias_masks)


@pytest.fixture(params=ARCHITECTURES)
def view(request) -> ModelView:
    view = make_view(request.param)
    # Both zeros and what is no number: a restored value must not be computed.
    for weight in view.weights().values():
        weight.matrix[0, :4] = torch.tensor([-0.0, 0.0, torch.nan, -torch.inf])
    return view


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_inside_removed_values_are_zero_and_the_others_as_they_were(architecture):
    view = make_view(architecture)
    keep = random_mask(view)
    dense = {name: weight.matrix.clone() for name, weight in view.weights().items()}
    dense_biases = {name: view.weights()[name].bias.clone() for name in keep.biases}
    with view.masked(keep):
        for name, weight in view.weights().items():
            assert torch.equal(weight.matrix, dense[name] * keep.weights[name]), name
        for name, mask in keep.biases.items():
            assert torch.equal(view.weights()[name].bias, dense_biases[name] * mask), name


def test_mask_of_a_transposed_matrix_is_applied_as_output_by_input():
    view = make_view("gpt2")
    weight = view.weights()["transformer.h.0.mlp.c_fc"]
    mask = torch.ones(weight.matrix.shape, dtype=torch.bool)
    mask[5, 7] = False  # output 5, input 7
    with view.masked(KeepMask({weight.name: mask})):
        assert (weight.module.weight == 0).nonzero().tolist() == [[7, 5]]


def test_model_computes_with_the_masked_weights_inside_and_the_dense_ones_afterwards():
    view = make_view("opt")
    batch = next(make_reference(1).batches())
    with torch.no_grad():
        dense = view.forward(batch)
        with view.masked(random_mask(view)):
            inside = view.forward(batch)
        after = view.forward(batch)
    assert not torch.allclose(dense, inside, atol=1e-2)
    assert torch.equal(dense, after)


def test_every_bit_is_back_afterwards(view):
    before = bits(view)
    with view.masked(random_mask(view)):
        pass
    assert_same(before, bits(view))


def test_every_bit_is_back_in_bfloat16():
    view = make_view("gpt2", torch.bfloat16)
    before = bits(view)
    with view.masked(random_mask(view)):
        pass
    assert_same(before, bits(view))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_every_bit_is_back_after_an_exception(view, error):
    before = bits(view)
    with pytest.raises(error), view.masked(random_mask(view)):
        raise error
    assert_same(before, bits(view))


def test_values_written_over_what_was_removed_do_not_stay(view):
    before = bits(view)
    keep = random_mask(view)
    with view.masked(keep):
        for name, weight in view.weights().items():
            weight.matrix.masked_fill_(~keep.weights[name], 7.0)
    assert_same(before, bits(view))


def test_nested_masks_add_up_and_are_undone_in_turn(view):
    before = bits(view)
    outer, inner = random_mask(view, 1), random_mask(view, 2)
    with view.masked(outer):
        between = bits(view)
        with view.masked(inner):
            for name, weight in view.weights().items():
                both = outer.weights[name] & inner.weights[name]
                assert (weight.matrix[~both] == 0).all(), name
        assert_same(between, bits(view))
    assert_same(before, bits(view))


def test_nested_masks_are_undone_after_an_exception(view):
    before = bits(view)
    with (
        pytest.raises(ZeroDivisionError),
        view.masked(random_mask(view, 1)),
        view.masked(random_mask(view, 2)),
    ):
        raise ZeroDivisionError
    assert_same(before, bits(view))


@pytest.mark.parametrize(
    "wrong",
    [
        torch.ones(32, 48).bool(),  # as if it were stored transposed
        torch.ones(48, 1).bool(),  # would broadcast
        torch.ones(48, 32),  # no mask but numbers
        torch.ones(48, 32, dtype=torch.int64),
    ],
    ids=["transposed", "broadcast", "float", "integer"],
)
def test_mask_of_wrong_shape_or_type_is_refused_and_nothing_is_changed(wrong):
    view = make_view("llama")
    before, name = bits(view), "model.layers.2.mlp.up_proj"  # after many that are right
    keep = random_mask(view)
    entered = False
    with (
        pytest.raises(Sparc3Error, match=rf"{name}.*expected bool \[48, 32\]"),
        view.masked(KeepMask({**keep.weights, name: wrong})),
    ):
        entered = True
    assert not entered
    assert_same(before, bits(view))


@pytest.mark.parametrize(
    "wrong",
    [torch.zeros(63).bool(), torch.zeros(1).bool(), torch.zeros(64), torch.zeros(64).long()],
    ids=["short", "broadcast", "float", "integer"],
)
def test_mask_of_a_bias_of_wrong_shape_or_type_is_refused_and_nothing_is_changed(wrong):
    view = make_view("opt")
    before, name = bits(view), "model.decoder.layers.1.fc1"
    keep = random_mask(view)
    with (
        pytest.raises(Sparc3Error, match=name),
        view.masked(KeepMask(keep.weights, {**keep.biases, name: wrong})),
    ):
        pass
    assert_same(before, bits(view))


def test_mask_for_the_bias_of_a_matrix_without_one_is_harmless():
    view = make_view("llama")
    before, name = bits(view), "model.layers.0.mlp.up_proj"
    with view.masked(KeepMask({}, {name: torch.zeros(48, dtype=torch.bool)})):
        assert_same(before, bits(view))
    assert_same(before, bits(view))


def test_counts_of_what_is_removed_are_exact():
    keep = KeepMask(
        {"a": torch.tensor([[True, False], [False, False]]), "b": torch.ones(2, 3).bool()},
        {"a": torch.tensor([False, True])},
    )
    assert (keep.removed, keep.removed_biases) == (3, 1)
    assert (KeepMask({}).removed, KeepMask({}).removed_biases) == (0, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scaling_is_of_the_scope_with_its_biases_and_nothing_of_it_is_left(architecture, dtype):
    view = make_view(architecture, dtype, scope="mlp")
    before = bits(view)
    scaled = {id(weight.parameter) for weight in view.weights().values()}
    scaled |= {
        id(weight.module.bias) for weight in view.weights().values() if weight.bias is not None
    }
    ids = torch.tensor([[1, 5, 2, 7]])
    with torch.no_grad():
        as_it_is = view.model(ids).logits
        whole = copy.deepcopy(view.model)
        for one, other in zip(view.model.parameters(), whole.parameters(), strict=True):
            if id(one) in scaled:
                other.mul_(0.5)  # Exact, so that both round alike.
        expected = whole(ids).logits

    def interrupted() -> None:
        with view.scaled(0.5), torch.no_grad():
            assert torch.equal(view.model(ids).logits, expected)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert_same(before, bits(view))
    with torch.no_grad():
        assert torch.equal(view.model(ids).logits, as_it_is)
    assert not torch.equal(as_it_is, expected)
    assert 0 < len(scaled) < len(list(view.model.parameters()))
