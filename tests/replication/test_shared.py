"""A matrix that is used several times has one gradient a sample: the sum over its uses."""

from __future__ import annotations

import pytest
import torch
from replication.dense import assert_equal_up_to, objective_of, weight_gradients
from replication.sharing import shared_view, uses
from sparc3_scorers.activation import Activation
from sparc3_scorers.fisher import Fisher
from sparc3_scorers.gblm import Gblm
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.integrated_gradients import IntegratedGradients
from sparc3_scorers.lrp import Lrp
from sparc3_scorers.lrp_lxt import LrpLxt
from sparc3_scorers.sparsegpt import SparseGpt
from sparc3_scorers.wanda import Wanda

from sparc3_bench import Accumulator, Role, Sparc3Error
from sparc3_bench.model.blockwise import walk
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.testing.tiny import make_reference

LENGTHS, COUNT = (12, 5, 9), 5
every_way = pytest.mark.parametrize("way", ["matrix", "module", "block", "loop"])
in_batches = pytest.mark.parametrize("batch_size", [1, 4])


def gradients(way, architecture="llama"):
    view = shared_view(way, architecture)
    reference = make_reference(COUNT, LENGTHS)
    names = list(view.weights())
    found = weight_gradients(view.model, names, reference.samples)
    stacked = {name: torch.stack([sample[name] for sample in found]) for name in names}
    return {n: (w.matrix.clone(), stacked[n]) for n, w in shared_view(way).weights().items()}


def assert_scores(found, expected):
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert_equal_up_to(found[name], values, 1e-6, name)


@every_way
@in_batches
def test_scores_by_sample_are_those_of_the_dense_gradient(way, batch_size):
    reference = make_reference(COUNT, LENGTHS, batch_size)
    dense = gradients(way)
    absolute = Gradient("mean-of-abs").score(shared_view(way), reference)
    assert_scores(absolute, {n: (w * g).abs().mean(0) for n, (w, g) in dense.items()})
    signed = Gradient("signed-mean", standard_error=True, by_sample=True)
    scores = signed.score(shared_view(way), reference)
    error = {n: (w * g).std(0) / COUNT**0.5 for n, (w, g) in dense.items()}
    assert_scores(scores.standard_errors, error)
    assert_scores(scores, {n: (w * g).mean(0) for n, (w, g) in dense.items()})
    for name, rows in scores.by_sample.items():
        weight, gradient = dense[name]
        role = shared_view(way).weights()[name].role
        of_units = (weight * gradient).sum(1 if role is Role.ATTENTION_OUTPUT else 2)
        assert_equal_up_to(rows, of_units, 1e-6, name)
    assert {name.rpartition(".")[2] for name in scores.by_sample} == {
        "o_proj",
        "gate_proj",
        "up_proj",
    }
    squares = Fisher().score(shared_view(way), reference)
    assert_scores(squares, {n: w**2 * (g**2).mean(0) / 2 for n, (w, g) in dense.items()})
    powers = Gblm(alpha=1e9).score(shared_view(way), reference)
    assert_scores(powers, {n: 1e9 * w.abs() * g.abs().sum(0) for n, (w, g) in dense.items()})


@every_way
@in_batches
@pytest.mark.parametrize("aggregation", ["token-abs", "token-rms"])
def test_every_use_of_a_token_is_a_token(way, batch_size, aggregation):
    view, reference = shared_view(way), make_reference(COUNT, LENGTHS, batch_size)
    read = [uses(shared_view(way), ids) for ids in reference.samples]
    scores = Gradient(aggregation, times_weight=False).score(view, reference)
    for name, found in scores.items():
        power = 2 if aggregation == "token-rms" else 1
        sums = [
            sample[name][1].abs().pow(power).T @ sample[name][0].abs().pow(power) for sample in read
        ]
        expected = torch.stack(sums).mean(0) ** (1 / power)
        assert_equal_up_to(found, expected, 1e-6, name)


