"""What each sample contributes to neurons and heads adds up to their scores, one sample a time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.lrp import Lrp
from torch import Tensor

from sparc3_bench import Accumulator, ModelView, ReferenceSamples, ScoreMap, Scorer, unit_scores
from sparc3_bench.attribution.scores import checked, from_tensors, to_tensors
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.graph.tensors import load_tensors, save_tensors
from sparc3_bench.selection.units import ranked
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view
from sparc3_bench.types.architecture import Role
from sparc3_bench.types.conventions import AGGREGATIONS
from sparc3_bench.types.scores import Ranking

LENGTHS = (12, 5, 9)
COUNT = 5
SCORERS: dict[str, Scorer] = {
    "gradient": Gradient("signed-mean", by_sample=True),
    "lrp": Lrp(aggregation="signed-mean", by_sample=True),
}
HIDDEN = {"llama": 48, "opt": 64, "gpt2": 64}
BLOCKS = {"llama": 3, "opt": 2, "gpt2": 2}

architectures = pytest.mark.parametrize("architecture", ARCHITECTURES)
scorers = pytest.mark.parametrize("scorer", SCORERS)
units = pytest.mark.parametrize("unit", ["neuron", "head"])


def reference(batch_size: int = 1) -> ReferenceSamples:
    return make_reference(COUNT, LENGTHS, batch_size)


@cache
def view_of(architecture: str) -> ModelView:
    return make_view(architecture, torch.float64)


@cache
def scored(architecture: str, scorer: str, batch_size: int = 1) -> ScoreMap:
    return SCORERS[scorer].score(view_of(architecture), reference(batch_size))


def ranking(architecture: str, scorer: str, unit: str, batch_size: int = 1) -> Ranking:
    return ranked(scored(architecture, scorer, batch_size), view_of(architecture), unit)


def assert_equal_up_to(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare on the scale of the largest number."""
    assert found.shape == expected.shape
    scale = float(expected.abs().max())
    assert scale > 0
    assert float((found - expected).abs().max()) <= tolerance * scale


@architectures
@scorers
@units
def test_mean_over_samples_is_the_score_of_the_unit(architecture, scorer, unit):
    found = ranking(architecture, scorer, unit)
    expected = unit_scores(scored(architecture, scorer), view_of(architecture), unit)
    assert list(found.scores) == list(found.samples) == [str(n) for n in range(len(expected))]
    for block, values in found.samples.items():
        assert values.shape == (COUNT, 4 if unit == "head" else HIDDEN[architecture])
        assert_equal_up_to(values.mean(0), expected[block], 1e-9)
        assert torch.equal(found.scores[block], expected[block])


@architectures
@scorers
def test_every_sample_has_what_scoring_it_alone_gives(architecture, scorer):
    view = view_of(architecture)
    for index, sample in enumerate(reference().samples):
        alone = replace(reference(), samples=[sample])
        scores = SCORERS[scorer].score(view, alone)
        for unit in ("neuron", "head"):
            expected = unit_scores(scores, view, unit)
            found = ranking(architecture, scorer, unit).samples
            for block, values in expected.items():
                assert_equal_up_to(found[block][index], values, 1e-9)
            assert ranked(scores, view, unit).errors == {}


@architectures
@scorers
@units
def test_error_is_that_of_the_mean_over_samples(architecture, scorer, unit):
    found = ranking(architecture, scorer, unit)
    assert list(found.errors) == list(found.scores)
    for block, errors in found.errors.items():
        values = found.samples[block].numpy()
        expected = values.std(0, ddof=1) / np.sqrt(COUNT)
        np.testing.assert_allclose(errors.numpy(), expected, rtol=1e-9)
        assert float(errors.median()) > 0  # a neuron of OPT may be dead


@architectures
@scorers
@pytest.mark.parametrize("batch_size", [2, 5])
def test_batches_with_padding_change_nothing(architecture, scorer, batch_size):
    one, several = (scored(architecture, scorer, size) for size in (1, batch_size))
    assert list(one.by_sample) == list(several.by_sample)
    for name, values in one.by_sample.items():
        # Llama's norm rounds to 32 bits.
        assert_equal_up_to(several.by_sample[name], values, 2e-5)


@architectures
@scorers
def test_kept_are_the_matrices_that_units_are_scored_by(architecture, scorer):
    weights = view_of(architecture).weights()
    roles = (Role.UP, Role.GATE, Role.ATTENTION_OUTPUT)
    names = [name for name, weight in weights.items() if weight.role in roles]
    found = scored(architecture, scorer).by_sample
    assert list(found) == names
    assert len(names) == BLOCKS[architecture] * (3 if architecture == "llama" else 2)
    for name, values in found.items():
        rows, columns = weights[name].matrix.shape
        of_columns = weights[name].role is Role.ATTENTION_OUTPUT
        assert values.shape == (COUNT, columns if of_columns else rows)


