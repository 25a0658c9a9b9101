"""`sparc3 rejudge` where it cannot: one sentence, and no file is touched."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest
from circuits import sentence
from integration.rejudged import again, copied, files
from integration.writers import run
from unit.results import make_result, save

from sparc3_bench.record.files import read_result, responses_path, samples_path, write_atomically
from sparc3_bench.run.results import finished


def changed(path: Path, **fields: Any) -> Path:
    """Write a result anew with other fields."""
    result = read_result(path).model_copy(update=fields)
    write_atomically(path, result.model_copy(update={"key": result.spec.key}).to_json())
    return path


def respec(path: Path, where: str, **fields: Any) -> Path:
    spec = read_result(path).spec
    inner = getattr(spec, where).model_copy(update=fields)
    return changed(path, spec=spec.model_copy(update={where: inner}))


def failed(path: Path) -> Path:
    return changed(path, status="failed", error="no memory", points=())


def without_responses(path: Path) -> Path:
    return changed(path, responses=None)


def without_file(path: Path) -> Path:
    responses_path(path).unlink()
    return path


def of_another(path: Path) -> Path:
    other = responses_path(path)
    text = gzip.decompress(other.read_bytes()).replace(b"w4", b"w5")
    other.write_bytes(gzip.compress(text))
    return path


def damaged(path: Path) -> Path:
    responses_path(path).write_bytes(b"no archive")
    return path


def with_a_bar(path: Path) -> Path:
    found = read_result(path).found
    found = found.model_copy(update={"at_least": 0.5, "limits": {}, "versus": None})
    return changed(path, found=found, tried=())


def unjudged(path: Path) -> Path:
    return path.parent / save(path.parent, make_result())


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (failed, "{path} is of a run that is failed ("),
        (unjudged, "{path} is of task 'compression', in which there are no texts to judge; give"),
        (without_responses, "{path}: `spec.judge` is 'low', but there are no `responses` that"),
        (without_file, "{responses} is not there; responses are kept where a run was made"),
        (of_another, "{responses} is not of the result {path.name}: its digest differs."),
        (damaged, "{responses} cannot be read: "),
        (with_a_bar, "{path} has an amount that was looked for between its points, of which an"),
        (
            lambda path: respec(path, "task", task_version=7),
            "{path} cannot be judged again: Task 'writing' is of version 1 and would make other "
            "numbers than version 7, which measured",
        ),
        (
            lambda path: respec(path, "task", name="writting"),
            "{path} cannot be judged again: Unknown task 'writting'. Did you mean 'writing'?",
        ),
        (
            lambda path: respec(path, "task", options={"word": 2}),
            "{path} cannot be judged again: Unknown option of task 'writing' 'word'.",
        ),
        (lambda path: path.with_name("none.json"), "{path} cannot be read: No such file"),
    ],
)
def test_what_cannot_be_judged_again_is_refused(own, judged, rejudge, tmp_path, damage, expected):
    path = damage(own)
    good = copied(judged, tmp_path / "good")
    before = files(tmp_path)
    line = sentence(rejudge(good, path, "--judge", "even", "--results", tmp_path / "new"))
    assert line.startswith(expected.format(path=path, responses=responses_path(path)))
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--judge", "evn"), "Unknown judge 'evn'. Did you mean 'even'?"),
        (
            ("--judge", "low"),
            "{own} was judged by 'low' with these options already; name another judge with "
            "`--judge`, or another option of it.",
        ),
        (("--judge", "low", "--judge-option", "bar=48"), "{own} was judged by 'low' with these"),
        (("--judge", "low", "--judge-option", "bars=4"), "Unknown option of judge 'low' 'bars'."),
        (("--judge", "low", "--judge-option", "bar"), "Option 'bar' must have the form"),
        (("{own}", "--judge", "even"), "A result is named twice; name each once."),
        (("--judge", "even", "--results", "{own}"), "cannot be made: {own} is a file."),
    ],
)
def test_a_judge_or_folder_that_will_not_do_is_refused(own, rejudge, tmp_path, arguments, expected):
    before = files(tmp_path)
    line = sentence(rejudge(own, *(argument.format(own=own) for argument in arguments)))
    assert expected.format(own=own) in line
    assert files(tmp_path) == before


@pytest.mark.parametrize("damage", [of_another, damaged])
def test_a_run_whose_responses_are_spoilt_is_not_finished(judged, own, damage):
    shutil.copy(samples_path(judged), samples_path(own))
    assert finished(own) is not None
    assert finished(damage(own)) is None


def test_a_run_whose_responses_are_gone_is_finished(judged, own):
    """They are never published."""
    shutil.copy(samples_path(judged), samples_path(own))
    assert finished(without_file(own)) is not None


def test_two_results_with_one_place_are_refused(home, own, rejudge, tmp_path):
    other = run(home, tmp_path / "other", amounts="8,20", controls=3, judge="even")
    before = files(tmp_path)
    asked = ("--judge", "low", "--judge-option", "bar=30", "--results", tmp_path / "new")
    line = sentence(rejudge(own, other, *asked))
    assert line.startswith(f"{own} and {other} would become the same result, {tmp_path / 'new'}")
    assert files(tmp_path) == before
    path, _ = again(rejudge(own, *asked))
    line = sentence(rejudge(other, *asked))
    assert line.startswith(f"{path} is of the same run, chosen by 'low' and not by 'even'")
    # The same once more is no trouble.
    assert again(rejudge(own, *asked))[0] == path


def test_without_a_judge_the_command_says_how_it_goes(own, rejudge):
    done = rejudge(own)
    assert done.code == 2
    assert "Missing option '--judge'" in done.err


def test_a_judge_that_raises_leaves_that_result_out(home, own, rejudge, tmp_path):
    long = run(home, tmp_path / "long", "--task-option", "words=6")
    before = files(tmp_path)
    done = rejudge(long, own, "--judge", "choosy")
    assert done.code == 1
    assert f"{long}  failed: ValueError: 6 words are too many" in done.err
    path = Path(done.out.partition(": ")[0])
    assert read_result(path).spec.judge.name == "choosy"
    assert files(tmp_path).keys() - before.keys() == {
        path,
        responses_path(path),
        samples_path(path),
    }


def test_verdicts_that_are_none_leave_the_result_out(own, rejudge, tmp_path):
    before = files(tmp_path)
    done = rejudge(own, "--judge", "wild")
    assert (done.code, done.out) == (1, "")
    (line,) = [line for line in done.err.splitlines() if "failed" in line]
    assert line == (
        f"{own}  failed: Sparc3Error: Judge 'wild' returned the score 2; it must be from 0 to 1."
    )
    assert "Traceback" not in done.err
    assert files(tmp_path) == before
