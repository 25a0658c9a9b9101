"""Wanda equals |W| · ‖X‖₂ written out densely, one-shot and in the published blockwise order."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
import torch
from replication.dense import dense_matrix, gather_inputs
from sparc3_scorers.wanda import Wanda
from torch import Tensor, nn

from sparc3_bench import ModelView, ReferenceSamples, ScoreMap
from sparc3_bench.attribution.scores import checked
from sparc3_bench.model.blockwise import walk
from sparc3_bench.selection.select import select
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view

LENGTHS = (12, 5, 9)
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def dense_scores(
    model: nn.Module, names: Sequence[str], samples: Sequence[Sequence[int]]
) -> dict[str, Tensor]:
    """Return |W| · ‖X‖₂ in float64."""
    inputs = gather_inputs(model, names, samples)
    return {
        name: dense_matrix(model.get_submodule(name)).double().abs()
        * inputs[name].double().norm(dim=0)
        for name in names
    }


def published(
    model: nn.Module,
    blocks: Sequence[Sequence[str]],
    samples: Sequence[Sequence[int]],
    ratio: float,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Score and prune block after block as the authors do, by running the whole model each time."""
    scores: dict[str, Tensor] = {}
    keeps: dict[str, Tensor] = {}
    for names in blocks:
        found = dense_scores(model, names, samples)
        for name in names:
            metric = found[name].float()
            lowest = metric.sort(dim=-1, stable=True).indices[:, : int(metric.shape[1] * ratio)]
            removed = torch.zeros_like(metric, dtype=torch.bool).scatter_(1, lowest, True)
            dense_matrix(model.get_submodule(name))[removed] = 0
            scores[name], keeps[name] = metric, ~removed
    return scores, keeps


def prune_blockwise(
    view: ModelView, reference: ReferenceSamples, ratio: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Do the same with the suite."""
    scores: dict[str, Tensor] = {}
    keeps: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for block in walk(view, reference):
            found = checked(Wanda().score(block, reference), block.weights(), "wanda")
            keep = select(found, ratio, block, group="row")
            stack.enter_context(block.masked(keep))
            scores.update(found)
            keeps.update(keep.weights)
    return scores, keeps


def names_by_block(view: ModelView) -> list[list[str]]:
    blocks: list[list[str]] = [[] for _ in view.blocks]
    for name, weight in view.weights().items():
        blocks[weight.block].append(name)
    return blocks


def score(view: ModelView, reference: ReferenceSamples) -> ScoreMap:
    return checked(Wanda().score(view, reference), view.weights(), "wanda")


@every_architecture
def test_one_shot_is_the_absolute_weight_times_the_norm_of_its_inputs(architecture):
    view = make_view(architecture)
    reference = make_reference(6, LENGTHS, batch_size=6)
    expected = dense_scores(view.model, list(view.weights()), reference.samples)
    found = score(view, reference)
    assert list(found) == list(expected)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values.float(), rtol=1e-5, atol=0, msg=name)


@every_architecture
def test_blockwise_is_the_published_procedure(architecture):
    view = make_view(architecture)
    reference = make_reference(6, LENGTHS, batch_size=6)
    before = copy.deepcopy(view.model.state_dict())
    scores, keeps = published(
        copy.deepcopy(view.model), names_by_block(view), reference.samples, 0.5
    )
    found_scores, found_keeps = prune_blockwise(view, reference, 0.5)
    assert list(found_scores) == list(scores)
    for name in scores:
        torch.testing.assert_close(found_scores[name], scores[name], rtol=1e-5, atol=0, msg=name)
        assert torch.equal(found_keeps[name], keeps[name]), name
    assert all(torch.equal(value, before[key]) for key, value in view.model.state_dict().items())


@every_architecture
def test_blockwise_differs_from_one_shot_only_behind_the_first_block(architecture):
    view, reference = make_view(architecture), make_reference(4)
    dense = score(view, reference)
    blockwise, _ = prune_blockwise(view, reference, 0.5)
    for name, weight in view.weights().items():
        assert torch.equal(blockwise[name], dense[name]) == (weight.block == 0), name


@every_architecture
def test_ties_fall_as_in_the_published_stable_sort(architecture):
    view, reference = make_view(architecture), make_reference(4, batch_size=4)
    # Features that are always zero tie at a score of zero, more of them than are removed.
    for name, (module, _) in view.roles().items():
        if "norm" in name or ".ln_" in name:
            for parameter in module.parameters():
                parameter.data[::2] = 0
                parameter.data[1:9] = 0
    _, expected = published(copy.deepcopy(view.model), names_by_block(view), reference.samples, 0.5)
    scores, found = prune_blockwise(view, reference, 0.5)
    tied = [name for name, values in scores.items() if (values == 0).all(0).sum() > 16]
    assert tied
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


@every_architecture
@pytest.mark.parametrize("schedule", ["one-shot", "blockwise"])
def test_padding_is_excluded(architecture, schedule):
    view = make_view(architecture)
    together = make_reference(6, LENGTHS, batch_size=6)
    alone = make_reference(6, LENGTHS, batch_size=1)
    if schedule == "one-shot":
        padded_scores, plain_scores = score(view, together), score(view, alone)
    else:
        padded_scores, padded_keeps = prune_blockwise(view, together, 0.5)
        plain_scores, plain_keeps = prune_blockwise(view, alone, 0.5)
        assert all(torch.equal(padded_keeps[name], plain_keeps[name]) for name in plain_keeps)
    for name in plain_scores:
        torch.testing.assert_close(padded_scores[name], plain_scores[name], rtol=1e-5, atol=0)


@every_architecture
def test_batch_size_changes_neither_scores_nor_selection(architecture):
    view = make_view(architecture)
    one, eight = (score(view, make_reference(9, LENGTHS, batch_size=size)) for size in (1, 8))
    for name in one:
        torch.testing.assert_close(one[name], eight[name], rtol=1e-5, atol=0, msg=name)
    masks = [select(scores, 0.5, view, group="row").weights for scores in (one, eight)]
    assert all(torch.equal(masks[0][name], masks[1][name]) for name in one)


@every_architecture
@pytest.mark.parametrize("schedule", ["one-shot", "blockwise"])
def test_two_runs_give_the_same_bytes(architecture, schedule):
    view, reference = make_view(architecture), make_reference(5, LENGTHS, batch_size=2)

    def run() -> dict[str, bytes]:
        found = (
            score(view, reference)
            if schedule == "one-shot"
            else prune_blockwise(view, reference, 0.5)[0]
        )
        return {name: values.numpy().tobytes() for name, values in found.items()}

    assert run() == run()