@pytest.mark.parametrize("architecture", ["opt", "gpt2"])
@scorers
def test_neuron_has_its_bias(architecture, scorer):
    scores = scored(architecture, scorer)
    for name, values in scores.by_sample.items():
        if view_of(architecture).weights()[name].role is Role.UP:
            without = scores.weights[name].sum(1)
            assert_equal_up_to(values.mean(0) - without, scores.biases[name], 1e-7)


@scorers
def test_scopes_keep_what_is_in_them(scorer):
    for scope, unit in (("mlp", "neuron"), ("mlp-in", "neuron"), ("attention", "head")):
        view = make_view("llama", torch.float64, scope=scope)
        scores = SCORERS[scorer].score(view, reference())
        found, whole = ranked(scores, view, unit), ranking("llama", scorer, unit)
        for block, values in whole.samples.items():
            assert_equal_up_to(found.samples[block], values, 1e-9)
        other = "head" if unit == "neuron" else "neuron"
        with pytest.raises(Sparc3Error, match=f"The scope has no unit of '{other}'"):
            ranked(scores, view, other)
    view = make_view("llama", torch.float64, scope="mlp-out")
    scores = SCORERS[scorer].score(view, reference())
    assert dict(scores.by_sample) == {}
    assert ranked(scores, view, "weight").scores.keys() == view.weights().keys()


@scorers
def test_keeping_it_moves_no_score_and_is_not_done_unasked(scorer):
    plain = replace(SCORERS[scorer], by_sample=False).score(view_of("gpt2"), reference())
    kept = scored("gpt2", scorer)
    assert dict(plain.by_sample) == {}
    for name, values in plain.weights.items():
        assert torch.equal(kept.weights[name], values)
    found = ranked(plain, view_of("gpt2"), "neuron")
    assert (found.errors, found.samples) == ({}, {})


@scorers
def test_weights_have_the_errors_of_the_scorer_and_no_samples(scorer):
    both = replace(SCORERS[scorer], standard_error=True)
    scores = both.score(view_of("gpt2"), reference())
    found = ranked(scores, view_of("gpt2"), "weight")
    assert found.samples == {}
    assert found.scores.keys() == found.errors.keys() == view_of("gpt2").weights().keys()
    for name, values in scores.standard_errors.items():
        assert torch.equal(found.errors[name], values)
    assert ranked(scored("gpt2", scorer), view_of("gpt2"), "weight").errors == {}
    # Both ways to the errors may be asked for at once.
    for unit in ("neuron", "head"):
        for block, errors in ranked(scores, view_of("gpt2"), unit).errors.items():
            expected = ranking("gpt2", scorer, unit).errors[block]
            assert_equal_up_to(errors, expected, 1e-9)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_saved_scores_keep_it(architecture, tmp_path):
    scores, path = scored(architecture, "gradient"), tmp_path / "scores.safetensors"
    save_tensors(to_tensors(scores), path, {"cost": 3})
    tensors, about = load_tensors(path)
    loaded = from_tensors(tensors, scores)
    assert (about, list(loaded)) == ({"cost": 3}, list(scores))
    for kind in ("weights", "biases", "standard_errors", "by_sample"):
        before, after = getattr(scores, kind), getattr(loaded, kind)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    view = view_of(architecture)
    again = checked(loaded, view.weights(), "gradient")
    assert again.by_sample == loaded.by_sample
    for unit in ("neuron", "head"):
        one, two = (ranked(each, view, unit) for each in (scores, again))
        for block in one.samples:
            assert torch.equal(one.samples[block], two.samples[block])
            assert torch.equal(one.errors[block], two.errors[block])


def test_sixteen_bits_are_summed_in_thirty_two():
    view = make_view("opt", torch.bfloat16)
    scores = SCORERS["gradient"].score(view, reference())
    assert {values.dtype for values in scores.by_sample.values()} == {torch.float32}
    found = ranked(scores, view, "neuron")
    for block, values in found.samples.items():
        assert_equal_up_to(values.mean(0), found.scores[block], 1e-5)


@pytest.mark.parametrize("times_weight", [True, False])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_other_aggregations_are_refused(aggregation, times_weight):
    weights = view_of("llama").weights()
    if aggregation == "signed-mean" and times_weight:
        Accumulator(weights, aggregation, times_weight=times_weight, by_sample=True)
        return
    with pytest.raises(Sparc3Error) as caught:
        Accumulator(weights, aggregation, times_weight=times_weight, by_sample=True)
    assert str(caught.value) == (
        "What each sample contributes to a neuron or head is kept for aggregation 'signed-mean' "
        "with scores times the weight; choose these, or leave `by_sample` off."
    )
    with pytest.raises(Sparc3Error, match="Option `by_sample` of scorer 'gradient' goes with"):
        Gradient(aggregation, times_weight=times_weight, by_sample=True)
    if aggregation != "signed-mean":
        with pytest.raises(Sparc3Error, match="Option `by_sample` of scorer 'lrp' goes with"):
            Lrp(aggregation=aggregation, by_sample=True)
