"""The folder that `sparc3 correct` leaves: all is in it, and its report says what was done."""

from __future__ import annotations

import contextlib
import io
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from circuits import Outcome, call, sentence
from integration.corrected import PROMPTS, WHOLE, Made, cells, lost, numbers
from integration.writers import DIARY, installed, run, sparc3

from sparc3_bench.assets import file_digest
from sparc3_bench.record.files import read_result, responses_path
from sparc3_bench.run.responses import read_responses
from sparc3_bench.testing.tiny import save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("correct")
    (folder / "prompts.txt").write_text("\n".join(PROMPTS))
    save_model("llama", folder / "llama")
    return folder


@pytest.fixture(scope="module")
def made(folder) -> Made:
    """The command of the documents, once."""
    out, said, told = folder / "out", io.StringIO(), io.StringIO()
    given = ("--model", folder / "llama", "--out", out, "--cache", folder / "cache")
    asked = ("--judge", "low", "--neurons", 8, "--undesired", folder / "prompts.txt")
    with installed(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        code = call(
            *("correct", *given, *asked, "--scorer", "gradient", "--dtype", "float32"),
            *("--results", folder / "results"),
        )
    return Made(folder / "llama", out, Outcome(code, said.getvalue(), told.getvalue()))


def test_the_folder_has_everything_and_says_what_it_is(made):
    assert made.done.code == 0, made.done.err
    assert sorted(path.name for path in made.out.iterdir()) == WHOLE
    about = json.loads((made.out / "correction.json").read_text())
    there = {p.relative_to(made.out).as_posix() for p in made.out.rglob("*") if p.is_file()}
    assert there - {"correction.json"} == set(about["files"])
    for name, digest in about["files"].items():
        assert file_digest(made.out / name) == digest
    assert about["format"] == "sparc3-correction"
    assert about["key"] == made.result.key
    assert about["amount"] == made.result.points[1].amount.model_dump()
    assert about["removed"] == {str(layer): which for layer, which in lost(made.out).items()}
    assert sum(map(len, about["removed"].values())) == 8
    assert made.done.out.startswith(f"{made.out}: 8 neurons removed. Change of what is unwanted")


def test_it_is_the_result_of_a_run(folder, made, tmp_path):
    written = len(DIARY.written)
    options = ("--task-option", f"prompts={folder / 'prompts.txt'}")
    result = read_result(run(folder, tmp_path / "results", *options, judge="low", controls=5))
    assert len(DIARY.written) == written
    fields = ("created", "environment", "asked", "command", "content_hash")
    one, other = (
        {
            **{name: value for name, value in told.items() if name not in fields},
            # Seconds and bytes are the machine's: a kilobyte more makes no other result.
            "cost": {phase: cost.tokens for phase, cost in told["cost"].items()},
        }
        for told in (dict(made.result), dict(result))
    )
    assert one == other
    assert result.found.versus is not None


def test_the_report_has_every_metric_before_and_after(made):
    result = made.result
    head, *rows = cells(made.report, "Before and after")
    assert head[-3:] == ["before", "after", "random neurons (5 draws)"]
    assert len(rows) == len(result.metrics)
    for metric, row in zip(result.metrics, rows, strict=True):
        assert row[0].replace("\\|", "|").startswith(metric.title)
        assert row[1] == metric.direction
        for cell, point in ((row[2], result.points[0]), (row[3], result.found.point)):
            low, high = point.intervals[metric.name]
            told = numbers(cell)
            assert len(told) == (1 if low == high else 3)
            expected = (point.metrics[metric.name], low, high)
            for one, other in zip(told, expected, strict=False):
                assert one == pytest.approx(other, abs=0.03 * (high - low) + 1e-9)
        drawn = result.found.point.control.get(metric.name)
        if drawn is None:
            assert (metric.name, row[4]) == ("drift", "–")
        else:
            expected = [sum(drawn) / len(drawn), min(drawn), max(drawn)]
            assert numbers(row[4]) == pytest.approx(expected, rel=6e-3, abs=1e-9)
    versus = result.found.versus
    (line,) = [line for line in made.report.splitlines() if ", this minus random, " in line]
    told = numbers(line.partition("prompts: ")[2])
    assert told[:3] == pytest.approx([versus.difference, versus.low, versus.high], abs=0.01)
    assert told[3] == pytest.approx(versus.p_value, rel=0.05)


def test_the_report_tells_what_was_removed_and_tried(made):
    result, report = made.result, made.report
    assert report.startswith("# llama without 8 neurons\n")
    _, *rows = cells(report, "What was removed")
    told = {int(layer): list(map(int, which.split(", "))) for layer, _, which in rows}
    assert told == lost(made.out)
    assert all(int(count) == len(which.split(", ")) for _, count, which in rows)
    _, *rows = cells(report, "What was tried")
    tried = [one for one in result.tried if one.requested > 0]
    assert len(rows) == len(tried) == 2
    for row, one in zip(rows, tried, strict=True):
        chosen = one.candidate == result.candidate
        cell = "**{}**" if chosen else "{}"
        assert row[:2] == [cell.format(one.candidate), cell.format("8")]
        expected = [one.metrics["unwanted_change"], one.metrics["loss_increase"]]
        assert [numbers(text)[0] for text in row[2:4]] == pytest.approx(expected, rel=1e-2)
        assert row[4] == cell.format("yes")


def test_the_report_names_the_judge_and_leaves_all_texts_out(made, folder):
    judge = made.result.spec.judge
    assert f"digest `{judge.weights_digest}`" in made.report
    assert "judge Low (`low`, writers 1) with bar = 48" in made.report
    assert "Neither the prompts nor what the models wrote are in this folder" in made.report
    (path,) = (folder / "results").rglob("*.json")
    written = read_responses(path, made.result.responses)
    texts = {text for one in written.points for some in one.texts["responses"] for text in some}
    assert len(texts) > 8
    content = [p.read_bytes() for p in made.out.rglob("*") if p.is_file()]
    for text in (*texts, *PROMPTS):
        assert not any(text.encode() in one for one in content)


def test_the_plot_is_a_drawing_of_its_own(made):
    root = ElementTree.parse(made.out / "plot.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert next(root.iter(f"{space}title")).text.startswith("Change of what is unwanted over ")
    words = {text.text for text in root.iter(f"{space}text")}
    assert {"Gradient", "8", "0", "Matched random (5)"} <= words
    assert {"curve", "random"} <= {one.get("id") for one in root.iter()}


def test_the_result_can_be_kept_and_judged_again(folder, made, capsys, tmp_path):
    (path,) = (folder / "results").rglob("*.json")
    assert path.read_text() == (made.out / "result.json").read_text()
    arguments = ("--judge", "even", "--results", tmp_path, "--cache", folder / "cache")
    assert sparc3(capsys, "rejudge", path, *arguments).code == 0
    assert "is not there; responses are kept where" in sentence(
        sparc3(capsys, "rejudge", made.out / "result.json", *arguments)
    )
    assert not responses_path(made.out / "result.json").exists()
