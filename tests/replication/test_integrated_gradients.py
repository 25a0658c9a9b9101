"""Integrated gradients equal the sum over the path written out densely, and are complete."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from replication.dense import as_out_by_in, assert_equal_up_to, objective_of
from sparc3_scorers.integrated_gradients import IntegratedGradients

from sparc3_bench import Role, Sparc3Error
from sparc3_bench.run.options import build
from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_reference, make_view

LENGTHS = (12, 5, 9)
COUNT = 3
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
POINTS = {
    ("riemann", 3): [(1 / 3, 1 / 3), (2 / 3, 1 / 3), (1, 1 / 3)],
    ("gauss-legendre", 2): [((1 - 3**-0.5) / 2, 1 / 2), ((1 + 3**-0.5) / 2, 1 / 2)],
}


def scaled_model(architecture, names, factor):
    """Return a model whose named modules have `factor` times their weights and biases."""
    model = make_model(architecture, torch.float64)
    for name in names:
        for parameter in model.get_submodule(name).parameters():
            parameter.data.mul_(factor)
    return model


def dense_attributions(architecture, names, samples, points):
    """Return for every sample by name the attributions of weights, and of biases."""
    whole = scaled_model(architecture, names, 1)
    found = []
    for ids in samples:
        gradients = {}
        for point, share in points:
            model = scaled_model(architecture, names, point)
            objective_of(model, ids).backward()
            for name in names:
                for kind, parameter in model.get_submodule(name).named_parameters():
                    key = (name, kind)
                    gradients[key] = gradients.get(key, 0) + share * parameter.grad
        found.append(
            {
                (name, kind): value * whole.get_submodule(name).get_parameter(kind).detach()
                for (name, kind), value in gradients.items()
            }
        )
    return found


@every_architecture
@pytest.mark.parametrize(("quadrature", "steps"), POINTS)
@pytest.mark.parametrize("aggregation", ["signed-mean", "abs-of-mean", "mean-of-abs"])
def test_equals_the_sum_over_the_path(architecture, quadrature, steps, aggregation):
    view = make_view(architecture, torch.float64)
    reference = make_reference(COUNT, LENGTHS, batch_size=2)
    points = POINTS[quadrature, steps]
    dense = dense_attributions(architecture, list(view.weights()), reference.samples, points)
    scorer = IntegratedGradients(aggregation, steps, quadrature)
    scores = scorer.score(view, reference)
    assert list(scores) == list(view.weights())
    for name, weight in view.weights().items():
        for kind, found in (("weight", scores[name]), ("bias", scores.biases.get(name))):
            if found is None or (weight.role, kind) == (Role.KEY, "bias"):
                continue  # softmax does not see the bias of keys: its gradient is rounding
            values = torch.stack([sample[name, kind] for sample in dense])
            if aggregation == "mean-of-abs":
                expected = values.abs().mean(0)
            else:
                expected = values.mean(0)
                expected = expected.abs() if aggregation == "abs-of-mean" else expected
            if kind == "weight":
                expected = as_out_by_in(weight.module, expected)
            assert_equal_up_to(found, expected, 1e-5, f"{name} {kind}")


@every_architecture
@pytest.mark.parametrize("scope", ["all", "mlp"])
def test_attributions_add_up_to_what_the_scope_is_worth(architecture, scope):
    view = make_view(architecture, torch.float64, scope=scope)
    reference = make_reference(2, LENGTHS, batch_size=2)
    names = list(view.weights())
    whole, without = (scaled_model(architecture, names, factor) for factor in (1, 0))
    with torch.no_grad():
        worth = sum(
            float(objective_of(whole, ids) - objective_of(without, ids))
            for ids in reference.samples
        ) / len(reference.samples)

    def missing(steps: int) -> float:
        scores = IntegratedGradients("signed-mean", steps).score(view, reference)
        found = sum(float(v.sum()) for v in (*scores.values(), *scores.biases.values()))
        return abs(found - worth)

    assert abs(worth) > 0.5
    assert missing(2) > 0.05
    # The kinks of OPT's ReLU are what Gauss's points are no good at.
    assert missing(32) < (0.01 if architecture == "opt" else 5e-5)


@pytest.mark.parametrize("aggregation", ["signed-mean", "mean-of-abs"])
def test_progress_counts_samples_times_steps(aggregation):
    seen = []
    reference = dataclasses.replace(
        make_reference(5, LENGTHS, batch_size=2), progress=lambda *now: seen.append(now)
    )
    IntegratedGradients(aggregation, steps=3).score(make_view("llama"), reference)
    assert {total for _, total in seen} == {15}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (15, 15)


def test_targets_and_starts_go_with_their_samples():
    seen = []

    def objective(logits, batch):
        for ids, targets, start in zip(batch.input_ids, batch.targets, batch.starts, strict=True):
            seen.append((ids[0].item(), targets.tolist(), start.item()))
        return logits.sum()

    reference = make_reference(3)
    reference = dataclasses.replace(
        reference, objective=objective, targets=[[7], [8], [9]], starts=[1, 2, 3]
    )
    IntegratedGradients(steps=1).score(make_view("llama"), reference)
    first = [sample[0] for sample in reference.samples]
    assert seen == [(first[0], [7], 1), (first[1], [8], 2), (first[2], [9], 3)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": "0"}, "`steps` of scorer 'integrated-gradients' must be greater than or equal"),
        ({"quadrature": "simpson"}, "`quadrature` of .* must be 'gauss-legendre' or 'riemann', g"),
        ({"aggregation": "token-rms"}, "`aggregation` of .* must be 'signed-mean', 'abs-of-m"),
    ],
)
def test_options_out_of_range_are_refused(options, sentence):
    with pytest.raises(Sparc3Error, match=sentence):
        build("scorer", IntegratedGradients, options)
