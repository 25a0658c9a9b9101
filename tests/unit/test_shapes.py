"""Plans of models that are not here: their shapes, and what follows from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from circuits import call, save_inputs

from sparc3_bench.graph.forecast import Cost
from sparc3_bench.host import default_host
from sparc3_bench.run.shapes import Shape, shape_of
from sparc3_bench.testing.tiny import make_view

PARAMETERS = {
    "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T": 1_100_048_384,
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Meta-Llama-3-8B": 8_030_261_248,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "facebook/opt-125m": 125_239_296,
}
"""As their cards say."""


@pytest.mark.parametrize("model", PARAMETERS)
def test_a_known_shape_has_as_many_parameters_as_the_model(model):
    shape = shape_of(model, default_host())
    assert (shape.source, shape.parameters) == ("known shapes", PARAMETERS[model])
    assert 0.5 < shape.multiplied / shape.parameters <= 1


def test_time_goes_by_the_matrices_and_memory_by_what_there_is_more_of():
    small, large = Shape("", 100, 80, itemsize=2), Shape("config.json", 400, 240)
    cost = Cost(seconds=2, tokens=7, flops=10, peak_bytes=1_000)
    found = large.scaled(cost, small)
    assert (found.seconds, found.tokens, found.flops) == (6, 7, 30)
    assert (found.peak_bytes, found.device_bytes) == (1_000 + 300 * 6, 0)
    there = large.scaled(cost.model_copy(update={"device_bytes": 50}), small)
    assert (there.peak_bytes, there.device_bytes) == (1_000, 50 + 300 * 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    save_inputs(folder)
    for name, layers in (("same", 3), ("deeper", 12)):
        (folder / name).mkdir()
        shutil.copy(folder / "in/llama/config.json", folder / name)
        config = json.loads((folder / name / "config.json").read_text())
        config["num_hidden_layers"] = layers
        (folder / name / "config.json").write_text(json.dumps(config))
    return folder


def planned(folder: Path, capsys, model: object, *more: object) -> dict:
    texts = {"reference_text": "in/reference.txt", "evaluation_text": "in/evaluation.txt"}
    given = [f"--task-option={name}={folder / text}" for name, text in texts.items()]
    given += ["--task-option=reference_length=16", "--task-option=evaluation_length=16"]
    where = ["--model", model, "--like", folder / "in/llama", "--cache", folder / "cache"]
    capsys.readouterr()
    code = call("plan", "--json", "--scorer", "wanda", *where, *given, "--dtype", "float32", *more)
    told = json.loads(capsys.readouterr().out)
    assert code == 0, told
    return told


def test_a_folder_with_a_configuration_alone_is_planned_by_its_shape(folder, capsys):
    here = planned(folder, capsys, folder / "in/llama")
    same = planned(folder, capsys, folder / "same")
    deeper = planned(folder, capsys, folder / "deeper")
    assert [one["tables"][0]["shape"] for one in (here, same, deeper)] == [
        None,
        *["config.json"] * 2,
    ]
    assert same["tables"][0]["model"] == str(folder / "same")
    assert same["cost"]["tokens"] == deeper["cost"]["tokens"] == here["cost"]["tokens"]
    assert same["cost"]["flops"] == pytest.approx(here["cost"]["flops"])
    assert deeper["cost"]["flops"] > 3 * same["cost"]["flops"]
    assert deeper["cost"]["seconds"] > 3 * same["cost"]["seconds"]


def test_texts_that_are_not_here_are_stood_for_by_as_many_tokens(folder, capsys):
    missing = folder / "nowhere.txt"
    told = planned(
        folder, capsys, "meta-llama/Llama-2-7b-hf", f"--task-option=evaluation_text={missing}"
    )
    assert told["tables"][0]["shape"] == "known shapes"
    assert told["tables"][0]["model"] == "meta-llama/Llama-2-7b-hf"
    assert told["cost"]["peak_bytes"] > 6.7e9 * 8


def test_a_model_without_a_known_shape_is_refused_as_before(folder, capsys):
    assert call("plan", "--model", folder / "in", "--cache", folder / "cache") == 2


def test_what_a_model_multiplies_has_its_head_where_it_tells_of_one():
    view, other = make_view("llama"), make_view("llama")
    other.model.get_output_embeddings = lambda: None
    assert view.multiplied - other.multiplied == 32 * 96
    view.tokens, view.backward_tokens = 5, 2
    assert view.flops == view.multiplied * (2 * 5 + 4 * 2)
