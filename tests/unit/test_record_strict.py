"""Files of others: each fault in one sentence, within bounds, and no other file with it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from unit.results import make_result, save

from sparc3_bench.cli import app
from sparc3_bench.errors import RecordError
from sparc3_bench.leaderboard.site import publish
from sparc3_bench.record import files as module
from sparc3_bench.record.files import files_below, lacking, read_result, read_results, samples_path
from sparc3_bench.record.parts import Responses
from sparc3_bench.record.result import content_hash
from sparc3_bench.run.responses import read_responses, responses_path


def refusal(path: Path) -> str:
    with pytest.raises(RecordError) as caught:
        read_result(path)
    told = str(caught.value)
    assert told.isprintable()
    assert len(told) < 1_000
    return told


def written(folder: Path, change: Any = None, text: Any = None) -> Path:
    """Write a result that was changed, with the hash of what it is then."""
    path = folder / save(folder, make_result())
    data = json.loads(path.read_text())
    if change:
        change(data)
    data["content_hash"] = content_hash(data)
    whole = json.dumps(data)
    path.write_text(text(whole) if text else whole)
    return path


NO_JSON = {
    "an overflow": ("1e999", "the number 1e999 is not finite"),
    "a negative overflow": ("-1e999", "the number -1e999 is not finite"),
    "a constant": ("NaN", "NaN is not allowed"),
    "a huge integer": ("9" * 400, "does not fit into 64 bits"),
    "an endless integer": ("9" * 100_000, "does not fit into 64 bits"),
    "an integer of 65 bits": (str(2**64), "does not fit into 64 bits"),
    "a name twice": ('{"a": 1, "a": 2}', "the name 'a' is there twice"),
    "deep lists": ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
}


PLACES = {
    "an unknown field": "more",
    "an option": "spec.scorer.options.power",
    "a metric": "points.0.metrics.kl",
}


@pytest.mark.parametrize("name", NO_JSON)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_plain_json_is_refused_wherever_it_stands(tmp_path, name, place):
    token, told = NO_JSON[name]

    def change(data: dict[str, Any]) -> None:
        owner: Any = data
        *parents, last = PLACES[place].split(".")
        for part in parents:
            owner = owner[int(part) if part.isdigit() else part]
        owner[last] = "here"

    path = written(tmp_path, change, lambda whole: whole.replace('"here"', token))
    assert told in refusal(path)
    if token[0] not in "[{":
        assert f"{path}: `{PLACES[place]}`: the number " in refusal(path)


def set_at(*path: Any, value: Any) -> Any:
    def change(data: dict[str, Any]) -> None:
        owner: Any = data
        for part in path[:-1]:
            owner = owner[part]
        owner[path[-1]] = value

    return change


TRIED = {"candidate": "a", "requested": 0.5, "metrics": {}, "passes": True}
LONG = "x" * 100_000
FIELDS = {
    "error": set_at("error", value=LONG),
    "warnings.0": set_at("warnings", value=[LONG]),
    "warnings": set_at("warnings", value=["x"] * 5_000),
    "command": set_at("command", value=LONG),
    "spec.model.label": set_at("spec", "model", "label", value=LONG),
    "spec.model.id": set_at("spec", "model", "id", value="a\u202eb"),
    "spec.scorer.title": set_at("spec", "scorer", "title", value="Wan\u200bda"),
    "spec.scorer.version": set_at("spec", "scorer", "version", value="1\x1b[2J"),
    "spec.datasets.0.source": set_at("spec", "datasets", 0, "source", value="two\nlines"),
    "metrics.0.title": set_at("metrics", 0, "title", value="Per\u00adplexity"),
    "environment.processor": set_at("environment", "processor", value="a\x00b"),
    "environment.packages": set_at(
        "environment", "packages", value={str(n): "1" for n in range(20_000)}
    ),
    "stability": set_at("stability", value=[{"seed": 1, "spearman": 0.0, "jaccard": []}] * 101),
    "tried": set_at("tried", value=[TRIED] * 10_001),
    "curve": set_at("curve", value={str(n): {"value": 1.0} for n in range(1_001)}),
}
FIELDS |= {
    f"created {text}": set_at("created", value=text)
    for text in (
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05+02:00",
        "2026-01-02",
        "20260102T030405Z",
        "\u0662026-01-02T03:04:05Z",
    )
}


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_too_long_hidden_or_no_date_is_refused_by_its_field(tmp_path, name):
    assert f"`{name.partition(' ')[0]}`: " in refusal(written(tmp_path, FIELDS[name]))


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "2026-11-22T22:22:05.123+00:00"])
def test_a_date_of_either_form_is_read(tmp_path, text):
    assert read_result(written(tmp_path, set_at("created", value=text))).created == text


def sealed(folder: Path, content: bytes, *, packed: bytes | None = None) -> Path:
    """Write a result whose samples are `content`, with its digest."""

    def change(data: dict[str, Any]) -> None:
        data["sample_file"]["digest"] = hashlib.sha256(content).hexdigest()

    path = written(folder, change)
    samples_path(path).write_bytes(gzip.compress(content) if packed is None else packed)
    return path


SAMPLES = {
    "an overflow": (b'{"found": null, "points": [{"loss": [1e999]}, {}]}', "not finite"),
    "no object": (b"[]", "`the record`"),
    "no points": (b'{"found": null}', "`points`: Field required"),
    "too few points": (b'{"found": null, "points": [{}]}', "samples of 1 points; the result has 2"),
    "a word": (b'{"found": null, "points": [{"loss": ["a"]}, {}]}', "`points.0.loss.0`"),
    "no UTF-8": (b"\xff", "is not valid JSON"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_read_as_strictly(tmp_path, name):
    content, told = SAMPLES[name]
    path = sealed(tmp_path, content)
    assert told in refusal(path)
    assert refusal(path).startswith(str(samples_path(path)))


def test_samples_that_unpack_without_end_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MAX_BYTES", 100_000)
    path = sealed(tmp_path, b"", packed=gzip.compress(b" " * 50_000_000))
    assert "unpacks to more than 1,000,000 bytes" in refusal(path)


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b + b"more", lambda b: b[:5]])
def test_samples_that_are_cut_or_longer_are_refused(tmp_path, damage):
    path = tmp_path / save(tmp_path, make_result())
    samples_path(path).write_bytes(damage(samples_path(path).read_bytes()))
    assert f"{samples_path(path)} cannot be read: " in refusal(path)


def test_responses_are_read_as_strictly(tmp_path):
    content = b'{"points": [{"samples": {"loss": [1e999]}}]}'
    path = tmp_path / "result.json"
    record = Responses(digest=hashlib.sha256(content).hexdigest(), texts=0)
    for packed, told in (
        (gzip.compress(content), "the number 1e999 is not finite"),
        (gzip.compress(content)[:-9], "it is cut short"),
        (gzip.compress(b"[]"), "its digest differs"),
    ):
        responses_path(path).write_bytes(packed)
        with pytest.raises(RecordError, match=told):
            read_responses(path, record)
    responses_path(path).unlink()
    with pytest.raises(RecordError, match="is not there"):
        read_responses(path, record)


def test_a_result_without_the_samples_that_it_promises_is_not_whole(tmp_path):
    path = tmp_path / save(tmp_path, make_result())
    result = read_result(path)
    assert lacking(path, result) is None
    samples_path(path).unlink()
    assert samples_path(path).name in str(lacking(path, result))
    assert lacking(path, result.model_copy(update={"sample_file": None})) is None


def odd(folder: Path) -> dict[Path, str]:
    """Put into a folder what is no plain file, each with what is told of it."""
    outside = folder.parent / "outside"
    outside.mkdir()
    target = outside / save(outside, make_result("magnitude"))
    (folder / "link.json").symlink_to(target)
    (folder / "linked").symlink_to(outside)
    (folder / "nowhere.json").symlink_to("absent.json")
    (folder / "turning.json").symlink_to("turning.json")
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json").mkdir()
    link = "is a link, which is not followed"
    return {
        **dict.fromkeys(
            (folder / name for name in ("link.json", "linked", "nowhere.json", "turning.json")),
            link,
        ),
        folder / "pipe.json": "is a pipe or a device",
    }


def test_links_and_pipes_are_named_and_not_followed_and_hidden_ones_are_not_looked_at(tmp_path):
    folder = tmp_path / "results"
    good = save(folder, make_result())
    for hidden in (".sparc3/held.json", f"{good.parent}/.part.json"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_text("{")
    wrong = odd(folder)
    told: list[str] = []
    assert [path for path, _ in read_results(folder, told.append)] == [good]
    assert set(files_below(folder)) == {*wrong, folder / good}
    assert len(told) == len(wrong)
    for path, sentence in wrong.items():
        assert [one for one in told if f"{path} {sentence}" in one], path
    beside = samples_path(folder / good)
    beside.rename(tmp_path / "moved")
    beside.symlink_to(tmp_path / "moved")
    assert f"{beside} is a link" in refusal(folder / good)


def sparc3(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def mixed(tmp_path) -> Path:
    """Return a folder with two good results, and a bad one of every kind."""
    folder = tmp_path / "results"
    for name in ("wanda", "magnitude"):
        save(folder, make_result(name))
    (folder / "overflow.json").write_text(
        written(tmp_path / "other").read_text().replace("20.0", "1e999")
    )
    (folder / "field.json").write_text('{"schema_version": 6}')
    return folder


def test_one_bad_file_takes_no_other_with_it(mixed, tmp_path):
    site = tmp_path / "site"
    done = sparc3("publish", mixed, site)
    assert done.exit_code == 1, done.output
    assert (
        f"left out: {mixed}/overflow.json: `points.0.metrics.perplexity`: the number 1e999"
        in done.stderr
    )
    assert f"left out: {mixed}/field.json: `key`: Field required" in done.stderr
    assert len(list((site / "results").rglob("*.json"))) == 2
    assert sparc3("publish", "--check", mixed, site).exit_code == 1
    done = sparc3("validate", mixed)
    assert (done.exit_code, done.stdout) == (1, "2 valid result files\n")
    assert done.stderr.count("left out: ") == 2
    for path in list(mixed.glob("*.json")):
        path.unlink()
    assert sparc3("publish", "--check", mixed, site).exit_code == 0
    assert sparc3("validate", mixed).exit_code == 0


def test_where_nothing_is_good_nothing_is_done(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "bad.json").write_text("{")
    for command in (("publish", tmp_path / "results", tmp_path / "site"), ("validate", tmp_path)):
        done = sparc3(*command)
        assert isinstance(done.exception, RecordError)
        assert "bad.json is not valid JSON" in str(done.exception)
    assert not (tmp_path / "site").exists()


def test_a_file_of_samples_that_no_result_tells_of_is_not_published(tmp_path):
    folder, site = tmp_path / "results", tmp_path / "site"
    path = folder / save(folder, make_result(status="failed", error="No memory."))
    samples_path(path).write_bytes(b"anything")
    publish(folder, site)
    assert [one.name for one in (site / "results").rglob("*.gz")] == []
