"""Gradient equals what torch's own backward gives on the plain model, for every aggregation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from replication.dense import (
    as_out_by_in,
    assert_equal_up_to,
    log_probability,
    objective_of,
    weight_gradients,
)
from replication.precise import make_precise
from sparc3_scorers.gradient import Gradient
from torch import Tensor, nn

from sparc3_bench import Batch, ReferenceSamples
from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_reference, make_view
from sparc3_bench.types.architecture import Role

LENGTHS = (12, 5, 9)
COUNT = 5
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
every_batch_size = pytest.mark.parametrize("batch_size", [1, 4])


def token_parts(
    model: nn.Module, names: Sequence[str], samples: Sequence[Sequence[int]]
) -> list[dict[str, tuple[Tensor, Tensor]]]:
    """Return inputs and output gradients ``[tokens, features]`` of every sample and module."""
    found = []
    for ids in samples:
        inputs: dict[str, Tensor] = {}
        outputs: dict[str, Tensor] = {}

        def keeper(name: str, inputs=inputs, outputs=outputs):
            def keep(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
                inputs[name], outputs[name] = args[0].detach(), output
                output.retain_grad()

            return keep

        handles = [model.get_submodule(n).register_forward_hook(keeper(n)) for n in names]
        objective_of(model, ids).backward()
        for handle in handles:
            handle.remove()
        found.append(
            {
                name: (
                    inputs[name].reshape(len(ids), -1),
                    outputs[name].grad.reshape(len(ids), -1),
                )
                for name in names
            }
        )
    return found


def over_tokens(parts: tuple[Tensor, Tensor], power: int) -> Tensor:
    """Sum (|g_j| · |a_i|)^power over tokens, one token after another."""
    inputs, gradients = parts
    total = torch.zeros(gradients.shape[1], inputs.shape[1], dtype=inputs.dtype)
    for a, g in zip(inputs, gradients, strict=True):
        total += torch.outer(g.abs(), a.abs()) ** power
    return total


def mean(maps: Sequence[Mapping[str, Tensor]], name: str) -> Tensor:
    return torch.stack([values[name] for values in maps]).mean(0)


@every_architecture
@every_batch_size
@pytest.mark.parametrize("aggregation", ["signed-mean", "abs-of-mean", "mean-of-abs"])
@pytest.mark.parametrize("times_weight", [True, False])
def test_equals_autograd_over_samples(architecture, batch_size, aggregation, times_weight):
    view = make_view(architecture, dtype=torch.float64)
    reference = make_reference(COUNT, LENGTHS, batch_size)
    model = make_model(architecture, torch.float64)
    gradients = weight_gradients(model, list(view.weights()), reference.samples)
    scores = Gradient(aggregation, times_weight).score(view, reference)
    assert list(scores) == list(view.weights())
    for name, found in scores.items():
        module = model.get_submodule(name)
        weight = as_out_by_in(module, module.weight.detach())
        if aggregation == "signed-mean":
            expected = mean(gradients, name) * (weight if times_weight else 1)
        elif aggregation == "abs-of-mean":
            expected = mean(gradients, name).abs() * (weight.abs() if times_weight else 1)
        else:
            expected = torch.stack([g[name].abs() for g in gradients]).mean(0)
            expected = expected * (weight.abs() if times_weight else 1)
        assert_equal_up_to(found, expected, 1e-5, name)


@every_architecture
@every_batch_size
@pytest.mark.parametrize("aggregation", ["token-abs", "token-rms"])
@pytest.mark.parametrize("times_weight", [True, False])
def test_equals_a_loop_over_tokens(architecture, batch_size, aggregation, times_weight):
    view = make_view(architecture, dtype=torch.float64)
    reference = make_reference(COUNT, LENGTHS, batch_size)
    model = make_model(architecture, torch.float64)
    parts = token_parts(model, list(view.weights()), reference.samples)
    scores = Gradient(aggregation, times_weight).score(view, reference)
    assert list(scores) == list(view.weights())
    for name, found in scores.items():
        module = model.get_submodule(name)
        weight = as_out_by_in(module, module.weight.detach()).abs()
        power = 1 if aggregation == "token-abs" else 2
        expected = sum(over_tokens(sample[name], power) for sample in parts) / COUNT
        if aggregation == "token-rms":
            expected = expected.sqrt()
        assert_equal_up_to(found, expected * (weight if times_weight else 1), 1e-5, name)


@every_architecture
@pytest.mark.parametrize(
    "aggregation", ["signed-mean", "abs-of-mean", "mean-of-abs", "token-abs", "token-rms"]
)
def test_batches_with_padding_equal_single_samples_in_float32(architecture, aggregation):
    view, scorer = make_view(architecture), Gradient(aggregation)
    one, four = (scorer.score(view, make_reference(COUNT, LENGTHS, size)) for size in (1, 4))
    for name in one:
        assert_equal_up_to(four[name], one[name], 2e-5, name)


@pytest.mark.parametrize("architecture", ["opt", "gpt2"])
@pytest.mark.parametrize(
    "aggregation", ["signed-mean", "abs-of-mean", "mean-of-abs", "token-abs", "token-rms"]
)
def test_biases_are_aggregated_like_a_weight_with_input_one(architecture, aggregation):
    view = make_view(architecture, dtype=torch.float64)
    reference = make_reference(COUNT, LENGTHS, batch_size=2)
    model = make_model(architecture, torch.float64)
    parts = token_parts(model, list(view.weights()), reference.samples)
    scores = Gradient(aggregation).score(view, reference)
    assert list(scores.biases) == list(view.weights())
    for name, found in scores.biases.items():
        if view.weights()[name].role is Role.KEY:
            continue  # softmax does not see it: its gradient is rounding
        by_sample = [sample[name][1] for sample in parts]  # [tokens, out]
        bias = model.get_submodule(name).bias.detach()
        if aggregation == "signed-mean":
            expected = sum(g.sum(0) for g in by_sample) / COUNT * bias
        elif aggregation == "abs-of-mean":
            expected = (sum(g.sum(0) for g in by_sample) / COUNT * bias).abs()
        elif aggregation == "mean-of-abs":
            expected = sum(g.sum(0).abs() for g in by_sample) / COUNT * bias.abs()
        elif aggregation == "token-abs":
            expected = sum(g.abs().sum(0) for g in by_sample) / COUNT * bias.abs()
        else:
            expected = (sum(g.square().sum(0) for g in by_sample) / COUNT).sqrt() * bias.abs()
        assert_equal_up_to(found, expected, 1e-5, name)


@every_architecture
def test_aggregations_are_ordered_by_where_the_absolute_value_stands(architecture):
    view, reference = make_view(architecture, dtype=torch.float64), make_reference(COUNT, LENGTHS)
    of_mean, of_samples, of_tokens = (
        Gradient(aggregation).score(view, reference)
        for aggregation in ("abs-of-mean", "mean-of-abs", "token-abs")
    )
    for name in of_mean:
        slack = 1e-9 * of_tokens[name].max()
        assert (of_mean[name] <= of_samples[name] + slack).all(), name
        assert (of_samples[name] <= of_tokens[name] + slack).all(), name
        assert of_mean[name].sum() < 0.9 * of_tokens[name].sum(), name


@every_architecture
def test_standard_error_is_that_of_the_per_sample_saliencies(architecture):
    view = make_view(architecture, dtype=torch.float64)
    reference = make_reference(COUNT, LENGTHS, batch_size=2)
    model = make_model(architecture, torch.float64)
    gradients = weight_gradients(model, list(view.weights()), reference.samples)
    scores = Gradient("signed-mean", standard_error=True).score(view, reference)
    for name, found in scores.standard_errors.items():
        module = model.get_submodule(name)
        weight = as_out_by_in(module, module.weight.detach())
        saliencies = torch.stack([sample[name] * weight for sample in gradients])
        assert_equal_up_to(found, saliencies.std(0) / COUNT**0.5, 1e-5, name)


@every_architecture
def test_signed_mean_agrees_with_a_finite_difference_of_the_objective(architecture):
    view = make_precise(make_view(architecture, dtype=torch.float64))
    samples = make_reference(2, LENGTHS).samples

    def objective(logits: Tensor, batch: Batch) -> Tensor:
        # In float64 throughout: a difference of nearly equal numbers is taken below.
        return log_probability(logits, batch.input_ids[0].tolist())

    scores = Gradient("signed-mean").score(view, ReferenceSamples(samples, objective))

    def value() -> float:
        with torch.no_grad():
            return sum(objective_of(view.model, ids) for ids in samples).item() / len(samples)

    for name, weight in view.weights().items():
        # The largest score of the matrix and one fixed entry.
        top = int(scores[name].abs().argmax())
        for row, column in (divmod(top, scores[name].shape[1]), (3, 5)):
            entry = weight.matrix[row, column]
            before, step = entry.clone(), 1e-5
            entry.copy_(before + step)
            above = value()
            entry.copy_(before - step)
            below = value()
            entry.copy_(before)
            slope = (above - below) / (2 * step)
            expected = slope * before.item()
            scale = scores[name].abs().max().item()
            assert abs(scores[name][row, column].item() - expected) < 1e-6 * scale, name
