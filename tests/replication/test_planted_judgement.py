"""Scores are judged against the planted circuit rightly: the numbers, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from replication.planted import view_of
from sparc3_tasks.planted_circuit import PlantedCircuit, data, known
from sparc3_tasks.planted_circuit.layout import Kind
from sparc3_tasks.planted_circuit.ranking import estimates

from sparc3_bench import ScoreMap, Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.run.options import build
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import make_tokenizer, make_view

# The numbers.


def auroc_of_pairs(scores, truth) -> float:
    """Count the pairs of one inside and one outside that are ranked right; a tie is half."""
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, inside in zip(scores, truth, strict=True)
        if inside
        for b, other in zip(scores, truth, strict=True)
        if not other
    ]
    return sum(pairs) / len(pairs)


def average_precision_of_thresholds(scores, truth) -> float:
    """Sum precision times gain in recall over all thresholds, highest first."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        found = [inside for score, inside in zip(scores, truth, strict=True) if score >= threshold]
        recall = sum(found) / sum(truth)
        total += (recall - before) * sum(found) / len(found)
        before = recall
    return total


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_both_numbers_equal_their_definitions_with_and_without_ties(levels, seed):
    generator = np.random.default_rng(seed)
    truth = generator.random(60) < 0.3
    scores = generator.integers(levels, size=60) + truth * levels // 3 - levels // 2
    found = estimates(scores.astype(np.float64), truth)
    assert found["auroc"].value == pytest.approx(auroc_of_pairs(scores, truth))
    expected = average_precision_of_thresholds(scores.tolist(), truth.tolist())
    assert found["average_precision"].value == pytest.approx(expected)


def test_constant_scores_are_worth_nothing_and_perfect_ones_everything():
    truth = np.arange(50) < 10
    nothing = estimates(np.zeros(50), truth)
    assert nothing["auroc"].value == nothing["auroc"].low == nothing["auroc"].high == 0.5
    assert nothing["average_precision"].value == pytest.approx(0.2)
    everything = estimates(truth.astype(np.float64), truth)
    for estimate in everything.values():
        assert (estimate.low, estimate.value, estimate.high) == (1, 1, 1)
    worst = estimates(-truth.astype(np.float64), truth)
    assert worst["auroc"].value == 0


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
def test_intervals_are_as_wide_as_fresh_samples_differ(name):
    generator = np.random.default_rng(0)

    def fresh():
        truth = generator.random(300) < 0.3
        return estimates(np.round(generator.normal(size=300) + truth, 1), truth)[name]

    drawn = [fresh() for _ in range(60)]
    spread = np.std([estimate.value for estimate in drawn])
    width = np.mean([estimate.high - estimate.low for estimate in drawn]) / (2 * 1.96)
    assert 0.75 < width / spread < 1.33
    true_value = np.mean([estimate.value for estimate in drawn])
    assert sum(e.low <= true_value <= e.high for e in drawn) >= 0.85 * len(drawn)


def test_intervals_do_not_depend_on_the_order_of_units_being_sorted_and_are_repeatable():
    generator = np.random.default_rng(3)
    truth, scores = generator.random(200) < 0.2, generator.normal(size=200)
    assert estimates(scores, truth) == estimates(scores, truth)
    assert estimates(scores, truth) == estimates(np.exp(scores), truth)


def test_every_scorer_is_judged_on_the_same_draws():
    """Then those of the reversed scores are the mirror image."""
    generator = np.random.default_rng(4)
    truth, scores = generator.random(200) < 0.2, generator.normal(size=200)
    there, back = (estimates(values, truth)["auroc"] for values in (scores, -scores))
    assert (back.low, back.high) == (pytest.approx(1 - there.high), pytest.approx(1 - there.low))


# The judgement.


