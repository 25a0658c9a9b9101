"""The command on the page of a result makes that result again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sparc3_bench.cli import app
from sparc3_bench.leaderboard.repeat import command
from sparc3_bench.record.files import read_results
from sparc3_bench.record.result import Result
from sparc3_bench.testing.tiny import save_model, save_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("repeat")
    save_model("llama", folder / "tiny-llama")
    save_text(folder / "reference.txt", 200, 1)
    save_text(folder / "evaluation.txt", 200, 2)
    return folder


def run(*arguments: str) -> None:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output


TASK = [
    *("--model", "tiny-llama", "--task-option", "reference_text=reference.txt"),
    *("--task-option", "evaluation_text=evaluation.txt", "--task-option", "reference_windows=3"),
    *("--task-option", "evaluation_windows=3", "--task-option", "reference_length=16"),
    *("--task-option", "evaluation_length=16"),
]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scorer", "lrp", "--scorer-option", "variant=cp-lrp", "--amounts", "0.25,0.5"],
        [
            "--scorer",
            "random@3",
            "--unit",
            "neuron",
            "--group",
            "model",
            "--amounts",
            "5,9",
            "--count",
        ],
        ["--scorer", "wanda", "--schedule", "blockwise", "--scope", "mlp", "--dtype", "float32"],
        ["--scorer", "gradient", "--removal", "highest", "--controls", "2", "--ablation", "mean"],
    ],
    ids=["options", "counts and a seed", "blockwise", "the highest with controls"],
)
def test_it_makes_the_same_result(folder, tmp_path, monkeypatch, arguments):
    # Records name local files without their folders, so the command is for the folder of them.
    monkeypatch.chdir(folder)

    def made(name: str, *given: str) -> Result:
        place = str(tmp_path / name)
        run("run", *given, "--results", place, "--cache", str(tmp_path / f"{name} cache"))
        ((_, result),) = read_results(Path(place))
        return result

    first = made("first", *arguments, *TASK)
    program, *words = shlex.split(command(first))
    assert (program, words[0]) == ("sparc3", "run")
    again = made("again", *words[1:])
    assert again.key == first.key
    assert again.points == first.points
