"""Fisher equals half the squared weight times the mean squared gradient, written out densely."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from replication.dense import (
    assert_equal_up_to,
    dense_matrix,
    objective_of,
    weight_gradients,
)
from sparc3_scorers.fisher import Fisher

from sparc3_bench import Role, Sparc3Error
from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_reference, make_view

LENGTHS = (12, 5, 9)
COUNT = 5
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


@every_architecture
@pytest.mark.parametrize("batch_size", [1, 4])
def test_equals_half_the_square_times_the_mean_squared_gradient(architecture, batch_size):
    view = make_view(architecture, torch.float64)
    reference = make_reference(COUNT, LENGTHS, batch_size)
    model = make_model(architecture, torch.float64)
    gradients = weight_gradients(model, list(view.weights()), reference.samples)
    scores = Fisher().score(view, reference)
    assert list(scores) == list(view.weights())
    for name, found in scores.items():
        fisher = torch.stack([sample[name] ** 2 for sample in gradients]).mean(0)
        weight = dense_matrix(model.get_submodule(name))
        assert_equal_up_to(found, weight**2 * fisher / 2, 1e-5, name)


@pytest.mark.parametrize("architecture", ["opt", "gpt2"])
def test_biases_are_scored_alike(architecture):
    view = make_view(architecture, torch.float64)
    reference = make_reference(COUNT, LENGTHS, batch_size=2)
    model = make_model(architecture, torch.float64)
    squares = {name: [] for name in view.weights()}
    for ids in reference.samples:
        model.zero_grad()
        objective_of(model, ids).backward()
        for name in squares:
            squares[name].append(model.get_submodule(name).bias.grad ** 2)
    scores = Fisher().score(view, reference)
    assert list(scores.biases) == list(view.weights())
    for name, found in scores.biases.items():
        if view.weights()[name].role is Role.KEY:
            continue  # softmax does not see it: its gradient is rounding
        bias = model.get_submodule(name).bias.detach()
        assert_equal_up_to(found, bias**2 * torch.stack(squares[name]).mean(0) / 2, 1e-5, name)


def test_twice_the_samples_change_nothing_and_twice_the_objective_changes_it_fourfold():
    reference = make_reference(COUNT, LENGTHS)
    twice = dataclasses.replace(reference, samples=[*reference.samples] * 2)
    double = dataclasses.replace(reference, objective=lambda *a: 2 * reference.objective(*a))
    once, again, scaled = (
        Fisher().score(make_view("llama"), each) for each in (reference, twice, double)
    )
    for name in once:
        torch.testing.assert_close(again[name], once[name])
        torch.testing.assert_close(scaled[name], 4 * once[name])


def test_a_weight_that_no_gradient_reaches_is_refused():
    def objective(logits, batch):
        return torch.zeros((), requires_grad=True)

    reference = dataclasses.replace(make_reference(2), objective=objective)
    with pytest.raises(Sparc3Error, match="No gradient reached 'model"):
        Fisher().score(make_view("llama"), reference)
