"""Circuits at the command line: wrong input ends in a sentence, a model at chance in a warning."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from sparc3_bench.record.files import read_result
from sparc3_bench.testing.tiny import save_model, save_text


def rows(count: int, seed: int) -> list[dict[str, str]]:
    generator = random.Random(seed)
    found = []
    for _ in range(count):
        io, s, *others, filler = (f"w{n}" for n in generator.sample(range(20, 90), 6))
        a, b = (io, s) if generator.random() < 0.5 else (s, io)
        found.append(
            {
                "prompt": f"w3 {a} w4 {b} w5 {filler} {s} w6",
                "corrupted": f"w3 {others[0]} w4 {others[1]} w5 {filler} {others[2]} w6",
                "io": io,
                "s": s,
            }
        )
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a random model, a text and prompts of three parts."""
    folder = tmp_path_factory.mktemp("circuits")
    save_model("llama", folder / "llama")
    save_text(folder / "general.txt", 200, 1)
    for seed, part in enumerate(("reference", "selection", "test")):
        text = "\n".join(json.dumps(row) for row in rows(12, seed))
        (folder / f"{part}.jsonl").write_text(text)
    return folder


def asked(folder: Path, results: Path, *more: object, **options: object) -> list[object]:
    """Return the arguments of a run that works, with options of the task replaced."""
    task = {"general_text": folder / "general.txt", "general_windows": 2, "general_length": 16}
    for part in ("reference", "selection", "test"):
        task |= {f"{part}_prompts": folder / f"{part}.jsonl", f"{part}_count": 12}
    task |= {"control_count": 6, **options}
    return [
        *("run", "--task", "ioi-circuit", "--model", folder / "llama", "--dtype", "float32"),
        *("--results", results, "--cache", results.parent / "cache"),
        *(part for name, value in task.items() for part in ("--task-option", f"{name}={value}")),
        *more,
    ]


def test_a_random_model_runs_to_the_end_with_a_warning(sparc3, folder, tmp_path):
    arguments = asked(folder, tmp_path / "r", "--scorer", "lrp", "--unit", "head", "--controls", 2)
    code, _, err = sparc3(*arguments, "--group", "model", "--amounts", "0.5")
    assert code == 0
    assert "which chance gives too: it does not do the task" in err
    (path,) = (tmp_path / "r").rglob("*.json")
    result = read_result(path)
    assert result.status == "ok"
    assert any("chance gives too" in warning for warning in result.warnings)
    assert [point.amount.requested for point in result.points] == [0, 0.5, 1]
    assert result.points[0].metrics["faithfulness"] == 1
    assert result.points[-1].metrics["faithfulness"] == 0
    assert result.points[-1].amount.units_removed == 12
    assert len(result.points[1].control["faithfulness"]) == 2


@pytest.mark.parametrize("ablation", ["mean", "resample"])
def test_other_ablations_run_from_the_command_line(sparc3, folder, tmp_path, ablation):
    arguments = asked(folder, tmp_path / "r", "--scorer", "wanda", "--ablation", ablation)
    code, _, _ = sparc3(*arguments, "--unit", "neuron", "--group", "model", "--amounts", "0.5")
    assert code == 0
    (path,) = (tmp_path / "r").rglob("*.json")
    assert read_result(path).spec.ablation == ablation


@pytest.mark.parametrize(
    ("more", "options", "message"),
    [
        (["--objective", "logit-diference"], {}, "Did you mean 'logit-difference'"),
        (["--unit", "head", "--group", "row"], {}, "cannot rank units of 'head'"),
        (["--unit", "neuron", "--scope", "attention"], {}, "The scope has no unit of 'neuron'"),
        (["--ablation", "noise"], {}, "Unknown ablation 'noise'"),
        (["--removal", "middle"], {}, "Unknown removal 'middle'"),
        (["--amounts", "1.5"], {}, "Sparsity must be at least 0 and at most 1, got 1.5"),
        (["--count", "--group", "model"], {}, "Counts of units must be given"),
        (["--count", "--amounts", "5", "--group", "model"], {}, "takes fractions"),
        ([], {"test_count": 13}, "test.jsonl has 12 prompts and 13 are asked for"),
        ([], {"control_count": 40}, "`control_count` is 40, more than the 12 test prompts"),
        ([], {"test_prompts": "reference.jsonl"}, "12 of the reference prompts are test prompts"),
        ([], {"test_prompts": "none.jsonl"}, "There is no file or folder 'none.jsonl'"),
    ],
)
def test_wrong_input_is_refused(sparc3, folder, tmp_path, monkeypatch, more, options, message):
    monkeypatch.chdir(folder)
    code, _, err = sparc3(*asked(folder, tmp_path / "r", "--scorer", "wanda", *more, **options))
    assert code == 2, err
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("s", 7, "bad.jsonl, line 3 has a number in column 's'"),
        ("io", "w10 w11", "bad.jsonl, line 3: the name 'w10 w11' is not one token"),
        ("corrupted", "w3", "bad.jsonl, line 3: the prompt has 8 tokens and its corrupted"),
    ],
)
def test_a_wrong_prompt_is_named_by_its_line(sparc3, folder, tmp_path, field, value, message):
    prompts = rows(12, 2)
    prompts[2][field] = value
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\n".join(json.dumps(row) for row in prompts))
    arguments = asked(folder, tmp_path / "r", "--scorer", "wanda", test_prompts=bad)
    code, _, err = sparc3(*arguments)
    assert code == 2
    assert message in err


def test_more_units_than_there_are_cannot_be_removed(sparc3, folder, tmp_path):
    arguments = [
        *("run", "--scorer", "magnitude", "--model", folder / "llama", "--dtype", "float32"),
        *("--task-option", f"reference_text={folder / 'general.txt'}"),
        *("--task-option", f"evaluation_text={folder / 'general.txt'}"),
        *("--task-option", "reference_length=8", "--task-option", "evaluation_length=8"),
        *("--task-option", "allow_overlap=true", "--results", tmp_path / "r"),
        *("--cache", tmp_path / "cache", "--unit", "neuron", "--group", "model", "--count"),
    ]
    code, _, err = sparc3(*arguments, "--amounts", "10,1000")
    assert code == 2
    assert "1,000 units of 'neuron' cannot be removed: the scope has 144." in err
    assert not (tmp_path / "r").exists()
    code, out, _ = sparc3(*arguments, "--amounts", "10,144")
    assert code == 0
    assert "144" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Nothing to run; name a scorer with `--scorer`, or a suite."),
        (["run", "--suite", "circuit"], "Unknown suite 'circuit'. Did you mean 'circuits'?"),
        (["run", "--suite", "none.toml"], "The suite none.toml cannot be read"),
        (["run", "--suite", "circuits", "--group", "row"], "`--group` does not go with a suite"),
    ],
)
def test_a_run_of_nothing_and_of_unknown_suites_is_refused(sparc3, tmp_path, arguments, message):
    code, _, err = sparc3(*arguments, "--results", tmp_path / "r", "--cache", tmp_path / "c")
    assert code == 2
    assert message in err
