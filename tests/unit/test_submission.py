"""Submissions: what is in order is taken; the rest gets a sentence and changes nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from unit.results import make_result, save
from unit.test_leaderboard_ranks import measured

from sparc3_bench.cli import app
from sparc3_bench.errors import RecordError, Sparc3Error
from sparc3_bench.leaderboard.site import publish
from sparc3_bench.record.files import read_result, samples_path, write_result
from sparc3_bench.record.result import Result, content_hash


def sparc3(*arguments: object) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, [str(argument) for argument in arguments])


def honest(**changes: Any) -> Result:
    return measured("wanda", 0, 0, others={"kl": [0.0, 0.0]}, **changes)


@pytest.fixture
def board(tmp_path) -> Path:
    """Return a leaderboard with one result."""
    results = tmp_path / "board"
    save(results, measured("magnitude", 1, 2, others={"kl": [0.0, 0.0]}))
    return results


@pytest.fixture
def mine(tmp_path) -> Path:
    """Return a result that is in order."""
    return tmp_path / "mine" / save(tmp_path / "mine", honest())


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(path: Path, board: Path) -> str:
    """Submit what must be refused; nothing may have come onto the board."""
    before = files(board)
    done = sparc3("submit", path, "--results", board)
    assert isinstance(done.exception, Sparc3Error), done.output
    assert files(board) == before
    return str(done.exception)


def forged(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a record and give it the right hash."""
    data = json.loads(path.read_text())
    change(data)
    data["content_hash"] = content_hash(data)
    path.write_text(json.dumps(data))


def test_what_is_in_order_is_copied_and_marked(board, mine):
    done = sparc3("submit", mine, "--results", board)
    assert done.exit_code == 0, done.exception
    there = board / read_result(mine).spec.path
    taken = read_result(there)
    assert (taken.origin, taken.points) == ("submitted", read_result(mine).points)
    assert "a reviewer would ask: There are no random controls" in done.output
    assert str(there) in done.output


def test_check_copies_nothing_and_takes_what_lies_in_place(board, mine):
    before = files(board)
    assert sparc3("submit", "--check", mine, "--results", board).exit_code == 0
    (there,) = (path for path in before if path.suffix == ".json")
    done = sparc3("submit", there, "--results", board)
    assert (done.exit_code, files(board)) == (0, before)
    assert f"{there}: in order" in done.output


def test_a_run_that_is_there_already_is_refused(board, mine):
    sparc3("submit", mine, "--results", board)
    assert "has this very run already" in refusal(mine, board)


def test_one_bad_file_and_none_is_taken(board, mine, tmp_path):
    bad = tmp_path / "bad" / save(tmp_path / "bad", honest(seed=5))
    samples_path(bad).unlink()
    before = files(board)
    done = sparc3("submit", mine, bad, "--results", board)
    assert "file of samples is not beside the record" in str(done.exception)
    assert files(board) == before


def test_numbers_that_are_not_those_of_the_samples_are_refused(board, mine):
    def better(data: dict[str, Any]) -> None:
        data["points"][1]["metrics"]["perplexity"] *= 0.9

    forged(mine, better)
    assert "`perplexity` at amount 0.5 is" in refusal(mine, board)


def test_intervals_that_are_narrower_than_the_samples_say_are_refused(board, mine):
    def surer(data: dict[str, Any]) -> None:
        # As this version writes them; those of older ones are percentiles, and made anew.
        for metric in data["metrics"]:
            metric["clusters"] = 4
        value = data["points"][1]["metrics"]["perplexity"]
        data["points"][1]["intervals"]["perplexity"] = [value * 0.999, value * 1.001]

    forged(mine, surer)
    assert "`perplexity (interval)` at amount 0.5" in refusal(mine, board)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"task": "unknown-task"}, "Unknown task 'unknown-task'"),
        ({"task_version": 99}, "is of version 1 and would make other numbers than version 99"),
        ({"suite_digest": ""}, "digest of the code that ran is missing"),
    ],
)
def test_what_the_code_here_cannot_vouch_for_is_refused(board, tmp_path, changes, told):
    assert told in refusal(tmp_path / save(tmp_path, honest(**changes)), board)


def test_a_failed_run_is_refused(board, tmp_path):
    path = tmp_path / save(tmp_path, make_result(status="failed", error="no memory"))
    assert "The run is failed; only finished runs are taken." in refusal(path, board)


