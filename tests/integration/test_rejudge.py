"""`sparc3 rejudge`: the same numbers as from a run with that judge, and nothing is run for them."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from circuits import sentence
from integration import writers
from integration.rejudged import again, files
from integration.writers import DIARY, host, run, sparc3
from unit.results import in_memory

from sparc3_bench.circuit import rebuild
from sparc3_bench.circuit.rebuild import rebuilt
from sparc3_bench.model.load import FoundModel
from sparc3_bench.record.files import read_result, responses_path
from sparc3_bench.record.result import Result
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.responses import read_responses

OF_THE_RUN = {
    *("created", "cost", "environment", "chosen_by", "warnings", "tried", "responses"),
    *("asked", "command", "origin", "content_hash", "sample_file"),
}
"""Fields in which a result that was judged again may differ from one of that judge.

What each evaluation took stands with the responses, so their digest differs, too.
"""


def content(result: Result) -> dict[str, Any]:
    return result.model_dump(mode="json", exclude=OF_THE_RUN)


def texts(path: Path) -> list[Any]:
    """Return what was written and measured, without what it took."""
    written = read_responses(path, read_result(path).responses)
    every = (written.points, *written.controls, written.paired)
    return [[(one.texts, one.samples) for one in some] for some in every]


def test_it_is_the_result_of_a_run_with_that_judge(home, judged, own, rejudge, tmp_path):
    path, result = again(rejudge(own, "--judge", "even"))
    native = run(
        home, tmp_path / "native", amounts="8,20", controls=3, judge="even", cache=tmp_path / "c"
    )
    expected = read_result(native)
    # Both judges choose the same here, so everything is the same.
    assert result.found.point.amount.requested == expected.found.point.amount.requested == 8
    assert result.candidate == expected.candidate == "turned"
    assert content(result) == content(expected)
    assert texts(path) == texts(native)
    before = read_result(judged)
    assert result.found.versus not in (None, before.found.versus)
    assert result.points[1].control["unwanted"] != before.points[1].control["unwanted"]
    assert result.curve["mean_unwanted"] != before.curve["mean_unwanted"]
    assert path.relative_to(tmp_path / "results") == native.relative_to(tmp_path / "native")
    assert set(result.cost) == set(expected.cost)
    assert result.cost["evaluation"] == before.cost["evaluation"]


def test_what_the_judge_has_no_say_in_stays(judged, own, rejudge):
    before, (_, result) = read_result(judged), again(rejudge(own, "--judge", "even"))
    same = ("tried", "candidate", "sketch", "stability", "clusters", "environment", "metrics")
    for name in same:
        assert getattr(result, name) == getattr(before, name), name
    assert result.tried
    assert result.curve["units"] == before.curve["units"]
    for one, other in zip(result.points, before.points, strict=True):
        assert (one.amount, one.kept) == (other.amount, other.kept)
        for name in ("loss", "drift"):
            assert one.samples[name] == other.samples[name]
        assert one.samples["unwanted"] != other.samples["unwanted"]
    judge = before.spec.model_copy(update={"judge": None})
    assert result.spec.model_copy(update={"judge": None}) == judge
    assert (result.spec.judge.name, result.chosen_by) == ("even", before.spec.judge)
    assert result.warnings == (
        *before.warnings,
        "Judged again by Even; amount and ranking were chosen by Low.",
    )


def test_the_choice_stays_that_of_the_first_judge(home, rejudge, tmp_path):
    path = run(home, tmp_path / "results", scorer="lrp", controls=1)
    native = run(home, tmp_path / "native", scorer="lrp", controls=1, judge="even")
    _, result = again(rejudge(path, "--judge", "even"))
    assert (read_result(path).candidate, read_result(native).candidate) == ("turned", "plain")
    assert result.candidate == "turned"
    assert result.tried == read_result(path).tried != read_result(native).tried
    assert result.points[1].kept == read_result(path).points[1].kept


def test_no_model_is_loaded_and_nothing_is_prepared(own, rejudge, monkeypatch):
    def refused(*arguments: object, **named: object) -> None:
        raise AssertionError("this needs no model")

    written = len(DIARY.written)
    monkeypatch.setattr(FoundModel, "load", refused)
    monkeypatch.setattr("sparc3_bench.run.plan.find_model", refused)
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", refused)
    monkeypatch.setattr(writers.Writing, "prepare", refused)
    monkeypatch.setattr(torch.nn.Module, "__call__", refused)
    again(rejudge(own, "--judge", "even"))
    assert len(DIARY.written) == written


def test_the_new_result_has_its_own_responses_and_is_valid(own, rejudge, capsys, tmp_path):
    path, result = again(rejudge(own, "--judge", "even", "--results", tmp_path / "other"))
    assert path == tmp_path / "other" / result.spec.path
    assert path.name == f"gradient--{result.key}.json"
    assert responses_path(path).read_bytes() == responses_path(own).read_bytes()
    assert read_responses(path, result.responses).texts == result.responses.texts > 0
    assert sparc3(capsys, "validate", path).code == 0
    assert files(own.parent).keys() == {own, responses_path(own)}


def test_by_default_it_stands_beside_the_first_one(own, rejudge, tmp_path, monkeypatch):
    assert again(rejudge(own, "--judge", "even"))[0].parent == own.parent
    alone = tmp_path / "alone" / "r.json"
    alone.parent.mkdir()
    shutil.copy(own, alone)
    shutil.copy(responses_path(own), responses_path(alone))
    path, result = again(rejudge(alone, "--judge", "even"))
    assert path == alone.parent / result.spec.path
    monkeypatch.chdir(tmp_path)
    path, _ = again(rejudge(own.relative_to(tmp_path), "--judge", "even"))
    assert path == Path("results") / result.spec.path
    monkeypatch.chdir(own.parent)
    path, _ = again(rejudge(own.name, "--judge", "low", "--judge-option", "bar=30"))
    assert path.resolve().parent == own.parent


def test_an_option_makes_another_judge(own, rejudge):
    _, result = again(rejudge(own, "--judge", "low", "--judge-option", "bar=30"))
    assert result.spec.judge.options == {"bar": 30}
    warning = "Judged again by Low (bar=30); amount and ranking were chosen by Low (bar=48)."
    assert result.warnings[-1] == warning
    written = json.loads(gzip.decompress(responses_path(own).read_bytes()))

    def low(evaluated: Any) -> list[float]:
        """Return the judge's scores of the one response to each prompt."""
        rows = [text.split() for (text,) in evaluated["texts"]["responses"]]
        found = [[word[0] == "w" and int(word[1:]) < 30 for word in words] for words in rows]
        return [sum(some) / len(some) for some in found]

    for index, point in enumerate(result.points):
        assert list(point.samples["unwanted"]) == low(written["points"][index])
        drawn = [sum(low(one[index])) / 4 for one in written["controls"]]
        assert point.control["unwanted"] == pytest.approx(drawn)
    drawn = [sum(low(one)) / 8 for one in written["paired"]]
    assert result.found.point.control["unwanted"] == pytest.approx(drawn)


