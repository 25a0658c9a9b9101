"""Activation equals the mean absolute activation written out densely, over the asked tokens."""

from __future__ import annotations

import functools

import pytest
import torch
from sparc3_scorers.activation import Activation

from sparc3_bench import ReferenceSamples, Role, Sparc3Error
from sparc3_bench.attribution.scores import checked
from sparc3_bench.model.view import ModelView
from sparc3_bench.selection.units import unit_scores
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def note(seen: dict[str, torch.Tensor], block: str, module: torch.nn.Module, args) -> None:
    seen[block] = args[0].reshape(-1, args[0].shape[-1])


def read(view: ModelView, role: Role, samples, starts) -> dict[str, torch.Tensor]:
    """Return by block the mean absolute input of a role's module, one sample at a time."""
    sums: dict[str, torch.Tensor] = {}
    count = 0
    for sample, start in zip(samples, starts, strict=True):
        seen: dict[str, torch.Tensor] = {}
        handles = []
        for weight in view.weights().values():
            if weight.role is role:
                keep = functools.partial(note, seen, str(weight.block))
                handles.append(weight.module.register_forward_pre_hook(keep))
        with torch.no_grad():
            view.model(input_ids=torch.tensor([list(sample)]))
        for handle in handles:
            handle.remove()
        # The token at position t writes the one at t + 1.
        for block, values in seen.items():
            here = values[max(start, 1) - 1 : -1].abs().double().sum(0)
            sums[block] = sums.get(block, 0) + here
        count += len(sample) - max(start, 1)
    return {block: (total / count).float() for block, total in sums.items()}


def asked(starts) -> ReferenceSamples:
    whole = make_reference(3, (12, 5, 9))
    return ReferenceSamples(whole.samples, whole.objective, batch_size=2, starts=starts)


@every_architecture
@pytest.mark.parametrize("starts", [(0, 0, 0), (7, 3, 2)])
def test_neurons_and_heads_have_their_mean_absolute_activation(architecture, starts):
    view, reference = make_view(architecture), asked(starts)
    scores = checked(Activation().score(view, reference), view.weights(), "activation")
    neurons = read(view, Role.DOWN, reference.samples, starts)
    for block, values in unit_scores(scores, view, "neuron").items():
        torch.testing.assert_close(values, neurons[block])
    heads = view.adapter.heads(view.config)
    written = read(view, Role.ATTENTION_OUTPUT, reference.samples, starts)
    for block, values in unit_scores(scores, view, "head").items():
        torch.testing.assert_close(values, written[block].view(heads, -1).sum(1))


@every_architecture
def test_the_columns_that_read_a_neuron_share_its_activation_too(architecture):
    view, reference = make_view(architecture), asked((0, 0, 0))
    scores = Activation().score(view, reference)
    neurons = read(view, Role.DOWN, reference.samples, (0, 0, 0))
    for name, weight in view.weights().items():
        if weight.role is Role.DOWN:
            torch.testing.assert_close(scores[name].sum(0), neurons[str(weight.block)])


def test_a_scope_without_what_reads_the_neurons_is_refused():
    view = make_view("llama", scope="mlp-in")
    with pytest.raises(Sparc3Error, match="leaves out in block 0; choose scope 'all' or 'mlp'"):
        Activation().score(view, asked((0, 0, 0)))
