"""The paper's suites from end to end, on tiny models of the same architectures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from circuits import Outcome
from integration import papers
from integration.papers import sparc3
from sparc3_scorers.gblm import Gblm
from sparc3_tasks.zero_shot import documents
from zero_shot import save_benchmarks

from sparc3_bench.record.files import read_results

Report = dict[str, Any]

SUITES = {
    "compression": (papers.compression, 1, "llama", 93),
    "circuits": (papers.circuits, 0, "opt", 126),
    "correction": (papers.correction, 0, "opt", 12),
}

SMALL = """
task = "compression"
model = ["A", "B"]
dtype = "float32"
amounts = [0.5]
task_options = { reference_windows = 2, reference_length = 8, evaluation_length = 8 }

[[run]]
scorers = ["wanda@0"]

[[deviation]]
about = "a"
paper = "b"
here = "c"
why = "d"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    made = papers.made_up(tmp_path_factory.mktemp("papers"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "ASSETS", save_benchmarks(made / "cache"))
        yield made


def replicate(
    capsys: pytest.CaptureFixture[str], folder: Path, arguments: list[object]
) -> tuple[Outcome, Report]:
    outcome = sparc3(capsys, *arguments, "--json")
    return outcome, json.loads(outcome.out)


def files(folder: Path) -> dict[Path, int]:
    kept = (path for path in folder.rglob("*") if path.suffix in {".json", ".gz"})
    return {path: path.stat().st_mtime_ns for path in kept}


@pytest.mark.parametrize("suite", SUITES)
def test_the_suite_runs_and_what_it_made_is_used_again(folder, capsys, suite):
    arguments, code, model_type, cells = SUITES[suite]
    given = arguments(folder)
    outcome, report = replicate(capsys, folder, given)
    assert outcome.code == code, outcome.err
    assert all(not run["not_run"] for run in report["runs"])
    made = [path for run in report["runs"] for path in run["results"].values()]
    assert len(made) == cells
    results = {path.as_posix(): result for path, result in read_results(folder / "results")}
    assert {results[path].status for path in made} == {"ok"}
    assert {results[path].spec.model.model_type for path in made} == {model_type}
    asked = [one["about"] for one in report["deviations"] if "asked for" in one["why"]]
    assert len(asked) == sum(part in ("--model", "--task-option") for part in given) + sum(
        str(part).startswith("--judge") for part in given
    )
    before = files(folder / "results"), files(folder / "cache")
    again, same = replicate(capsys, folder, [*given, "--only-existing"])
    assert (again.code, same) == (code, report)
    assert (files(folder / "results"), files(folder / "cache")) == before
    assert again.out == outcome.out


def test_numbers_of_tiny_models_differ(folder, capsys):
    """Results are there from the test above, or made."""
    _, report = replicate(capsys, folder, papers.compression(folder))
    rows = report["published"]
    perplexities = [row for row in rows if row["metric"] == "perplexity"]
    # Dense and two of magnitude, one of Wanda, three of LRP for three models; three with 8192.
    assert len(perplexities) == 3 * 7 + 3
    assert {row["verdict"] for row in perplexities} == {"differs"}
    # The same seven rows: the mean accuracy, and that of each of seven benchmarks.
    assert len(rows) - len(perplexities) == 3 * 7 * (1 + 7)
    assert report["counts"]["not run"] == 0
    by_run = {(row["model"], row["run"]): row["here"] for row in perplexities}
    assert by_run["TinyLlama", "magnitude, row"]["error"] is None
    assert by_run["TinyLlama", "wanda"]["seeds"] == 3
    assert by_run["TinyLlama", "wanda"]["error"] > 0
    wanda = [
        result.points[-2].metrics["perplexity"]
        for _, result in read_results(folder / "results")
        if result.spec.task.name == "compression"
        if (result.spec.scorer.name, result.spec.model.id) == ("wanda", "tiny-1")
    ]
    assert by_run["TinyLlama", "wanda"]["value"] == pytest.approx(sum(wanda) / 3)


@pytest.mark.parametrize("suite", ["paper-compression", "paper-circuits", "paper-correction"])
def test_without_the_hub_nothing_is_run_and_the_reason_is_one_sentence(
    tmp_path, capsys, suite, folder
):
    words = ("--judge", "word-list", "--judge-option", f"path={folder / 'words.txt'}")
    judge = words if suite == "paper-correction" else ()
    kept = ("--results", tmp_path / "results", "--cache", tmp_path / "cache")
    outcome, report = replicate(capsys, tmp_path, ["replicate", suite, *kept, *judge])
    assert outcome.code == 3
    assert {row["verdict"] for row in report["published"]} <= {"not run"}
    reasons = {why for run in report["runs"] for why in run["not_run"].values()}
    assert len(reasons) == (3 if suite == "paper-compression" else 1)
    for why in reasons:
        assert "nor a local folder, and the hub cannot give it" in why
        assert why.count(". ") == 0
    assert not (tmp_path / "results").exists()


def make(folder: Path, tmp_path: Path, suite: str, *more: object) -> list[object]:
    path = tmp_path / "suite.toml"
    path.write_text(suite)
    texts = {"reference_text": "documents.txt", "evaluation_text": "held-out.txt"}
    options = {**{name: folder / file for name, file in texts.items()}, "evaluation_windows": 3}
    given = [part for name, v in options.items() for part in ("--task-option", f"{name}={v}")]
    models = ("--model", f"A={folder / 'tiny-1'}", "--model", f"B={folder / 'opt'}")
    kept = ("--results", tmp_path / "results", "--cache", folder / "cache")
    return [
        "replicate",
        path,
        *models,
        *given,
        "--task-option",
        "evaluation_windows=3",
        *kept,
        *more,
    ]


def test_only_the_seeds_that_are_missing_are_run(folder, tmp_path, capsys):
    replicate(capsys, tmp_path, make(folder, tmp_path, SMALL))
    before = files(tmp_path / "results")
    more = SMALL.replace("wanda@0", "wanda@0,1")
    outcome, report = replicate(capsys, tmp_path, make(folder, tmp_path, more))
    assert outcome.code == 0
    assert [sorted(run["results"]) for run in report["runs"]] == [["0", "1"], ["0", "1"]]
    after = files(tmp_path / "results")
    assert len(before) == 4  # of two models, each with its samples
    assert {path: after[path] for path in before} == before
    assert len(after) == 8


def test_a_run_that_cannot_be_made_does_not_stop_the_others(folder, tmp_path, capsys, monkeypatch):
    def fail(*arguments: object) -> None:
        raise RuntimeError("no more memory")

    monkeypatch.setattr(Gblm, "score", fail)
    bad = """
[[run]]
name = "unknown task"
task = "compresion"
scorers = ["wanda"]

[[run]]
name = "too many"
model = "A"
scorers = ["wanda"]
amounts = [1_000_000_000]
amount_kind = "count"

[[run]]
name = "failing"
model = "A"
scorers = ["gblm"]

[[run]]
name = "no text"
model = "A"
scorers = ["magnitude"]
task_options = { reference_length = 5000 }

[[run]]
name = "good"
model = "B"
scorers = ["magnitude"]
"""
    arguments = make(folder, tmp_path, SMALL.replace("[[deviation]]", f"{bad}\n[[deviation]]"))
    outcome, report = replicate(capsys, tmp_path, arguments)
    assert outcome.code == 1
    told = {(run["run"], run["model"]): run["not_run"].get("0", "") for run in report["runs"]}
    assert told.pop(("compression", "A")) == told.pop(("compression", "B")) == ""
    assert told.pop(("good", "B")) == ""
    assert "Unknown task 'compresion'" in told.pop(("unknown task", "A"))
    assert "Unknown task 'compresion'" in told.pop(("unknown task", "B"))
    assert told.pop(("too many", "A")).startswith("1,000,000,000 units of 'weight'")
    failing = told.pop(("failing", "A"))
    assert failing.startswith("It failed: RuntimeError: no more memory")
    assert "windows of 5000; 2 are needed" in told.pop(("no text", "A"))
    assert told == {}
    assert len(list(read_results(tmp_path / "results"))) == 4


def test_a_suite_that_is_run_takes_options_of_its_tasks(folder, tmp_path, capsys):
    arguments = make(folder, tmp_path, SMALL.replace('["A", "B"]', f'"{folder / "opt"}"'))
    replicated = {"replicate", *arguments[2:6]}
    given = ["run", "--suite", *(part for part in arguments if part not in replicated)]
    outcome = sparc3(capsys, *given, "--task-option", "compression.evaluation_windows=2")
    assert outcome.code == 0, outcome.err
    ((_, result),) = read_results(tmp_path / "results")
    assert result.spec.task.options["evaluation_windows"] == 2
    assert result.spec.task.options["evaluation_text"] == "held-out.txt"