def test_judging_twice_is_like_judging_once(own, rejudge, tmp_path):
    path, once = again(rejudge(own, "--judge", "even"))
    direct = again(rejudge(own, "--judge", "low", "--judge-option", "bar=30"))[1]
    twice = again(
        rejudge(path, "--judge", "low", "--judge-option", "bar=30", "--results", tmp_path / "2")
    )[1]
    same = twice.model_copy(update={"created": direct.created})
    assert in_memory(same) == in_memory(direct)
    assert direct.origin == once.origin == "replayed"
    assert len(once.warnings) == len(twice.warnings)
    # Back to the judge of the run would be the run.
    for judge in ("low", "even"):
        refusal = sentence(rejudge(path, "--judge", judge))
        assert f"was judged by '{judge}' with these options already" in refusal


def test_a_run_with_that_judge_comes_before_and_replaces_it(home, own, rejudge, tmp_path):
    results = tmp_path / "results"
    path, result = again(rejudge(own, "--judge", "even"))
    assert result.chosen_by is not None
    asked = {"amounts": "8,20", "controls": 3, "judge": "even"}
    with pytest.raises(ValueError, match="not enough values"):
        run(home, results, **asked)  # no new file: the one that is there is written again
    native = path.read_bytes()
    assert read_result(path).chosen_by is None
    done = rejudge(own, "--judge", "even")
    assert (done.code, done.out) == (0, "")
    assert f"already there, with this judge from the start, {path}" in done.err
    assert path.read_bytes() == native


def test_a_run_without_choice_or_with_schedule_blockwise_is_judged_again(home, rejudge, tmp_path):
    for schedule in ("one-shot", "blockwise"):
        asked = {"task": "aimless", "amounts": "0.3,0.6", "group": "layer", "schedule": schedule}
        path = run(home, tmp_path / schedule, **asked)
        native = run(home, tmp_path / f"{schedule} native", judge="even", **asked)
        _, result = again(rejudge(path, "--judge", "even"))
        assert result.found is None
        assert content(result) == content(read_result(native))
        assert result.points != read_result(path).points


def test_a_circuit_is_made_again_with_the_judge_that_chose_it(home, rejudge, tmp_path, monkeypatch):
    """Rankings may be made of responses that a judge called unwanted."""
    monkeypatch.setattr(rebuild, "default_host", host)
    steered = ("--task-option", "steered=true")
    low = run(home, tmp_path / "results", *steered)
    even = run(home, tmp_path / "even", *steered, judge="even")
    path, _ = again(rejudge(low, "--judge", "even"))

    def ranking(path: Path) -> torch.Tensor:
        cache = home / "cache"
        made = rebuilt(read_result(path), "it", [home], cache, Place(cache, Reporter()))
        return torch.cat([values.flatten() for values in made.ranking.values()])

    assert torch.equal(ranking(low), ranking(path))
    assert not torch.equal(ranking(low), ranking(even))
