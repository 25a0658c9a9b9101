"""`sparc3 replay`: a run gives its numbers again, and what of a record was doctored is named."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from circuits import Outcome, call, run, sentence
from pydantic import TypeAdapter

from sparc3_bench.cli.replay import ReplayAnswer
from sparc3_bench.record.files import read_result, samples_path
from sparc3_bench.record.result import content_hash
from sparc3_bench.record.spec import canonical_json, content_key

Replay = Callable[..., Outcome]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def first(folder) -> Path:
    """A run with random controls, which no test changes."""
    return run(folder, "wanda", controls=2)


@pytest.fixture
def replay(folder, tmp_path, capsys) -> Replay:
    def replayed(*arguments: object) -> Outcome:
        capsys.readouterr()
        where = ("--files", folder / "in", "--cache", folder / "cache")
        code = call("replay", *arguments, *where, "--results", tmp_path / "replays")
        return Outcome(code, *capsys.readouterr())

    return replayed


def answered(done: Outcome) -> ReplayAnswer:
    return TypeAdapter(ReplayAnswer).validate_json(done.out)


def doctored(path: Path, target: Path, change: Change) -> Path:
    """Change a copy of a record, and make its key and its hash anew, so that nothing shows."""
    data = json.loads(path.read_text())
    change(data)
    data["key"] = content_key(data["spec"])
    data["content_hash"] = content_hash(data)
    target.mkdir(parents=True, exist_ok=True)
    copy = target / path.name
    copy.write_text(json.dumps(data))
    if not samples_path(copy).exists():
        shutil.copy(samples_path(path), samples_path(copy))
    return copy


def other_metric(data: dict[str, Any]) -> None:
    data["points"][1]["metrics"]["perplexity"] *= 1.01


def other_weights(data: dict[str, Any]) -> None:
    data["spec"]["model"]["weight_digest"] = 64 * "0"


def other_code(data: dict[str, Any]) -> None:
    data["spec"]["code"]["scorer"] = 16 * "0"


def with_other_sample(path: Path, target: Path) -> Path:
    content = json.loads(gzip.decompress(samples_path(path).read_bytes()))
    content["points"][2]["loss"][3] += 0.5
    text = canonical_json(content)
    target.mkdir(parents=True)
    samples_path(target / path.name).write_bytes(gzip.compress(text.encode(), mtime=0))

    def seal(data: dict[str, Any]) -> None:
        data["sample_file"]["digest"] = hashlib.sha256(text.encode()).hexdigest()

    return doctored(path, target, seal)


def test_a_run_gives_its_numbers_again_and_is_marked(replay, first, tmp_path):
    done = replay(first)
    assert done.code == 0, done.err
    assert done.out.splitlines() == [f"{first}: equal"]
    again = read_result(tmp_path / "replays" / read_result(first).spec.path)
    assert (again.origin, again.replay_of) == ("replayed", read_result(first).key)
    assert again.points == read_result(first).points
    # Made anew, although the cache has every step of the first run.
    assert again.cost["evaluation"].tokens == read_result(first).cost["evaluation"].tokens > 0
    assert list((tmp_path / "replays/.sparc3").glob("replay-*")) == []
    assert "replay_of" not in json.loads(first.read_text())


def test_a_second_time_the_replay_is_there(replay, first, tmp_path):
    assert replay(first).code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "replays").rglob("*.json")}
    done = replay(first)
    assert (done.code, done.out.splitlines()) == (0, [f"{first}: equal"])
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_each_of_several_is_named_by_its_first_step_that_differs(replay, first, tmp_path):
    copies = tmp_path / "copies"
    metric = doctored(first, copies / "metric", other_metric)
    sample = with_other_sample(first, copies / "sample")
    digest = doctored(first, copies / "digest", other_weights)
    gone = tmp_path / "gone.json"
    done = replay(first, metric, sample, digest, gone, "--json")
    assert done.code == 1, done.err
    found = {one.file: one for one in answered(done).replays}
    assert [*found] == [str(path) for path in (first, metric, sample, digest, gone)]
    assert {path: one.outcome for path, one in found.items()} == {
        str(first): "equal",
        str(metric): "differs",
        str(sample): "differs",
        str(digest): "differs",
        str(gone): "not replayed",
    }
    last = {path: one.steps[-1] for path, one in found.items() if one.steps}
    assert last[str(metric)].step == "metrics"
    assert last[str(metric)].where == "perplexity at amount 0.3"
    assert last[str(sample)].step == "samples"
    assert last[str(sample)].where == "loss at amount 0.6, sample 3; 1 of 4 by more than 0.001"
    assert (last[str(digest)].step, last[str(digest)].where) == ("spec", "model.weight_digest")
    assert found[str(digest)].result is None  # nothing was run
    assert "cannot be read" in str(found[str(gone)].reason)


def test_a_metric_that_is_off_by_less_than_machines_are_still_contradicts_its_samples(
    replay, first, tmp_path
):
    def nudge(data: dict[str, Any]) -> None:
        data["points"][1]["metrics"]["perplexity"] *= 1.0001

    done = replay(doctored(first, tmp_path / "copy", nudge))
    assert done.code == 1
    assert "differs in the step 'record'\n  record: `perplexity` at amount 0.3 is " in done.out


def test_other_code_is_told_and_no_failure(replay, first, tmp_path):
    done = replay(doctored(first, tmp_path / "copy", other_code))
    assert done.code == 0, done.err
    assert "not the same, and no failure by itself: code.scorer" in done.out


def test_what_was_changed_without_its_digest_is_refused_before_anything_is_run(
    replay, first, tmp_path
):
    copy = tmp_path / first.name
    copy.write_text(first.read_text().replace('"seed": 0', '"seed": 1'))
    assert "was changed after it was written" in sentence(replay(copy))


def test_a_replay_never_takes_the_place_of_a_run(folder, first, capsys):
    capsys.readouterr()
    where = ("--files", folder / "in", "--cache", folder / "cache")
    before = first.read_bytes()
    code = call("replay", first, *where, "--results", folder / "results")
    told = sentence(Outcome(code, *capsys.readouterr()))
    assert "is of a run of its own; choose another folder for `--results`" in told
    assert first.read_bytes() == before


def test_a_model_that_is_not_there_is_named_with_the_way_out(folder, first, tmp_path, capsys):
    capsys.readouterr()
    code = call("replay", first, "--cache", folder / "cache", "--results", tmp_path)
    told = sentence(Outcome(code, *capsys.readouterr()))
    assert "cannot be replayed: " in told
    assert "`--files FOLDER` says where they are" in told
