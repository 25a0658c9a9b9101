"""Repairs: each equals its formula written out on the inputs of a tiny model."""

from __future__ import annotations

import pytest
import torch

from sparc3_bench.attribution.objectives import find_objective
from sparc3_bench.host import default_host
from sparc3_bench.run.options import chosen
from sparc3_bench.run.steps.repair import check_values
from sparc3_bench.testing.tiny import make_view
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.samples import ReferenceSamples

ARCHITECTURES = ("llama", "gpt2", "opt")


def reference() -> ReferenceSamples:
    draw = torch.Generator().manual_seed(3)
    samples = torch.randint(3, 40, (6, 24), generator=draw).tolist()
    return ReferenceSamples(samples, find_objective("loss"))


def inputs_of(view) -> dict[str, torch.Tensor]:
    found: dict[str, list[torch.Tensor]] = {}
    with view.observe(lambda name, inputs: found.setdefault(name, []).append(inputs.double())):
        view.run(reference())
    return {name: torch.cat(some) for name, some in found.items()}


def half(view, names=None) -> KeepMask:
    draw = torch.Generator().manual_seed(4)
    masks = {n: torch.rand(w.matrix.shape, generator=draw) > 0.5 for n, w in view.weights().items()}
    return KeepMask({n: mask for n, mask in masks.items() if names is None or n in names})


def repaired(text, view, keep):
    _, repair = chosen("repair", text, default_host())
    found = repair.repair(view, keep, reference())
    check_values(found, view, text)
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", sorted(default_host().all("repair")))
def test_every_repair_fits_the_model_and_leaves_it_as_it_was(name, architecture):
    view = make_view(architecture)
    before = {n: p.clone() for n, p in view.model.named_parameters()}
    keep = half(view)
    found = repaired(name, view, keep)
    assert all(torch.equal(before[n], p) for n, p in view.model.named_parameters())
    with view.masked(keep, found):
        for n, weight in view.weights().items():
            assert not weight.matrix[~keep.weights[n]].any()
            expected = found.weights.get(n, weight.matrix)
            assert torch.equal(weight.matrix[keep.weights[n]], expected[keep.weights[n]])
            if n in found.biases:
                assert torch.equal(weight.bias, found.biases[n])
    assert all(torch.equal(before[n], p) for n, p in view.model.named_parameters())


def test_energy_gives_every_row_its_length_back():
    view = make_view("llama")
    keep = half(view)
    for name, new in repaired("energy", view, keep).weights.items():
        old = view.weights()[name].matrix
        for row, before, mask in zip(new, old, keep.weights[name], strict=True):
            factor = before.norm() / before[mask].norm()
            assert torch.allclose(row, before * mask * factor, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["gpt2", "opt"])
def test_corrected_biases_keep_the_mean_of_every_output(architecture):
    view = make_view(architecture)
    keep, inputs = half(view), inputs_of(view)
    for name, bias in repaired("bias", view, keep).biases.items():
        weight = view.weights()[name]
        matrix, mask = weight.matrix.double(), keep.weights[name]
        dense = (inputs[name] @ matrix.T + weight.bias).mean(0)
        pruned = (inputs[name] @ (matrix * mask).T + bias).mean(0)
        assert torch.allclose(dense, pruned, atol=1e-6)


def damped(inputs, damping):
    gram = inputs.T @ inputs
    return gram + damping * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_obs_sets_later_weights_as_a_dense_inverse_for_every_feature_does(architecture):
    view = make_view(architecture)
    keep, inputs = half(view), inputs_of(view)
    for name, new in repaired("obs:block=5", view, keep).weights.items():
        gram, mask = damped(inputs[name], 0.01), keep.weights[name]
        expected = view.weights()[name].matrix.double().clone()
        for j in range(len(gram)):
            inverse = torch.linalg.inv(gram[j:, j:])  # over the features that are still to come
            for row in (~mask[:, j]).nonzero().flatten():
                expected[row, j:] -= expected[row, j] / inverse[0, 0] * inverse[0]
        expected[~mask] = 0
        assert torch.allclose(new.double(), expected, atol=1e-5)


def published_loop(weights, gram, sparsity, blocksize):
    """Return mask and weights of SparseGPT's loop [frantar2023sparsegpt], step by step."""
    weights = weights.clone()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    hinv = torch.linalg.cholesky(inverse, upper=True)
    keep = torch.ones_like(weights, dtype=torch.bool)
    for i1 in range(0, weights.shape[1], blocksize):
        i2 = min(i1 + blocksize, weights.shape[1])
        w1, q1 = weights[:, i1:i2].clone(), torch.zeros_like(weights[:, i1:i2])
        err1, hinv1 = torch.zeros_like(w1), hinv[i1:i2, i1:i2]
        metric = w1**2 / hinv1.diagonal() ** 2
        threshold = metric.flatten().sort().values[int(metric.numel() * sparsity)]
        mask1 = metric <= threshold
        for i in range(i2 - i1):
            w, d = w1[:, i], hinv1[i, i]
            q = w.clone()
            q[mask1[:, i]] = 0
            q1[:, i] = q
            err = (w - q) / d
            w1[:, i:] -= err[:, None] @ hinv1[i, i:][None]
            err1[:, i] = err
        weights[:, i1:i2], keep[:, i1:i2] = q1, ~mask1
        weights[:, i2:] -= err1 @ hinv[i1:i2, i2:]
    return keep, weights


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("blocksize", [7, 1000])
def test_sparsegpts_choice_with_obs_is_the_published_loop(architecture, blocksize):
    view = make_view(architecture)
    inputs = inputs_of(view)
    loop = {
        name: published_loop(weight.matrix.double(), damped(inputs[name], 0.01), 0.5, blocksize)
        for name, weight in view.weights().items()
    }
    keep = KeepMask({name: mask for name, (mask, _) in loop.items()})
    for name, new in repaired("obs", view, keep).weights.items():
        assert torch.allclose(new.double(), loop[name][1], atol=1e-5)


def test_admm_comes_to_the_least_squares_of_the_outputs_and_obs_not_below():
    view = make_view("llama")
    keep, inputs = half(view), inputs_of(view)
    damping = 0.1
    found = repaired(f"admm:steps=2000,damping={damping}", view, keep).weights
    few = repaired(f"admm:damping={damping}", view, keep).weights
    obs = repaired(f"obs:damping={damping}", view, keep).weights
    for name, new in found.items():
        gram, old = damped(inputs[name], damping), view.weights()[name].matrix.double()
        for row, before, mask in zip(new.double(), old, keep.weights[name], strict=True):
            solved = torch.linalg.solve(gram[mask][:, mask], (gram @ before)[mask])
            assert torch.allclose(row[mask], solved, atol=1e-4)

        def error(values, old=old, gram=gram):
            return float(((values.double() - old) @ gram).mul(values.double() - old).sum())

        pruned = error(old * keep.weights[name])
        assert error(new) <= error(few[name]) < pruned
        assert error(new) <= error(obs[name]) < pruned
