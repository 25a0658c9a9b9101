"""On SmolLM2-135M and real text: informed scorers beat magnitude, and magnitude beats chance."""

from __future__ import annotations

import json

import pytest
from sparc3_adapters.smollm2 import _MANIFEST, _is_intact

from sparc3_bench import ModelView
from sparc3_bench.assets import file_digest
from sparc3_bench.attribution.scores import checked
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.selection.select import select

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def view(cache) -> ModelView:
    found = find_model("smollm2-135m", default_host(), cache, "auto", "cpu")
    assert found.ref.label == "4-bit, de-quantised"
    return found.load("all")


@pytest.fixture(scope="module")
def perplexities(view, cache) -> dict[str, float]:
    """Perplexity at 50 % by row, of every built-in scorer, on a quarter of the default windows."""
    task = default_host().get("task", "compression").cls(reference_windows=4, evaluation_windows=4)
    prepared = task.prepare(view.tokenizer, "smollm2-135m", cache, seed=0)
    reference = prepared.references(task.default_objective)["task"]
    dense = prepared.evaluate(view, None, lambda done, total: None)
    found = {"dense": dense.metrics["perplexity"]}
    for name, entry in default_host().all("scorer").items():
        if entry.origin.distribution != "sparc3-bench":
            continue
        scores = checked(entry.cls().score(view, reference), view.weights(), name)
        with view.masked(select(scores, 0.5, view)):
            pruned = prepared.evaluate(view, dense, lambda done, total: None)
        found[name] = pruned.metrics["perplexity"]
    return found


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


def test_damage_to_a_converted_model_is_seen(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    digests = {"model.safetensors": file_digest(tmp_path / "model.safetensors")}
    (tmp_path / _MANIFEST).write_text(json.dumps(digests))
    assert _is_intact(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weighty")
    assert not _is_intact(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert not _is_intact(tmp_path)
