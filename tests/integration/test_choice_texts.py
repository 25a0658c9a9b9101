"""Texts and judges of a run: what a judge may say, and where what models wrote is kept."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from integration.tabled import PROMPTS, TABLE, Table, Tabled, made, run, whole
from unit.results import in_memory

from sparc3_bench import Metric
from sparc3_bench.errors import RecordError
from sparc3_bench.record.files import read_result, responses_path, samples_path, write_result
from sparc3_bench.record.result import Result
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.responses import read_responses, write_responses
from sparc3_bench.run.worker import run_cell
from sparc3_bench.testing.tiny import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model("llama", tmp_path_factory.mktemp("texts") / "llama")


@pytest.fixture(autouse=True)
def table() -> Table:
    """Return a fresh table, in which less is left of a score the more is removed."""
    TABLE.__dict__.update(Table(score=lambda case: max(0, 0.5 - case.count / 10)).__dict__)
    return TABLE


def harm(name: str) -> Any:
    def harmed(scores: list[float]) -> list[float]:
        match name:
            case "few":
                return scores[:-1]
            case "many":
                return [*scores, 0.5]
            case "raises":
                raise ValueError("no such word")
        return [*scores[:-1], float(name)]

    return harmed


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("few", "Sparc3Error: Judge 'table' returned 7 scores for 8 texts; it must return one a "),
        ("many", "Sparc3Error: Judge 'table' returned 9 scores for 8 texts; it must return one a "),
        ("nan", "Sparc3Error: Judge 'table' returned the score nan; it must be from 0 to 1."),
        ("inf", "Sparc3Error: Judge 'table' returned the score inf; it must be from 0 to 1."),
        ("1.2", "Sparc3Error: Judge 'table' returned the score 1.2; it must be from 0 to 1."),
        ("-0.1", "Sparc3Error: Judge 'table' returned the score -0.1; it must be from 0 to 1."),
        ("raises", "ValueError: no such word"),
    ],
)
def test_judge_that_fails_makes_the_run_fail_and_nothing_is_published(
    model, tmp_path, table, wrong, expected
):
    (cell,) = made(model)
    table.said = harm(wrong)
    result, responses = run_cell(cell, Place(tmp_path, Reporter()), "failing")
    assert result.status == "failed"
    assert result.error.startswith(expected)
    assert (result.points, result.responses, result.found, result.tried) == ((), None, None, ())
    assert responses.texts == 0
    # What was written is kept, and no wrong verdict is.
    known = Counter(table.written)
    table.said = list
    whole(run_cell(cell, Place(tmp_path, Reporter()), "again")[0])
    assert not known - Counter(table.written)
    assert max(Counter(table.written).values()) == 1


def test_ends_of_the_range_are_scores(model, tmp_path, table):
    table.score = lambda case: 0.0 if case.count else 1.0
    result = whole(run(model, tmp_path))
    assert result.found.point.metrics["score"] == 0
    assert result.points[0].metrics["score"] == 1


def test_run_whose_numbers_are_wrong_in_the_end_leaves_no_responses(
    model, tmp_path, table, monkeypatch
):
    (cell,) = made(model)
    more = (*Tabled.metrics, Metric("missing", "lower", "1", "Missing"))
    monkeypatch.setattr(Tabled, "metrics", more)
    result, responses = run_cell(cell, Place(tmp_path, Reporter()), "failing")
    assert result.status == "failed"
    assert "points.0.metrics must have exactly ['change', 'missing'," in result.error
    assert responses.texts == 0


@pytest.fixture
def kept(model, tmp_path, table) -> tuple[Path, Result]:
    """Return a result on disk, with its responses beside it."""
    (cell,) = made(model, controls=2)
    result, responses = run_cell(cell, Place(tmp_path / "cache", Reporter()), "kept")
    whole(result)
    path = tmp_path / "results" / result.spec.path
    write_responses(path, responses.to_json())
    write_result(path, result)
    return path, result


def test_texts_are_in_the_file_of_responses_and_nowhere_else(kept, table):
    path, result = kept
    beside = responses_path(path)
    assert sorted(path.parent.iterdir()) == sorted([path, beside, samples_path(path)])
    content = gzip.decompress(beside.read_bytes())
    assert hashlib.sha256(content).hexdigest() == result.responses.digest
    assert in_memory(read_result(path)) == result
    words = [f"{part}|" for part in PROMPTS]
    assert not any(word in path.read_text() for word in words)
    # Those of the selection part say nothing that is reported.
    assert [word.encode() in content for word in words] == [True, False, True, True]
    written = read_responses(path, result.responses)
    assert result.responses.texts == written.texts == 2 * (4 * 6 + 2 * 4 * 3 + 2 * 6)
    for point, one in zip(result.points, written.points, strict=True):
        gone = {text.split("|")[2] for some in one.texts["responses"] for text in some}
        assert len(gone) == 1
        assert len(gone.pop().split()) == point.amount.requested
        assert one.samples["cost"] == point.samples["cost"]
        assert "score" not in one.samples
    assert [len(one) for one in written.controls] == [4, 4]
    assert len(written.paired) == 2


def test_same_responses_are_the_same_file(kept, tmp_path):
    path, result = kept
    content = gzip.decompress(responses_path(path).read_bytes()).decode()
    write_responses(tmp_path / "other" / path.name, content)
    again = responses_path(tmp_path / "other" / path.name)
    assert again.read_bytes() == responses_path(path).read_bytes()
    assert again.read_bytes()[4:8] == bytes(4)  # where gzip would have the time
    assert read_responses(tmp_path / "other" / path.name, result.responses)


def damaged(content: bytes, how: str) -> bytes:
    match how:
        case "cut":
            return content[: len(content) // 2]
        case "flipped":
            middle = len(content) // 2
            return content[:middle] + bytes([content[middle] ^ 0xFF] * 9) + content[middle + 9 :]
        case "plain":
            return gzip.decompress(content)
        case "binary":
            return gzip.compress(b"\xff\xfe\xfa")
    return gzip.compress(gzip.decompress(content).replace(b"test|", b"text|"))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("cut", "cannot be read"),
        ("flipped", "cannot be read"),
        ("plain", "cannot be read"),
        ("binary", "its digest differs"),
        ("changed", "its digest differs"),
    ],
)
def test_damaged_responses_are_refused(kept, how, expected):
    path, result = kept
    beside = responses_path(path)
    beside.write_bytes(damaged(beside.read_bytes(), how))
    with pytest.raises(RecordError, match=expected) as caught:
        read_responses(path, result.responses)
    assert str(beside) in str(caught.value)


def test_missing_responses_are_refused_with_the_way_out(kept):
    path, result = kept
    responses_path(path).unlink()
    with pytest.raises(RecordError, match="is not there; responses are kept where a run was made"):
        read_responses(path, result.responses)


def test_noise_has_a_choice_and_no_controls(model, tmp_path, table):
    result = whole(run(model, tmp_path, "random", controls=3))
    assert (result.spec.controls, result.found.versus) == (0, None)
    assert result.found.point.metrics["score"] == pytest.approx(0.1)
