"""Wrong input at the command line: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from circuits import Outcome
from transformers import BertConfig, BertModel
from unit.results import make_result, save

from sparc3_bench.testing.tiny import save_model, save_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a tiny model and two texts, whose files no test changes."""
    folder = tmp_path_factory.mktemp("errors")
    save_model("llama", folder / "llama")
    save_text(folder / "reference.txt", 400, 1)
    save_text(folder / "evaluation.txt", 400, 2)
    return folder


def arguments(folder: Path, results: Path, **changes: object) -> list[str]:
    """Return a `run` that would work, with options replaced; None leaves one out."""
    options = {
        "scorer": "wanda",
        "model": folder / "llama",
        "dtype": "float32",
        "amounts": "0.5",
        "results": results,
        "cache": folder / "cache",
    }
    texts = {
        "reference_text": folder / "reference.txt",
        "evaluation_text": folder / "evaluation.txt",
        "reference_length": 32,
        "evaluation_length": 32,
        "reference_windows": 2,
        "evaluation_windows": 2,
    }
    for name, value in changes.items():
        (texts if name in texts else options)[name] = value
    given = ["run"]
    for name, value in options.items():
        if value is not None:
            given += [f"--{name.replace('_', '-')}", str(value)]
    for name, value in texts.items():
        given += ["--task-option", f"{name}={value}"]
    return given


