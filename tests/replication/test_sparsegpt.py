"""The saliency of SparseGPT equals w² / [H⁻¹]ⱼⱼ written out densely, and means what it says."""

from __future__ import annotations

import pytest
import torch
from replication.dense import dense_matrix, gather_inputs
from sparc3_scorers.sparsegpt import SparseGpt

from sparc3_bench import InputGrams, Role, Sparc3Error
from sparc3_bench.attribution import grams
from sparc3_bench.run.options import build
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view

LENGTHS = (12, 5, 9)
COUNT = 6
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def dense_hessian(inputs: torch.Tensor, damping: float) -> torch.Tensor:
    """Return XᵀX with `damping` times the mean of its diagonal added to the diagonal."""
    hessian = inputs.double().T @ inputs.double()
    return hessian + damping * hessian.diagonal().mean() * torch.eye(len(hessian))


@every_architecture
@pytest.mark.parametrize("damping", [0.01, 0.5])
def test_equals_the_square_over_the_diagonal_of_the_inverse(architecture, damping):
    view = make_view(architecture)
    reference = make_reference(COUNT, LENGTHS, batch_size=4)
    inputs = gather_inputs(view.model, list(view.weights()), reference.samples)
    scores = SparseGpt(damping).score(view, reference)
    assert list(scores) == list(view.weights())
    for name, found in scores.items():
        inverse = torch.linalg.inv(dense_hessian(inputs[name], damping))
        weight = dense_matrix(view.model.get_submodule(name)).double()
        expected = (weight**2 / inverse.diagonal()).float()
        torch.testing.assert_close(found, expected, rtol=2e-4, atol=0, msg=name)


@every_architecture
def test_it_is_the_least_error_when_the_others_of_the_row_make_up_for_the_weight(architecture):
    view, reference = make_view(architecture), make_reference(COUNT, LENGTHS)
    inputs = gather_inputs(view.model, list(view.weights()), reference.samples)
    scores = SparseGpt().score(view, reference)
    for name, found in scores.items():
        hessian = dense_hessian(inputs[name], 0.01)
        row, column = 3, 5
        weight = dense_matrix(view.model.get_submodule(name))[row, column].double()
        others = torch.arange(len(hessian)) != column
        # The change d of the row has d = -w at the weight; the rest of it is set to the best.
        change = torch.zeros(len(hessian), dtype=torch.float64)
        change[column] = -weight
        change[others] = torch.linalg.solve(
            hessian[others][:, others], weight * hessian[others, column]
        )
        error = change @ hessian @ change
        torch.testing.assert_close(found[row, column].double(), error, rtol=2e-4, atol=0, msg=name)


@every_architecture
def test_batch_size_and_stripes_change_nothing_beyond_rounding(architecture, monkeypatch):
    one = SparseGpt().score(make_view(architecture), make_reference(COUNT, LENGTHS, 1))
    monkeypatch.setattr(grams, "_STRIPE", 7)
    six = SparseGpt().score(make_view(architecture), make_reference(COUNT, LENGTHS, 6))
    for name in one:
        torch.testing.assert_close(six[name], one[name], rtol=2e-4, atol=0, msg=name)


def test_features_that_are_always_zero_score_zero_and_leave_the_others_alone():
    view, reference = make_view("llama"), make_reference(COUNT, LENGTHS)
    norm = view.model.model.layers[0].input_layernorm
    norm.weight.data[4:9] = 0
    scores = SparseGpt().score(view, reference)
    name = "model.layers.0.self_attn.q_proj"
    inputs = gather_inputs(view.model, [name], reference.samples)[name]
    living = inputs.abs().sum(0) > 0
    assert living.tolist() == [not 4 <= feature < 9 for feature in range(32)]
    assert (scores[name][:, 4:9] == 0).all()
    # The damping is the mean over all features.
    hessian = dense_hessian(inputs, 0.01)[living][:, living]
    weight = view.weights()[name].matrix.double()[:, living]
    expected = (weight**2 / torch.linalg.inv(hessian).diagonal()).float()
    torch.testing.assert_close(scores[name][:, living], expected, rtol=2e-4, atol=0)


