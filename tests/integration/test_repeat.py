"""The command on the page of a result makes that result again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sparc3_bench.cli import Commands, app
from sparc3_bench.comparison.repeat import command, uses
from sparc3_bench.host import default_host
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


def test_what_a_result_is_of_use_for_is_done_as_its_page_says(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SPARC3_CACHE", str(tmp_path / "cache"))
    run("run", "--scorer", "wanda", "--amounts", "0.5", *TASK, "--results", str(tmp_path / "r"))
    ((path, result),) = read_results(tmp_path / "r")
    done = []
    for line in uses(result, str(tmp_path / "r" / path), default_host()):
        program, *words = shlex.split(line)
        assert program == "sparc3"
        if "--out" in words:
            words[-1] = out = str(tmp_path / words[-1])
        if words[0] == "prune":
            words += [*TASK[2:], "--task-option", "selection_windows=2"]
        run(*words)
        done.append(words[0])
        assert "--out" not in words or Path(out).exists(), line
    assert done == ["replay", "circuit", "prune", "export"]


def test_every_command_on_the_page_of_a_committed_result_can_be_typed():
    found: dict[tuple[str, ...], Result] = {}
    for _, result in read_results(Path(__file__).parents[2] / "leaderboard" / "results"):
        spec = result.spec
        found[spec.task.name, spec.unit, spec.amount_kind, spec.schedule] = result
    names = set()
    for result in found.values():
        for line in uses(result, "result.json", default_host()):
            name, *words = shlex.split(line)[1:]
            one = Commands()[name]
            if name == "circuit":
                one, words = one.commands[words[0]], words[1:]
            one.make_context(name, words)
            names.add(name)
    assert names == {"replay", "circuit", "prune", "correct", "rejudge", "export"}
