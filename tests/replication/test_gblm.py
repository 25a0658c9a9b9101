"""GBLM equals the authors' procedure written out densely: |W| · (α ‖G‖ + ‖X‖₂)."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from replication.dense import dense_matrix, gather_inputs, weight_gradients
from sparc3_scorers.gblm import Gblm
from sparc3_scorers.wanda import Wanda

from sparc3_bench import Sparc3Error, find_objective
from sparc3_bench.host import default_host
from sparc3_bench.run.options import build
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.testing.tiny import (
    ARCHITECTURES,
    make_model,
    make_reference,
    make_view,
    save_model,
    save_text,
)

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


def test_a_run_that_asks_for_no_objective_has_the_published_balance(tmp_path):
    """α = 100 belongs to the mean loss of a sample, not to the sum over its tokens."""
    save_model("llama", tmp_path / "tiny")
    options = {
        f"{part}_text": str(save_text(tmp_path / part, 600, seed))
        for seed, part in enumerate(("reference", "evaluation"))
    }
    options |= {"reference_windows": "3", "reference_length": "24", "evaluation_length": "24"}
    tiny = str(tmp_path / "tiny")
    request = Request(
        scorers=[("gblm", [0])],
        task="compression",
        model=tiny,
        dtype="float32",
        task_options=options,
    )
    (cell,) = plan(request, default_host(), tmp_path / "cache").cells
    (reference,) = cell.prepared.references(cell.spec.objective).values()
    scores = cell.scorer.score(make_view("llama"), reference)
    model = make_model("llama")
    gradients = weight_gradients(model, list(scores), reference.samples, loss_of)
    inputs = [gather_inputs(model, list(scores), [ids]) for ids in reference.samples]
    for name, found in scores.items():
        norm = torch.stack([one[name].square().sum(0) for one in inputs]).mean(0).sqrt()
        total = torch.stack([sample[name].abs() for sample in gradients]).sum(0)
        expected = dense_matrix(model.get_submodule(name)).abs() * (100 * total + norm)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.max()))


@every_architecture
def test_without_gradients_it_is_wanda_but_for_the_mean_over_samples(architecture):
    view, reference = make_view(architecture), make_reference(COUNT, LENGTHS)
    blended, wanda = Gblm(alpha=0.0).score(view, reference), Wanda().score(view, reference)
    for name in wanda:
        torch.testing.assert_close(blended[name], wanda[name] / COUNT**0.5, rtol=1e-5, atol=0)


@pytest.mark.parametrize("alpha", ["-1", "inf", "nan"])
def test_an_alpha_below_zero_or_without_end_is_refused(alpha):
    with pytest.raises(Sparc3Error, match="`alpha` of scorer 'gblm' must be"):
        build("scorer", Gblm, {"alpha": alpha})


def test_an_unknown_norm_is_refused():
    with pytest.raises(Sparc3Error, match="`norm` of scorer 'gblm' must be 'l1' or 'l2', got 'l3'"):
        build("scorer", Gblm, {"norm": "l3"})
