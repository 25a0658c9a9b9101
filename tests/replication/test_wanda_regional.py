"""The score of Wanda++ equals the published formula written out densely, block by block."""

from __future__ import annotations

import pytest
import torch
from replication.dense import as_out_by_in, dense_matrix, gather_inputs
from sparc3_scorers.wanda import Wanda
from sparc3_scorers.wanda_regional import WandaRegional

from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_reference, make_view

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def block_outputs(model, view, ids):
    found = []
    handles = [
        model.get_submodule(f"{view.adapter.blocks}.{index}").register_forward_hook(
            lambda block, args, out: found.append(out if torch.is_tensor(out) else out[0])
        )
        for index in range(len(view.blocks))
    ]
    model(input_ids=torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    return found


def squared_gradients(model, view, samples):
    """Return the mean over samples of (∂‖yₛ‖₂/∂W)², y what the weight's block puts out."""
    total = {name: 0.0 for name in view.weights()}
    inside = {index: [] for index in range(len(view.blocks))}
    for name, weight in view.weights().items():
        inside[weight.block].append(name)
    for ids in samples:
        outputs = block_outputs(model, view, ids)
        for index, names in inside.items():
            modules = [model.get_submodule(name) for name in names]
            found = torch.autograd.grad(
                outputs[index].norm(), [module.weight for module in modules], retain_graph=True
            )
            for name, module, gradient in zip(names, modules, found, strict=True):
                total[name] += as_out_by_in(module, gradient) ** 2 / len(samples)
    return total


@every_architecture
@pytest.mark.parametrize("batch_size", [1, 4])
def test_equals_the_published_formula(architecture, batch_size):
    view = make_view(architecture, torch.float64)
    reference = make_reference(5, (12, 5, 9), batch_size)
    scores = WandaRegional().score(view, reference)
    model = make_model(architecture, torch.float64)
    squares = squared_gradients(model, view, reference.samples)
    inputs = gather_inputs(model, list(scores), reference.samples)
    assert list(scores) == list(view.weights())
    for name, found in scores.items():
        norm = inputs[name].norm(dim=0)
        expected = dense_matrix(model.get_submodule(name)).abs() * (
            100 * squares[name].sqrt() + norm
        )
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6 * float(expected.max()))
        assert (100 * squares[name].sqrt()).max() > norm.min(), "both terms count"


@every_architecture
def test_without_gradients_it_is_wanda(architecture):
    view, reference = make_view(architecture), make_reference(5, (12, 5, 9))
    plain, wanda = WandaRegional(alpha=0.0).score(view, reference), Wanda().score(view, reference)
    for name in wanda:
        torch.testing.assert_close(plain[name], wanda[name], rtol=1e-5, atol=0)