@every_architecture
def test_what_reads_the_same_inputs_shares_one_product(architecture):
    view = make_view(architecture)
    state = SparseGpt().accumulate(view, make_reference(COUNT, LENGTHS), {})
    shared = {Role.KEY: "attention", Role.VALUE: "attention", Role.QUERY: "attention"}
    shared |= {Role.GATE: "mlp", Role.UP: "mlp"}
    groups = {(w.block, shared.get(w.role, w.role)) for w in view.weights().values()}
    assert sum(values.numel() > 0 for values in state.values()) == len(groups)


def test_a_model_in_float64_keeps_its_weights():
    view, untouched = make_view("llama", torch.float64), make_view("llama", torch.float64)
    SparseGpt().score(view, make_reference(COUNT, LENGTHS))
    for name, weight in untouched.weights().items():
        assert torch.equal(view.weights()[name].matrix, weight.matrix), name


def test_matrices_used_by_several_modules_share_nothing():
    view = make_view("llama")
    layers = view.model.model.layers
    # One parameter in two blocks: its inputs are those of both, and its neighbours' are not.
    layers[1].self_attn.q_proj.weight = layers[0].self_attn.q_proj.weight
    view = type(view)(view.model, view.adapter)
    first, second, key = (
        f"model.layers.{path}_proj" for path in ("0.self_attn.q", "1.self_attn.q", "0.self_attn.k")
    )
    assert view.weights()[first].sharing
    reference = make_reference(COUNT, LENGTHS)
    scores = SparseGpt().score(view, reference)
    inputs = gather_inputs(view.model, [first, second, key], reference.samples)
    inputs[first] = torch.cat([inputs[first], inputs[second]])
    for name in (first, key):
        inverse = torch.linalg.inv(dense_hessian(inputs[name], 0.01))
        expected = (view.weights()[name].matrix.double() ** 2 / inverse.diagonal()).float()
        torch.testing.assert_close(scores[name], expected, rtol=2e-4, atol=0)


def test_inputs_that_are_all_zero_say_nothing_about_who_reads_the_same():
    view, later = make_view("llama"), torch.randn(3, 4)
    (one, other, *_), inputs = view.weights(), InputGrams(view)
    for first, second in ((torch.zeros(3, 4), torch.zeros(3, 4)), (later, 2 * later)):
        inputs.add(one, first)
        inputs.add(other, second)
    sums = {name: lower.tril() for name, lower in inputs.each()}
    assert torch.equal(sums[other], 4 * sums[one])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_input_is_rounded_for_its_products(dtype):
    view = make_view("llama", dtype)
    name, sums = next(iter(view.weights())), InputGrams(view)
    inputs = torch.randn(300, 400, generator=torch.Generator().manual_seed(0)).to(dtype).float()
    sums.add(name, inputs)
    ((_, found),) = sums.each()
    expected = inputs.double().T @ inputs.double()
    # In units of the largest: rounded to eight digits, products of float32 are 1e-3 off.
    assert (found - expected).tril().abs().max() < 3e-6 * expected.max()


@pytest.mark.parametrize("size", [1, 192, 193, 500])
def test_the_inverse_factor_undoes_the_matrix(size):
    inputs = torch.randn(size + 3, size, generator=torch.Generator().manual_seed(0)).double()
    gram = inputs.T @ inputs + torch.eye(size)
    found = grams.inverse_factor(gram.tril() + torch.full_like(gram, torch.nan).triu(1))
    assert (found.triu(1) == 0).all()
    torch.testing.assert_close(found @ gram @ found.T, torch.eye(size).double())


@pytest.mark.parametrize("size", [5, 500])
def test_what_has_no_factor_is_refused(size):
    with pytest.raises(Sparc3Error, match="no factor; give a larger `damping`"):
        grams.inverse_factor(-torch.eye(size, dtype=torch.float64))


def test_fewer_tokens_than_features_are_enough():
    scores = SparseGpt().score(make_view("llama"), make_reference(1, (2,)))
    assert all(values.isfinite().all() and (values > 0).any() for values in scores.values())


@pytest.mark.parametrize("damping", ["0", "-1", "inf", "nan"])
def test_a_damping_that_leaves_no_inverse_is_refused(damping):
    with pytest.raises(Sparc3Error, match="`damping` of scorer 'sparsegpt' must be "):
        build("scorer", SparseGpt, {"damping": damping})