@every_way
def test_statistics_of_inputs_are_over_all_uses(way):
    reference = make_reference(COUNT, LENGTHS, batch_size=2)
    samples = [uses(shared_view(way), ids) for ids in reference.samples]
    read = {name: torch.cat([one[name][0] for one in samples]) for name in samples[0]}
    weights = {name: weight.matrix for name, weight in shared_view(way).weights().items()}
    wanda = {name: weights[name].abs() * read[name].norm(dim=0) for name in weights}
    assert_scores(Wanda().score(shared_view(way), reference), wanda)
    assert_scores(mean_inputs(shared_view(way), reference), {n: r.mean(0) for n, r in read.items()})
    means = Activation().score(shared_view(way), reference)
    counted = {name: values for name, values in means.items() if name.endswith("q_proj")}
    # Every token but the last of a sample has a next one.
    asked = {
        name: torch.cat(
            [_asked(one[name][0], ids) for one, ids in zip(samples, reference.samples, strict=True)]
        )
        for name in counted
    }
    assert_scores(counted, {n: asked[n].abs().mean(0).expand_as(v) for n, v in counted.items()})
    scores = SparseGpt().score(shared_view(way), reference)
    for name, values in scores.items():
        gram = read[name].T @ read[name]
        gram += 0.01 * gram.diagonal().mean() * torch.eye(len(gram))
        assert_equal_up_to(
            values, weights[name] ** 2 / torch.linalg.inv(gram).diagonal(), 1e-5, name
        )


def _asked(rows, ids):
    return rows.view(-1, len(ids), rows.shape[-1])[:, :-1].flatten(0, 1)


@every_way
def test_integrated_gradients_add_up_to_what_they_explain(way):
    view, reference = shared_view(way), make_reference(COUNT, LENGTHS)
    scores = IntegratedGradients("signed-mean", steps=64).score(view, reference)

    def value():
        with torch.no_grad():
            return sum(float(objective_of(view.model, ids)) for ids in reference.samples) / COUNT

    whole = value()
    with view.scaled(0.0):
        explained = whole - value()
    assert sum(float(s.sum()) for s in scores.values()) == pytest.approx(explained, rel=1e-4)


def test_a_rule_is_applied_once_to_a_module_that_stands_at_two_places():
    twice, copied = shared_view("block"), shared_view("matrix")
    copied.model.load_state_dict(twice.model.state_dict())
    reference = make_reference(COUNT, LENGTHS)
    found, expected = (
        Lrp(aggregation="signed-mean").score(view, reference) for view in (twice, copied)
    )
    assert_scores(found, expected)


@pytest.mark.parametrize("way", ["matrix", "module"])
def test_a_bias_is_scored_where_it_goes_with_the_matrix(way):
    reference = make_reference(COUNT, LENGTHS)
    scores = Fisher().score(shared_view(way, "opt"), reference)
    model = shared_view(way, "opt").model
    if way == "matrix":  # each module has a bias of its own
        assert not scores.biases
        return
    squares = {name: [] for name in scores}
    for ids in reference.samples:
        model.zero_grad()
        objective_of(model, ids).backward()
        for name in squares:
            squares[name].append(model.get_submodule(name).bias.grad ** 2)
    for name, found in scores.biases.items():
        if not name.endswith("k_proj"):  # softmax does not see it: its gradient is rounding
            bias = model.get_submodule(name).bias.detach()
            assert_equal_up_to(found, bias**2 * torch.stack(squares[name]).mean(0) / 2, 1e-5, name)


@pytest.mark.parametrize("way", ["matrix", "module", "block", "loop"])
def test_blockwise_refuses_what_is_not_one_block_behind_the_other(way):
    view = shared_view(way)
    with pytest.raises(Sparc3Error, match=r"choose schedule .one-shot"):
        next(walk(view, make_reference(2)))


def test_samples_in_two_goes_are_all_in_one():
    reference = make_reference(COUNT, LENGTHS)
    once = Gradient("mean-of-abs").score(shared_view("matrix"), reference)
    view = shared_view("matrix")
    accumulator = Accumulator(view.weights(), "mean-of-abs")
    view.attribute(reference.part(0, 2), accumulator.fold)
    accumulator = Accumulator(view.weights(), "mean-of-abs", state=accumulator.state())
    view.attribute(reference.part(2), accumulator.fold)
    for name, values in accumulator.scores().items():
        assert torch.equal(values, once[name])


def test_a_scorer_that_saves_the_model_refuses_what_a_copy_does_not_share():
    with pytest.raises(Sparc3Error, match=r"Scorer 'lrp-lxt' .*use 'lrp'"):
        LrpLxt().score(shared_view("matrix"), make_reference(2))
