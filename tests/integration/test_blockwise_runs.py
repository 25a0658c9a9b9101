"""Schedule blockwise: random controls, search by a bar, circuits, and judging again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from circuits import options, sentence
from circuits import run as run_compression
from integration import writers
from integration.answers import DIARY, Diary, PreparedAnswers, made, numbers, run, whole
from integration.rejudged import again
from integration.writers import Aimless, Outcome, sparc3
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from sparc3_bench import Bar
from sparc3_bench.record.files import read_result
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.responses import read_responses
from sparc3_bench.run.steps.blockwise import Blockwise
from sparc3_bench.run.worker import run_cell
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask
from sparc3_bench.testing.tiny import make_view, save_model

BLOCKWISE = {"schedule": "blockwise"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model("llama", tmp_path_factory.mktemp("blockwise") / "llama")


@pytest.fixture(autouse=True)
def diary() -> Diary:
    """Return a fresh record of what is evaluated."""
    DIARY.__dict__.update(Diary().__dict__)
    return DIARY


def kept(model: Path, cache: Path, amount: float, **asked: Any) -> dict[str, Tensor]:
    """Return what the walk of an amount keeps."""
    (cell,) = made(model, "wanda", **BLOCKWISE, **asked)
    return dict(Place(cache, Reporter()).get(Blockwise(cell, amount)).kept)


def samples(keep: Any, unit: str, part: str) -> list[float]:
    """Measure by hand what is left."""
    view, prepared = make_view("llama"), PreparedAnswers(0, part)
    dense = prepared.evaluate(view, None, lambda done, total: None)
    with view.masked(as_mask(keep, view, unit)):
        return list(prepared.evaluate(view, dense, lambda done, total: None).samples["x"])


@pytest.mark.parametrize(
    ("unit", "group"), [("weight", "row"), ("weight", "2:4"), ("neuron", "layer")]
)
def test_controls_have_as_many_units_as_the_walk_keeps(model, tmp_path, unit, group):
    asked = {"unit": unit, "group": group}
    (result,) = whole(run(model, tmp_path, "wanda", controls=2, **BLOCKWISE, **asked))
    assert result.spec.controls == 2
    for amount, point in list(zip(result.spec.amounts, result.points, strict=True))[1:-1]:
        keep = kept(model, tmp_path, amount, **asked)
        assert list(point.samples["x"]) == pytest.approx(samples(keep, unit, "test"), abs=1e-6)
        for seed in (0, 1):
            drawn = samples(matched(keep, group, seed), unit, "control")
            found = point.control["likelihood"][seed]
            assert found == pytest.approx(sum(drawn) / 4, abs=1e-6)
    assert len(result.curve["area"].control) == 2


def test_controls_that_are_drawn_row_by_row_are_shared_with_schedule_one_shot(
    model, tmp_path, diary
):
    (at_once,) = whole(run(model, tmp_path, "wanda", controls=2))
    assert diary.pruned("control") == 5
    (by_block,) = whole(run(model, tmp_path, "wanda", controls=2, **BLOCKWISE))
    assert diary.pruned("control") == 5
    for one, other in zip(at_once.points, by_block.points, strict=True):
        assert one.control == other.control


def test_what_is_found_by_a_bar_reaches_it_and_less_does_not(model, tmp_path):
    (result,) = whole(run(model, tmp_path, "wanda", **BLOCKWISE))
    found = result.found
    amount = found.point.amount.requested
    assert (found.metric, found.at_least) == ("faithfulness", 0.8)
    assert 0 < amount < 1
    assert "search" in result.cost

    def mean(amount: float, part: str) -> float:
        if amount in (0, 1):
            keep = {n: torch.full(w.matrix.shape, amount == 0) for n, w in weights.items()}
        else:
            keep = kept(model, tmp_path, amount)
        return sum(samples(keep, "weight", part)) / 4

    def faithfulness(amount: float, part: str) -> float:
        dense, empty = mean(0, part), mean(1, part)
        return (mean(amount, part) - empty) / (dense - empty)

    weights = make_view("llama").weights()
    assert faithfulness(amount, "selection") >= 0.8
    assert faithfulness(1 - (1 - amount) / 1.05, "selection") < 0.8
    assert found.point.metrics["faithfulness"] == pytest.approx(
        faithfulness(amount, "test"), abs=1e-5
    )
    low, high = found.point.intervals["faithfulness"]
    assert low <= found.point.metrics["faithfulness"] <= high


@pytest.mark.parametrize("stop_at", [1, 4, 9])
def test_interrupted_run_walks_and_measures_nothing_twice(
    model, tmp_path, diary, monkeypatch, stop_at
):
    asked = {"controls": 1, **BLOCKWISE}
    walked: list[float] = []
    plain = Blockwise.make

    def make(self: Blockwise, *arguments: Any) -> Any:
        walked.append(self.amount)
        return plain(self, *arguments)

    monkeypatch.setattr(Blockwise, "make", make)
    (expected,) = whole(run(model, tmp_path / "once", "wanda", **asked))
    at_once = sorted(walked)
    assert len(set(at_once)) == len(at_once)
    pruned = sorted(what for what in diary.finished if what[1] == "pruned")
    diary.__dict__.update(Diary(stop_at=stop_at).__dict__)
    walked.clear()
    (cell,), place = made(model, "wanda", **asked), Place(tmp_path / "twice", Reporter())
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, place, "stopped")
    diary.stop_at = None
    (result,) = whole(run(model, tmp_path / "twice", "wanda", **asked))
    assert numbers(result) == numbers(expected)
    assert sorted(walked) == at_once
    assert sorted(what for what in diary.finished if what[1] == "pruned") == pruned
    known = len(walked), len(diary.finished)
    (again,) = whole(run(model, tmp_path / "twice", "wanda", **asked))
    assert numbers(again) == numbers(expected)
    assert (len(walked), len(diary.finished)) == known
    assert {name: cost.tokens for name, cost in again.cost.items()} == {
        name: cost.tokens for name, cost in result.cost.items()
    }


# Circuits


@pytest.fixture(scope="module")
def pair(folder) -> list[Path]:
    """Return results of two scorers, block by block."""
    return [run_compression(folder, name, schedule="blockwise") for name in ("wanda", "gradient")]


def test_a_circuit_is_shown_from_its_record(pair, circuit, tmp_path):
    picture = tmp_path / "picture.svg"
    done = circuit("show", pair[0], "--size", "0.4", "--picture", picture)
    assert done.code == 0, done.err
    assert "40" in done.out
    assert picture.exists()


@pytest.mark.parametrize("size", ["0.4", "0.5"], ids=["measured", "another"])
def test_what_is_exported_is_the_model_that_the_walk_leaves(folder, pair, circuit, tmp_path, size):
    out, (path, _) = tmp_path / "out", pair
    done = circuit("export", path, "--size", size, "--out", out, *options(folder))
    assert done.code == 0, done.err
    result = read_result(path)
    ids = torch.tensor(
        [[int(word[1:]) for word in (folder / "in/evaluation.txt").read_text().split()][:32]]
    )
    pruned = AutoModelForCausalLM.from_pretrained(out / "pruned").eval()
    with torch.no_grad():
        loss = float(pruned(ids, labels=ids).loss)
    about = json.loads((out / "circuit.json").read_text())
    assert about["agreement"] is None  # there is no sketch
    removed = sum(int((~mask).sum()) for mask in load_file(out / "mask.safetensors").values())
    assert removed == about["size"]["weights_removed"]
    measured = result.points[2].samples["loss"]
    assert (loss == pytest.approx(measured[0], rel=1e-5)) is (size == "0.4")


def test_circuits_are_compared_without_a_rank_correlation(folder, pair, circuit):
    done = circuit("diff", *pair, *options(folder))
    assert done.code == 0, done.err
    assert "accard" in done.out
    assert "pearman" not in done.out
    at_once = run_compression(folder, "lrp", group="row")
    mixed = circuit("diff", pair[0], at_once, *options(folder))
    assert mixed.code == 0, mixed.err
    assert "pearman" not in mixed.out
    line = sentence(circuit("diff", *pair, "--sketch"))
    assert "sketch" in line


def test_scores_for_the_mib_track_are_refused(folder, pair, circuit, tmp_path):
    out = tmp_path / "out"
    asked = ("--size", "0.4", "--out", out, "--mib", "ioi_gpt2", *options(folder))
    line = sentence(circuit("export", pair[0], *asked))
    assert line.startswith("Schedule 'blockwise' scores every size anew")
    assert not out.exists()


# Judging again


class Barred(Aimless):
    """Looks for the largest amount after which enough is still unwanted."""

    name, title = "barred", "Barred"
    bar = Bar("unwanted", 0.3, "Largest that is still unwanted")
    needs_empty = True


@pytest.fixture
def judged(tmp_path, capsys, monkeypatch):
    """Return functions that run the task with the bar, and that judge again."""
    save_model("llama", tmp_path / "llama")
    monkeypatch.setattr(writers, "TASKS", (*writers.TASKS, Barred))

    def run(where: str, **asked: object) -> Path:
        given = {"task": "barred", "unit": "weight", "amounts": "0.3,0.6", "group": "row", **asked}
        return writers.run(tmp_path, tmp_path / where, **given)

    def rejudge(*arguments: object) -> Outcome:
        return sparc3(capsys, "rejudge", *arguments, "--cache", tmp_path / "cache")

    return run, rejudge


@pytest.mark.parametrize("schedule", ["one-shot", "blockwise"])
def test_what_was_found_by_a_bar_is_judged_again(judged, schedule):
    run, rejudge = judged
    path = run("low", schedule=schedule, controls=2)
    before = read_result(path)
    amount = before.found.point.amount.requested
    assert 0 < amount < 1
    assert amount not in before.spec.amounts
    written = read_responses(path, before.responses)
    assert written.at_bar is not None
    new, result = again(rejudge(path, "--judge", "even"))
    # The amount stays that of the first judge; what is there is what the second says of it.
    assert result.found.point.amount == before.found.point.amount
    assert (result.chosen_by, result.spec.judge.name) == (before.spec.judge, "even")
    texts = [text.split() for (text,) in written.at_bar.texts["responses"]]
    scores = [
        sum(word[0] == "w" and int(word[1:]) % 2 == 0 for word in words) / len(words)
        for words in texts
    ]
    assert list(result.found.point.samples["unwanted"]) == pytest.approx(scores)
    assert result.found.point.samples["loss"] == before.found.point.samples["loss"]
    native = read_result(run("even", schedule=schedule, controls=2, judge="even"))
    assert result.points == native.points
    assert result.curve == native.curve
    assert result.points[1].control["unwanted"] != before.points[1].control["unwanted"]
    # Once more with the texts that stand beside the new one.
    _, other = again(rejudge(new, "--judge", "low", "--judge-option", "bar=30"))
    assert other.found.point.amount == before.found.point.amount
    assert other.found.point.samples["unwanted"] != result.found.point.samples["unwanted"]


def test_a_search_that_both_judges_end_alike_gives_the_run_of_the_second(judged, monkeypatch):
    monkeypatch.setattr(Barred, "bar", Bar("unwanted", -1.0, "Anything"))
    run, rejudge = judged
    path = run("low", schedule="blockwise")
    _, result = again(rejudge(path, "--judge", "even"))
    native = read_result(run("even", schedule="blockwise", judge="even"))
    assert result.found.point.amount.requested == 0.999
    assert result.found == native.found