def test_what_a_reviewer_would_ask_is_printed(board, tmp_path):
    result = honest(warnings=["20 % overlap"])
    scorer = result.spec.scorer.model_copy(update={"distribution": "somebodys", "version": "2"})
    spec = result.spec.model_copy(update={"scorer": scorer})
    environment = result.environment.model_copy(update={"dirty": True})
    changes = {"spec": spec, "key": spec.key, "environment": environment}
    path = tmp_path / save(tmp_path, result.model_copy(update=changes))
    told = sparc3("submit", "--check", path, "--results", board).output
    assert "is of somebodys 2: where is it published?" in told
    assert "uncommitted changes: which?" in told
    assert "The run says itself: 20 % overlap" in told


def deep(data: dict[str, Any]) -> str:
    return json.dumps(data).replace('"options": {}', '"options": {"a": ' + "[" * 9999 + "}", 1)


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], str], str]] = {
    "a path in a name": (
        lambda data: json.dumps(data).replace('"wanda"', '"../../../etc/passwd"'),
        "spec.scorer.name",
    ),
    "a path in the model": (
        lambda data: json.dumps(data).replace('"slug": "tiny-llama"', '"slug": "../../x"'),
        "spec.model.slug",
    ),
    "not a number": (
        lambda data: json.dumps(data).replace('"seconds": 12.5', '"seconds": NaN'),
        "NaN is not allowed",
    ),
    "too large a number": (
        lambda data: json.dumps(data).replace('"seconds": 12.5', '"seconds": 1e999'),
        "cost.attribution.seconds",
    ),
    "a very long text": (
        lambda data: json.dumps({**data, "warnings": ["x" * 10_000_000]}),
        "`warnings.0`: String should have at most",
    ),
    "a very long option": (
        lambda data: json.dumps({**data, "asked": {"x": "x" * 10_000_000}}),
        "larger than 2,000,000 bytes",
    ),
    "a file of 30 MB": (
        lambda data: json.dumps({**data, "warnings": ["x" * 30_000_000]}),
        "it is not a result",
    ),
    "deep nesting": (deep, "is not valid JSON"),
    "another schema": (lambda data: json.dumps({**data, "schema_version": 99}), "Upgrade it"),
    "an unknown field": (lambda data: json.dumps({**data, "script": "x"}), "`script`"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_change_nothing_but_an_error_message(board, mine, name):
    data = json.loads(mine.read_text())
    del data["content_hash"]
    make, told = HOSTILE[name]
    mine.write_text(make(data))
    assert told in refusal(mine, board)


def test_samples_that_unpack_without_end_are_refused(board, mine):
    samples_path(mine).write_bytes(gzip.compress(b" " * 250_000_000))
    assert "unpacks to more than 200,000,000 bytes" in refusal(mine, board)


def test_a_huge_but_finite_number_stands_as_it_is_or_is_refused(board, mine):
    def huge(data: dict[str, Any]) -> None:
        data["points"][1]["metrics"]["perplexity"] = 1e308

    forged(mine, huge)
    assert "`perplexity` at amount 0.5 is 1e+308" in refusal(mine, board)


def test_a_script_in_a_title_comes_out_inert(board, tmp_path):
    evil = "<script>alert(1)</script>"
    path = tmp_path / "in" / save(tmp_path / "in", honest(title=evil, warnings=[evil]))
    assert sparc3("submit", path, "--results", board).exit_code == 0
    publish(board, tmp_path / "site")
    pages = [one.read_text() for one in (tmp_path / "site").rglob("*.html")]
    assert not [page for page in pages if evil in page]
    assert [page for page in pages if "&lt;script&gt;alert(1)" in page]


def test_what_is_withdrawn_keeps_its_row_with_the_reason(board, mine, tmp_path):
    sparc3("submit", mine, "--results", board)
    there = board / read_result(mine).spec.path
    done = sparc3("withdraw", there, "--reason", "The reference was\n the evaluation text.")
    assert done.exit_code == 0, done.exception
    gone = read_result(there)
    assert (gone.status, gone.points) == ("withdrawn", read_result(mine).points)
    page = publish(board, tmp_path / "site").with_name("failed.html").read_text()
    assert "The reference was the evaluation text." in page
    assert isinstance(sparc3("withdraw", there, "--reason", "x").exception, Sparc3Error)
    write_result(there, read_result(mine))
    assert isinstance(sparc3("withdraw", there, "--reason", " ").exception, Sparc3Error)


def test_what_is_no_result_is_named(board, tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{}")
    assert isinstance(sparc3("submit", path, "--results", board).exception, RecordError)