def sentence(outcome: Outcome, results: Path | None = None) -> str:
    """Return the one line of a refusal after checking that it is one."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.splitlines() if not line.endswith(" …")]
    assert len(lines) == 1, lines
    assert lines[0].endswith((".", ")"))
    if results is not None:
        assert not results.exists()
    return lines[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scorer": "wnda"}, "Unknown scorer 'wnda'. Did you mean 'wanda'?"),
        ({"scorer": "wanda@one"}, "has seeds that are no whole numbers"),
        ({"task": "compress"}, "Unknown task 'compress'. Did you mean 'compression'?"),
        ({"objective": "label-logits"}, "Unknown objective 'label-logits'. Did you mean"),
        ({"scorer_option": "power=2"}, "Unknown scorer option 'power'."),
        ({"scorer_option": "power"}, "Option 'power' must have the form NAME=VALUE."),
        (
            {"scorer": "gradient", "scorer_option": "standard_error=perhaps"},
            "Option `standard_error` of scorer 'gradient' must be a valid boolean",
        ),
        (
            {"scorer": "gradient", "scorer_option": "aggregation=mean"},
            "Option `aggregation` of scorer 'gradient' must be 'signed-mean'",
        ),
        (
            {"scorer": "lrp", "scorer_option": "variant=epsilon"},
            "Option `variant` of scorer 'lrp' must be 'attnlrp', 'cp-lrp', 'relp', 'norms-only'",
        ),
        ({"reference_windows": "many"}, "`reference_windows` of task 'compression' must be"),
        ({"task_option": "windows=3"}, "Unknown option of task 'compression' 'windows'."),
        ({"amounts": "0.1,1.2"}, "Sparsity must be at least 0 and at most 1, got 1.2."),
        ({"amounts": "abc"}, "`--amounts` must be numbers with commas between, got 'abc'."),
        ({"amounts": ""}, "`--amounts` must be numbers with commas between, got ''."),
        ({"amounts": "nan"}, "got nan."),
        ({"unit": "neuron", "group": "row"}, "cannot rank units of 'neuron'; choose 'layer'"),
        ({"schedule": "blockwise", "group": "model"}, "choose group 'row' or 'layer'"),
        ({"unit": "filter"}, "Unknown unit 'filter'."),
        ({"scope": "embeddings"}, "Unknown scope 'embeddings'."),
        ({"dtype": "int8"}, "Unknown dtype 'int8'."),
        ({"device": "tpu9000"}, "tpu9000"),
        ({"model": "no-such/model"}, "Model 'no-such/model' is neither a named model"),
        ({"reference_text": "no-such-text"}, "The text 'no-such-text' is not one of c4, wikipedia"),
        ({"reference_text": "hf:no-such/data"}, "The data set 'no-such/data' cannot be loaded"),
        ({"evaluation_windows": 13}, "400 tokens, which make 12 windows of 32; 13 are needed."),
    ],
    ids=str,
)
def test_wrong_option_is_refused_in_one_sentence(sparc3, folder, tmp_path, changes, expected):
    results = tmp_path / "results"
    assert expected in sentence(sparc3(*arguments(folder, results, **changes)), results)


def test_results_under_a_file_are_refused(sparc3, folder, tmp_path):
    (tmp_path / "file").touch()
    outcome = sparc3(*arguments(folder, tmp_path / "file" / "results"))
    assert f"{tmp_path / 'file'} is a file" in sentence(outcome)


def test_folder_without_weights_is_refused(sparc3, folder, tmp_path):
    model = tmp_path / "bare"
    model.mkdir()
    (model / "config.json").write_bytes((folder / "llama" / "config.json").read_bytes())
    outcome = sparc3(*arguments(folder, tmp_path / "results", model=model))
    assert f"{model} has no weights" in sentence(outcome, tmp_path / "results")


def test_folder_without_a_config_is_refused(sparc3, folder, tmp_path):
    model = tmp_path / "empty"
    model.mkdir()
    outcome = sparc3(*arguments(folder, tmp_path / "results", model=model))
    assert f"{model} has no config.json" in sentence(outcome, tmp_path / "results")


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "no-such-type"}', "{}"])
def test_folder_with_a_config_that_cannot_be_read_is_refused(sparc3, folder, tmp_path, text):
    model = tmp_path / "odd"
    model.mkdir()
    (model / "config.json").write_text(text)
    (model / "model.safetensors").touch()
    outcome = sparc3(*arguments(folder, tmp_path / "results", model=model))
    assert str(model) in sentence(outcome, tmp_path / "results")


def test_folder_without_a_tokenizer_is_refused(sparc3, folder, tmp_path):
    model = tmp_path / "mute"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        (model / name).write_bytes((folder / "llama" / name).read_bytes())
    outcome = sparc3(*arguments(folder, tmp_path / "results", model=model))
    assert f"{model} has no tokenizer" in sentence(outcome, tmp_path / "results")


def test_encoder_is_refused_with_what_is_served(sparc3, folder, tmp_path):
    config = BertConfig(
        vocab_size=32,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    outcome = sparc3(*arguments(folder, tmp_path / "results", model=tmp_path / "bert"))
    line = sentence(outcome, tmp_path / "results")
    assert "is of type 'bert', which no adapter names, and adapter 'generic' cannot" in line
    assert "as its tokens see those behind them; choose" in line
    assert "gpt2, gpt_neox, llama, mistral, opt" in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty; give a text with at least one window."),
        (b" \n\n", "is empty"),
        (b"w3 w4 w5", "has 3 tokens, which make 0 windows of 32; 2 are needed."),
        (b"\xff\xfe\x00w", "cannot be read as UTF-8"),
    ],
    ids=["empty", "blank", "short", "not UTF-8"],
)
@pytest.mark.parametrize("purpose", ["reference_text", "evaluation_text"])
def test_text_that_will_not_do_is_refused(sparc3, folder, tmp_path, purpose, content, expected):
    (tmp_path / "text.txt").write_bytes(content)
    changes = {purpose: tmp_path / "text.txt"}
    outcome = sparc3(*arguments(folder, tmp_path / "results", **changes))
    assert expected in sentence(outcome, tmp_path / "results")


def test_text_that_is_both_reference_and_evaluation_is_refused(sparc3, folder, tmp_path):
    changes = {"evaluation_text": folder / "reference.txt", "evaluation_windows": 12}
    outcome = sparc3(*arguments(folder, tmp_path / "results", **changes))
    line = sentence(outcome, tmp_path / "results")
    assert "of the evaluation text's 13-grams are in the reference text, at most 1% may be" in line
    assert "`allow_overlap`" in line


def test_default_model_without_network_and_cache_is_refused(sparc3, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARC3_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    outcome = sparc3(*arguments(folder, tmp_path / "results", model=None, cache=None))
    line = sentence(outcome, tmp_path / "results")
    assert f"is neither in the cache ({tmp_path / 'cache'}) nor can it be fetched" in line
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_result_file_with_a_wrong_field_is_refused_by_the_path_of_the_field(sparc3, tmp_path):
    path = tmp_path / save(tmp_path, make_result())
    save(tmp_path, make_result("lrp"))
    data = json.loads(path.read_text())
    data["points"][1]["amount"]["in_scope"] = 2
    del data["content_hash"]
    path.write_text(json.dumps(data))
    told = f"{path}: `points.1.amount.in_scope`: "
    assert sentence(sparc3("validate", path)).startswith(told)
    done = sparc3("validate", tmp_path)
    assert (done.code, done.out) == (1, "1 valid result file\n")
    assert done.err.startswith(f"left out: {told}")


def test_result_file_under_a_wrong_name_is_refused(sparc3, tmp_path):
    result = make_result()
    path = tmp_path / save(tmp_path, result)
    moved = path.rename(path.with_name("wanda--000000000000.json"))
    expected = f"{moved}: the name must end in --{result.key}.json."
    assert sentence(sparc3("validate", moved)) == expected


@pytest.mark.parametrize("name", ["", "missing"])
def test_publishing_nothing_is_refused_and_nothing_is_written(sparc3, tmp_path, name):
    results, site = tmp_path / "results", tmp_path / "site"
    results.mkdir()
    assert str(results / name) in sentence(sparc3("publish", results / name, site))
    assert not site.exists()


def test_cache_that_is_a_file_is_refused(sparc3, folder, tmp_path):
    (tmp_path / "file").touch()
    outcome = sparc3(*arguments(folder, tmp_path / "results", cache=tmp_path / "file"))
    assert f"{tmp_path / 'file'}" in sentence(outcome, tmp_path / "results")


def score_arguments(folder: Path, out: Path) -> list[str]:
    given = ["score", *arguments(folder, out, scorer="magnitude")[1:]]
    for option in ("--results", "--amounts"):
        del given[given.index(option) : given.index(option) + 2]
    return [*given, "--out", str(out)]


def test_score_file_under_a_file_or_at_a_folder_is_refused(sparc3, folder, tmp_path):
    (tmp_path / "file").touch()
    outcome = sparc3(*score_arguments(folder, tmp_path / "file" / "scores.safetensors"))
    assert f"{tmp_path / 'file'} is a file" in sentence(outcome)
    (tmp_path / "folder").mkdir()
    outcome = sparc3(*score_arguments(folder, tmp_path / "folder"))
    assert f"{tmp_path / 'folder'}" in sentence(outcome)


@pytest.mark.parametrize("name", ["scores.safetensors", "scores.part", "scores"])
def test_score_file_is_there_under_the_name_that_was_asked(sparc3, folder, tmp_path, name):
    outcome = sparc3(*score_arguments(folder, tmp_path / name))
    assert (outcome.code, [path.name for path in tmp_path.iterdir()]) == (0, [name])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["run", "--scorer", "wnda"], "Did you mean 'wanda'"),
        (["validate", "missing.json"], "missing.json cannot be read"),
    ],
    ids=["run", "validate"],
)
def test_installed_command_ends_with_code_two_and_one_sentence(tmp_path, command, expected):
    code = "from sparc3_bench.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *command],
        cwd=tmp_path,
        env={**os.environ, "SPARC3_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert expected in sentence(Outcome(done.returncode, done.stdout, done.stderr))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no file")
@pytest.mark.parametrize("command", [("publish",), ("export", "--format", "csv", "--out")])
def test_a_place_that_takes_no_file_is_told_in_a_sentence(tmp_path, sparc3, command):
    save(tmp_path, make_result("wanda"))
    verb, *options = command
    assert sentence(sparc3(verb, str(tmp_path), *options, "/proc/out.csv")).startswith("'/proc/")
