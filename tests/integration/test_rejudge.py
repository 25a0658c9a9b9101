"""`sparc3 rejudge`: the same numbers as from a run with that judge, and nothing is run for them."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from circuits import Outcome, sentence
from integration import writers
from integration.writers import DIARY, host, run, sparc3
from unit.results import in_memory, make_result, save

from sparc3_bench.circuit import rebuild
from sparc3_bench.circuit.rebuild import rebuilt
from sparc3_bench.model.load import FoundModel
from sparc3_bench.record.files import read_result, samples_path, write_atomically
from sparc3_bench.record.result import Result
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.responses import read_responses, responses_path
from sparc3_bench.testing.tiny import save_model

Rejudge = Callable[..., Outcome]

OF_THE_RUN = {
    *("created", "cost", "environment", "chosen_by", "warnings", "tried", "responses"),
    *("asked", "command", "origin", "content_hash", "sample_file"),
}
"""Fields in which a result that was judged again may differ from one of that judge.

What each evaluation took stands with the responses, so their digest differs, too.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rejudge")
    save_model("llama", folder / "llama")
    return folder


@pytest.fixture(scope="module")
def first(folder) -> Path:
    """A run of several amounts with controls, which no test changes."""
    return run(folder, folder / "first", amounts="8,20", controls=3)


@pytest.fixture
def own(first, tmp_path) -> Path:
    """A copy of that run to do with as one likes."""
    return copied(first, tmp_path / "results")


@pytest.fixture
def rejudge(capsys, folder) -> Rejudge:
    """Return a function that does `sparc3 rejudge` in this process."""

    def do(*arguments: object) -> Outcome:
        return sparc3(capsys, "rejudge", *arguments, "--cache", folder / "cache")

    return do


def copied(path: Path, results: Path) -> Path:
    """Copy a result with its responses to another results folder."""
    target = results / read_result(path).spec.path
    target.parent.mkdir(parents=True)
    shutil.copy(path, target)
    shutil.copy(responses_path(path), responses_path(target))
    return target


def again(done: Outcome) -> tuple[Path, Result]:
    """Return the one new result of a command."""
    assert done.code == 0, done.err
    (line,) = done.out.splitlines()
    path = Path(line.partition(": ")[0])
    return path, read_result(path)


def content(result: Result) -> dict[str, Any]:
    return result.model_dump(mode="json", exclude=OF_THE_RUN)


def texts(path: Path) -> list[Any]:
    """Return what was written and measured, without what it took."""
    written = read_responses(path, read_result(path).responses)
    every = (written.points, *written.controls, written.paired)
    return [[(one.texts, one.samples) for one in some] for some in every]


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_the_result_of_a_run_with_that_judge(folder, first, own, rejudge, tmp_path):
    path, result = again(rejudge(own, "--judge", "even"))
    native = run(
        folder, tmp_path / "native", amounts="8,20", controls=3, judge="even", cache=tmp_path / "c"
    )
    expected = read_result(native)
    # Both judges choose the same here, so everything is the same.
    assert result.found.point.amount.requested == expected.found.point.amount.requested == 8
    assert result.candidate == expected.candidate == "turned"
    assert content(result) == content(expected)
    assert texts(path) == texts(native)
    before = read_result(first)
    assert result.found.versus not in (None, before.found.versus)
    assert result.points[1].control["unwanted"] != before.points[1].control["unwanted"]
    assert result.curve["mean_unwanted"] != before.curve["mean_unwanted"]
    assert path.relative_to(tmp_path / "results") == native.relative_to(tmp_path / "native")
    assert set(result.cost) == set(expected.cost)
    assert result.cost["evaluation"] == before.cost["evaluation"]


def test_what_the_judge_has_no_say_in_stays(first, own, rejudge):
    before, (_, result) = read_result(first), again(rejudge(own, "--judge", "even"))
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


def test_the_choice_stays_that_of_the_first_judge(folder, rejudge, tmp_path):
    path = run(folder, tmp_path / "results", scorer="lrp", controls=1)
    native = run(folder, tmp_path / "native", scorer="lrp", controls=1, judge="even")
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


def test_a_run_with_that_judge_comes_before_and_replaces_it(folder, own, rejudge, tmp_path):
    results = tmp_path / "results"
    path, result = again(rejudge(own, "--judge", "even"))
    assert result.chosen_by is not None
    asked = {"amounts": "8,20", "controls": 3, "judge": "even"}
    with pytest.raises(ValueError, match="not enough values"):
        run(folder, results, **asked)  # no new file: the one that is there is written again
    native = path.read_bytes()
    assert read_result(path).chosen_by is None
    done = rejudge(own, "--judge", "even")
    assert (done.code, done.out) == (0, "")
    assert f"already there, with this judge from the start, {path}" in done.err
    assert path.read_bytes() == native


def test_a_run_without_choice_or_with_schedule_blockwise_is_judged_again(folder, rejudge, tmp_path):
    for schedule in ("one-shot", "blockwise"):
        asked = {"task": "aimless", "amounts": "0.3,0.6", "group": "layer", "schedule": schedule}
        path = run(folder, tmp_path / schedule, **asked)
        native = run(folder, tmp_path / f"{schedule} native", judge="even", **asked)
        _, result = again(rejudge(path, "--judge", "even"))
        assert result.found is None
        assert content(result) == content(read_result(native))
        assert result.points != read_result(path).points


def test_a_circuit_is_made_again_with_the_judge_that_chose_it(
    folder, rejudge, tmp_path, monkeypatch
):
    """Rankings may be made of responses that a judge called unwanted."""
    monkeypatch.setattr(rebuild, "default_host", host)
    steered = ("--task-option", "steered=true")
    low = run(folder, tmp_path / "results", *steered)
    even = run(folder, tmp_path / "even", *steered, judge="even")
    path, _ = again(rejudge(low, "--judge", "even"))

    def ranking(path: Path) -> torch.Tensor:
        made = rebuilt(read_result(path), "it", [folder], folder / "cache", Reporter())
        return torch.cat([values.flatten() for values in made.ranking.values()])

    assert torch.equal(ranking(low), ranking(path))
    assert not torch.equal(ranking(low), ranking(even))


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
        (failed, "{path} is of a run that failed; run it again."),
        (unjudged, "{path} is of task 'compression', in which there are no texts to judge; give"),
        (without_responses, "{path}: `spec.judge` is 'low', but there are no `responses` that"),
        (without_file, "{responses} is not there; responses are kept where a run was made"),
        (of_another, "{responses} is not of the result {path.name}: its digest differs."),
        (damaged, "{responses} cannot be read: "),
        (with_a_bar, "{path} has an amount that was looked for between its points, of which no"),
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
def test_what_cannot_be_judged_again_is_refused(own, first, rejudge, tmp_path, damage, expected):
    path = damage(own)
    good = copied(first, tmp_path / "good")
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


def test_two_results_with_one_place_are_refused(folder, own, rejudge, tmp_path):
    other = run(folder, tmp_path / "other", amounts="8,20", controls=3, judge="even")
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


def test_a_judge_that_raises_leaves_that_result_out(folder, own, rejudge, tmp_path):
    long = run(folder, tmp_path / "long", "--task-option", "words=6")
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
