"""Magnitude is |W|, and random is uniform noise that depends on the seed and the name alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from sparc3_scorers.magnitude import Magnitude
from sparc3_scorers.random import Random
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def noise(view, seed: int = 0) -> dict[str, Tensor]:
    return dict(Random().score(view, make_reference(seed=seed)))


@every_architecture
def test_magnitude_is_the_absolute_weight_out_by_in(architecture):
    view = make_view(architecture)
    scores = Magnitude().score(view, make_reference())
    assert list(scores) == list(view.weights())
    for name, values in scores.items():
        module = view.model.get_submodule(name)
        stored = module.weight.detach()
        expected = (stored.T if isinstance(module, Conv1D) else stored).abs()
        assert torch.equal(values, expected), name
        assert values.min() >= 0


@every_architecture
def test_magnitude_hands_out_no_view_of_the_weights(architecture):
    view = make_view(architecture)
    before = {name: weight.matrix.clone() for name, weight in view.weights().items()}
    for values in Magnitude().score(view, make_reference()).values():
        values.zero_()
    assert all(torch.equal(w.matrix, before[name]) for name, w in view.weights().items())


@every_architecture
def test_magnitude_does_not_depend_on_the_reference(architecture):
    view = make_view(architecture)
    first, second = (Magnitude().score(view, make_reference(seed=seed)) for seed in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)


@every_architecture
def test_random_repeats_its_bytes_for_the_same_seed(architecture):
    first, second = noise(make_view(architecture), 3), noise(make_view(architecture), 3)
    assert list(first) == list(make_view(architecture).weights())
    for name in first:
        assert first[name].numpy().tobytes() == second[name].numpy().tobytes(), name


@every_architecture
def test_random_differs_between_seeds_in_every_matrix(architecture):
    view = make_view(architecture)
    first, second = noise(view, 0), noise(view, 1)
    for name in first:
        # Equal by chance only at the resolution of float32: 2⁻²⁴ an entry.
        assert (first[name] == second[name]).sum() <= 1, name


def test_random_differs_between_matrices_of_one_shape():
    found = list(noise(make_view("opt")).values())
    pairs = [(a, b) for i, a in enumerate(found) for b in found[i + 1 :] if a.shape == b.shape]
    assert pairs
    assert all((a == b).sum() <= 1 for a, b in pairs)


@every_architecture
@pytest.mark.parametrize("scope", ["attention", "mlp"])
def test_random_does_not_depend_on_the_scope(architecture, scope):
    whole, part = noise(make_view(architecture)), noise(make_view(architecture, scope=scope))
    assert 0 < len(part) < len(whole)
    assert all(torch.equal(part[name], whole[name]) for name in part)


@every_architecture
def test_random_does_not_depend_on_the_order_of_the_weights(architecture):
    view = make_view(architecture)
    backwards = SimpleNamespace(weights=lambda: dict(reversed(view.weights().items())))
    forth, back = noise(view), noise(backwards)
    assert list(forth) == list(reversed(back))
    assert all(torch.equal(forth[name], back[name]) for name in forth)


def test_random_does_not_depend_on_weights_samples_or_the_global_generator():
    view = make_view("llama")
    first = noise(view)
    with torch.no_grad():
        for weight in view.weights().values():
            weight.matrix.zero_()
    torch.manual_seed(123)
    state = torch.get_rng_state()
    second = Random().score(view, make_reference(2, (30,)))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), state)


@every_architecture
def test_random_is_uniform_on_the_unit_interval(architecture):
    drawn = torch.cat([values.flatten() for values in noise(make_view(architecture)).values()])
    assert drawn.min() >= 0
    assert drawn.max() < 1
    # Five standard errors, for the mean and for the count in each tenth.
    size = drawn.numel()
    assert abs(drawn.mean() - 0.5) < 5 * (1 / 12 / size) ** 0.5
    tenths = torch.histc(drawn, 10, 0, 1)
    assert (tenths - size / 10).abs().max() < 5 * (size * 0.1 * 0.9) ** 0.5
