"""GBLM equals the authors' procedure written out densely: |W| · (α ‖G‖ + ‖X‖₂)."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from replication.dense import dense_matrix, gather_inputs, weight_gradients
from sparc3_scorers.gblm import Gblm
from sparc3_scorers.wanda import Wanda

from sparc3_bench import Sparc3Error, find_objective
from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_reference, make_view

LENGTHS = (12, 5, 9)
COUNT = 5
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def loss_of(model, ids):
    """Return the mean cross-entropy of a sample as transformers computes it."""
    ids = torch.tensor([ids])
    return model(input_ids=ids, labels=ids).loss


@every_architecture
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_equals_the_published_procedure(architecture, batch_size, norm):
    view = make_view(architecture, torch.float64)
    reference = make_reference(COUNT, LENGTHS, batch_size)
    reference = dataclasses.replace(reference, objective=find_objective("loss"))
    model = make_model(architecture, torch.float64)
    names = list(view.weights())
    gradients = weight_gradients(model, names, reference.samples, loss_of)
    inputs = [gather_inputs(model, names, [ids]) for ids in reference.samples]
    scores = Gblm(norm=norm).score(view, reference)
    assert list(scores) == names
    for name, found in scores.items():
        scaled = [(100 * sample[name]).abs() for sample in gradients]
        total = sum(scaled) if norm == "l1" else sum(g**2 for g in scaled).sqrt()
        # The authors keep a running mean over sequences, one after another.
        mean = torch.zeros(found.shape[1], dtype=torch.float64)
        for index, sample in enumerate(inputs):
            mean = mean * index / (index + 1) + sample[name].norm(dim=0) ** 2 / (index + 1)
        weight = dense_matrix(model.get_submodule(name)).abs()
        expected = weight * mean.sqrt() + weight * total
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6 * float(expected.max()))


@every_architecture
def test_without_gradients_it_is_wanda_but_for_the_mean_over_samples(architecture):
    view, reference = make_view(architecture), make_reference(COUNT, LENGTHS)
    blended, wanda = Gblm(alpha=0.0).score(view, reference), Wanda().score(view, reference)
    for name in wanda:
        torch.testing.assert_close(blended[name], wanda[name] / COUNT**0.5, rtol=1e-5, atol=0)


@pytest.mark.parametrize("alpha", [-1.0, float("inf"), float("nan")])
def test_an_alpha_below_zero_or_without_end_is_refused(alpha):
    with pytest.raises(Sparc3Error, match="`alpha` of scorer 'gblm' must be a number from 0 up"):
        Gblm(alpha=alpha)


def test_an_unknown_norm_is_refused():
    with pytest.raises(Sparc3Error, match="`norm` of scorer 'gblm' must be one of l1, l2"):
        Gblm(norm="l3")