def test_judge_ranks_exactly_what_is_there(model, tokenizer, truth):
    view = view_of(model, scope="mlp")
    prepared = PlantedCircuit().prepare(tokenizer, "planted-ioi", Path(), 0)
    generator = torch.Generator().manual_seed(1)
    scores = ScoreMap(
        {n: torch.randn(w.matrix.shape, generator=generator) for n, w in view.weights().items()}
    )
    assert len(scores) == 6
    found = PlantedCircuit().assessment.assess(prepared, view, {"task": scores}, "weight", "model")
    inside = torch.cat([scores[n][truth[n] == Kind.CIRCUIT] for n in scores])
    outside = torch.cat([scores[n][truth[n] > Kind.CIRCUIT] for n in scores])
    right = (inside[:, None] > outside).double().mean().item()
    assert found["auroc"].value == pytest.approx(right)

    found = PlantedCircuit().assessment.assess(prepared, view, {"task": scores}, "neuron", "model")
    values, belongs = [], []
    for block in (0, 1):
        gate, up = (f"model.layers.{block}.mlp.{part}_proj" for part in ("gate", "up"))
        for neuron in range(112):
            codes = torch.cat([truth[gate][neuron], truth[up][neuron]])
            if codes.any():
                values.append((scores[gate][neuron].sum() + scores[up][neuron].sum()).item())
                belongs.append(bool((codes == Kind.CIRCUIT).any()))
    assert found["auroc"].value == pytest.approx(auroc_of_pairs(values, belongs), abs=1e-9)
    expected = average_precision_of_thresholds(values, belongs)
    assert found["average_precision"].value == pytest.approx(expected)


def test_the_true_circuit_is_judged_perfect_at_every_unit(model, tokenizer, truth):
    view = view_of(model)
    prepared = PlantedCircuit().prepare(tokenizer, "planted-ioi", Path(), 0)
    best = ScoreMap({name: (truth[name] == Kind.CIRCUIT).float() for name in view.weights()})
    for unit in ("weight", "neuron", "head"):
        found = PlantedCircuit().assessment.assess(prepared, view, {"task": best}, unit, "model")
        assert found["auroc"].value == 1
        assert set(found) == {metric.name for metric in PlantedCircuit().curve_metrics}


def test_another_model_is_refused(model, tokenizer):
    expected = (
        "Task 'planted-circuit' knows the circuit of model 'planted-ioi' alone, not of '{}'; "
        "add `--model planted-ioi`."
    )
    task = PlantedCircuit()
    with pytest.raises(Sparc3Error) as refused:
        task.prepare(make_tokenizer(), "gpt2", Path(), 0)
    assert str(refused.value) == expected.format("gpt2")
    retrained = copy.deepcopy(model)
    retrained.model.layers[0].mlp.up_proj.weight.data[0] += 1
    retrained.config.name_or_path = "mine"
    for view in (view_of(retrained), make_view("opt")):
        scores = ScoreMap({name: weight.matrix for name, weight in view.weights().items()})
        with pytest.raises(Sparc3Error, match="knows the circuit of model 'planted-ioi' alone"):
            known(view, scores)


@pytest.mark.parametrize("option", ["reference_count", "test_count"])
@pytest.mark.parametrize("value", ["0", "2001"])
def test_counts_are_checked(option, value):
    with pytest.raises(Sparc3Error, match=f"`{option}` of task 'planted-circuit' must be"):
        build("task", PlantedCircuit, {option: value})


def test_most_prompts_that_may_be_asked_for_are_there():
    for part in ("reference", "test"):
        assert len({prompt.text for prompt in data.ioi_prompts(part, 2000, 0)}) == 2000


@pytest.mark.parametrize("unit", ["weight", "neuron"])
def test_lrp_and_gradient_beat_magnitude_and_random(unit, tmp_path):
    names = ("lrp", "gradient", "magnitude", "random")
    request = Request(
        scorers=[(name, [0]) for name in names],
        task="planted-circuit",
        model="planted-ioi",
        amounts=[0.5],
        dtype="float32",
        unit=unit,
        task_options={"test_count": "60"},
    )
    place = Place(tmp_path, Reporter())
    results = {
        cell.scorer.name: run_cell(cell, place, cell.scorer.name)[0]
        for cell in plan(request, default_host(), tmp_path)
    }
    assert [result.error for result in results.values()] == [None] * 4
    assert results["lrp"].points[0].metrics["accuracy"] >= 0.95
    assert results["lrp"].points[0].metrics["logit_difference"] > 5
    assert [metric.name for metric in results["lrp"].curve_metrics] == [
        "auroc",
        "average_precision",
    ]
    for metric in ("auroc", "average_precision"):
        numbers = {name: result.curve[metric] for name, result in results.items()}
        for estimate in numbers.values():
            assert 0 <= estimate.low < estimate.value < estimate.high <= 1
        for better in ("lrp", "gradient"):
            for worse in ("magnitude", "random"):
                assert numbers[better].low > numbers[worse].high, (metric, better, worse)
    random = results["random"].curve["auroc"]
    assert random.low < 0.5 < random.high
