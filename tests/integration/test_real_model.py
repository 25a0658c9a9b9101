"""On SmolLM2-135M and real text: informed scorers beat magnitude, and magnitude beats chance."""

from __future__ import annotations

import math

import pytest

from sparc3_bench import Evaluation, ModelView
from sparc3_bench.attribution.scores import checked
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.selection.select import select

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def view(cache) -> ModelView:
    found = find_model("smollm2-135m", default_host(), cache, "auto", "cpu")
    assert found.ref.label == "Instruct, 4-bit, de-quantised"
    return found.load("all")


@pytest.fixture(scope="module")
def perplexities(view, cache) -> dict[str, float]:
    """Perplexity at 50 % by row, of five scorers, on a quarter of the default windows."""
    task = default_host().get("task", "compression").cls(reference_windows=4, evaluation_windows=4)
    prepared = task.prepare(view.tokenizer, "smollm2-135m", cache, seed=0)
    reference = prepared.references(task.default_objective)["task"]
    dense = prepared.evaluate(view, None, lambda done, total: None)
    found = {"dense": perplexity(dense)}
    for name in ("magnitude", "wanda", "gradient", "lrp", "random"):
        scorer = default_host().get("scorer", name).cls()
        scores = checked(scorer.score(view, reference), view.weights(), name)
        with view.masked(select(scores, 0.5, view)):
            pruned = prepared.evaluate(view, dense, lambda done, total: None)
        found[name] = perplexity(pruned)
    return found


def perplexity(evaluation: Evaluation) -> float:
    losses = evaluation.samples["loss"]
    return math.exp(sum(losses) / len(losses))


def test_the_model_has_the_size_it_is_known_for(view):
    assert len(view.weights()) == 210
    assert sum(weight.matrix.numel() for weight in view.weights().values()) == 106_168_320
    assert view.parameters == 134_515_008


def test_the_dense_model_reads_wikipedia(perplexities):
    assert 10 < perplexities["dense"] < 40


@pytest.mark.parametrize("name", ["wanda", "gradient", "lrp"])
def test_an_informed_scorer_is_far_below_magnitude(perplexities, name):
    assert perplexities["dense"] < perplexities[name] < perplexities["magnitude"] / 2


def test_magnitude_is_far_below_chance(perplexities):
    assert perplexities["magnitude"] < perplexities["random"] / 100


@pytest.fixture(scope="module")
def ioi(view, cache):
    """Return the prompts of task ioi-circuit on the real tokenizer."""
    task = default_host().get("task", "ioi-circuit").cls(reference_count=24)
    return task.prepare(view.tokenizer, "smollm2-135m", cache, seed=0)


@pytest.fixture(scope="module")
def answers(view, ioi) -> dict[str, Evaluation]:
    """Measure the dense model, and three scorers with half of every row removed, on 22 prompts."""
    part = ioi.part("control")
    dense = part.evaluate(view, None, lambda done, total: None)
    found = {"all": ioi.evaluate(view, None, lambda done, total: None), "dense": dense}
    for name in ("magnitude", "gradient", "lrp"):
        scorer = default_host().get("scorer", name).cls()
        scores = checked(
            scorer.score(view, ioi.references("logit-difference")["task"]), view.weights(), name
        )
        with view.masked(select(scores, 0.5, view)):
            found[name] = part.evaluate(view, dense, lambda done, total: None)
    return found


def mean(values) -> float:
    return sum(values) / len(values)


def test_every_name_is_one_token_and_the_dense_model_solves_the_test_set(ioi, answers):
    assert ["left out" in record.choice for record in ioi.datasets] == [False] * 4
    assert len(answers["all"].samples["accuracy"]) == 256
    assert mean(answers["all"].samples["accuracy"]) >= 0.95
    assert mean(answers["all"].samples["logit_difference"]) > 3


@pytest.mark.parametrize("name", ["gradient", "lrp"])
def test_half_of_every_row_is_enough_by_gradient_and_lrp_and_not_by_magnitude(answers, name):
    whole = mean(answers["dense"].samples["logit_difference"])
    kept = {n: mean(answers[n].samples["logit_difference"]) / whole for n in ("magnitude", name)}
    assert kept[name] > 0.5
    assert kept[name] > kept["magnitude"] + 0.3
