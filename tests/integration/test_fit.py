"""Model, tokenizer and samples that do not fit are refused by the plan, for every task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparc3_bench import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.request import Request
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import (
    make_config,
    make_model,
    make_tokenizer,
    save_model,
    save_text,
)

LENGTHS = {"compression": ("reference", "evaluation"), "attribution-sanity": ("evaluation",)}


def texts(folder: Path, word: str = "") -> dict[str, str]:
    made = {}
    for seed, name in enumerate(("reference_text", "evaluation_text")):
        path = save_text(folder / f"{name}.txt", 2000, seed)
        if word:
            path.write_text(" ".join(f"{word}{seed}{index}" for index in range(2000)))
        made[name] = str(path)
    return made


def planned(folder: Path, model: Path, task: str, word: str = "", **options: object):
    few = {"reference_windows": 2, "evaluation_windows": 2}
    short = {"reference_length": 16, "evaluation_length": 16}
    given = {**texts(folder, word), **few, **short, "allow_overlap": True, **options}
    if task != "compression":
        del given["allow_overlap"]
    request = Request(
        scorers=[("wanda", [0])],
        task=task,
        model=str(model),
        amounts=[0.5],
        dtype="float32",
        task_options={name: str(value) for name, value in given.items()},
    )
    return plan(request, default_host(), folder / "cache")


@pytest.mark.parametrize("which", ["reference", "evaluation"])
@pytest.mark.parametrize("task", ["compression", "attribution-sanity"])
@pytest.mark.parametrize("architecture", ["gpt2", "opt", "gpt_bigcode", "codegen"])
def test_samples_beyond_a_table_of_positions_are_refused(architecture, task, which, tmp_path):
    if architecture in ("gpt2", "opt"):
        model = save_model(architecture, tmp_path / "model")
    else:
        model = other(architecture, tmp_path / "model")
    assert not planned(tmp_path, model, task, **{f"{which}_length": 64})[0].remarks
    with pytest.raises(Sparc3Error, match=r"65 tokens, and model .* has learned 64 positions"):
        planned(tmp_path, model, task, **{f"{which}_length": 65})


def other(architecture: str, folder: Path) -> Path:
    """Save a model whose positions are an embedding, or a table of sines made beforehand."""
    config = make_config(architecture)
    if architecture == "codegen":
        config.rotary_dim = 4
        config.n_inner = 64
    make_model(architecture, config=config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("which", ["reference", "evaluation"])
def test_rotary_models_may_be_asked_for_more_and_it_is_said(which, tmp_path):
    model = save_model("llama", tmp_path / "model")
    [remark] = planned(tmp_path, model, "compression", **{f"{which}_length": 65})[0].remarks
    assert "65 tokens are longer than the 64 positions" in remark


def test_a_token_without_a_row_is_refused_and_one_that_is_not_used_is_not(tmp_path):
    model = save_model("llama", tmp_path / "model")
    larger = make_tokenizer()
    larger.add_tokens(["more0", "never"])
    larger.save_pretrained(model)
    assert planned(tmp_path, model, "compression")
    (tmp_path / "used").mkdir()
    with pytest.raises(Sparc3Error, match="has 98 tokens and its embedding 96 rows"):
        planned(tmp_path / "used", model, "compression", "more0 w")


def test_a_tokenizer_that_knows_no_word_is_refused(tmp_path):
    model = save_model("llama", tmp_path / "model")
    with pytest.raises(Sparc3Error, match=r"knows no word of .*, every token is '<unk>'"):
        planned(tmp_path, model, "compression", "x")


def test_remarks_are_in_the_record(tmp_path, monkeypatch):
    model = save_model("llama", tmp_path / "model")
    (cell,) = planned(tmp_path, model, "compression", evaluation_length=65)
    result, _ = run_cell(cell, Place(tmp_path / "cache", Reporter()), "wanda")
    assert result.status == "ok", result.error
    assert [one for one in result.warnings if "64 positions" in one]
    assert json.loads(result.model_dump_json())["warnings"] == list(result.warnings)
