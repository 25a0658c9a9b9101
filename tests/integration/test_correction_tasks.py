"""Both corrections from prompts to result on a tiny model: numbers by hand, parts, references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from integration.correcting import (
    CONTROL,
    COUNTS,
    LAST_WORDS,
    NEUTRAL,
    TASKS,
    evenness,
    made,
    made_up,
    run,
)
from sparc3_tasks.correction import texts
from sparc3_tasks.correction.generation import respond
from sparc3_tasks.correction.looping import RepetitionCorrection
from sparc3_tasks.correction.toxicity import ToxicityCorrection
from torch import Tensor
from unit.results import in_memory

from sparc3_bench import ModelView
from sparc3_bench.record.checks import problems
from sparc3_bench.record.files import read_result, write_result
from sparc3_bench.record.result import Result
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.place import Place
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.responses import Written
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.steps.rank import Rank
from sparc3_bench.selection.select import as_mask, choose

SIDE = {"kl", "last_word", "response_perplexity"}
BOTH = pytest.mark.parametrize("task", TASKS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    with made_up(tmp_path_factory.mktemp("correction")) as folder:
        yield folder


Made = dict[str, tuple[Cell, Result, Written]]


@pytest.fixture(scope="module")
def results(folder) -> Made:
    """Return a run of each task."""
    cells = {
        "toxicity-correction": made(
            folder, "toxicity-correction", task_options={"samples": 2}, controls=2
        ),
        "repetition-correction": made(folder, "repetition-correction", "lrp", controls=2),
    }
    return {task: (cell, *run(cell, folder / "cache")) for task, cell in cells.items()}


def silent(done: int, total: int) -> None:
    pass


def mean(values: object) -> float:
    return float(np.mean(values))


@BOTH
def test_result_is_whole_and_valid(results, task, tmp_path):
    _, result, _ = results[task]
    assert (result.status, result.error) == ("ok", None)
    assert problems(result) == []
    path = tmp_path / f"x--{result.key}.json"
    write_result(path, result)
    assert in_memory(read_result(path)) == result
    assert (result.spec.judge is None) is (TASKS[task] is None)
    assert (result.responses is None) is (TASKS[task] is None)


@BOTH
def test_declared_metrics_are_those_of_every_point_of_the_test_part(results, task):
    _, result, _ = results[task]
    cls = {c.name: c for c in (ToxicityCorrection, RepetitionCorrection)}[task]
    names = [metric.name for metric in cls.metrics]
    assert [metric.name for metric in result.metrics] == names
    for point in result.points:
        assert sorted(point.metrics) == sorted(point.intervals) == sorted(names)
    beside = SIDE | ({"neutral_toxicity"} if task == "toxicity-correction" else set())
    for point in (*result.points, result.found.point):
        assert set(point.control) == set(names) - beside
    assert all(set(one.metrics) == set(names) - beside for one in result.tried)
    assert result.found.metric == names[0]


@BOTH
def test_changes_of_the_dense_model_are_zero(results, task):
    _, result, _ = results[task]
    dense = result.points[0]
    changes = ["perplexity_increase", "distinct_2_loss", "kl", result.found.metric]
    for name in changes:
        assert dense.metrics[name] == 0
        assert dense.intervals[name] == (0, 0)
        assert dense.control.get(name, (0, 0)) == (0, 0)
    assert all(one.metrics[result.found.metric] == 0 for one in result.tried if not one.requested)


@BOTH
def test_numbers_of_prompts_are_those_asked_for(results, task):
    _, result, _ = results[task]
    counts = {"last_word": LAST_WORDS, "kl": NEUTRAL, "loss": 3, "neutral_toxicity": NEUTRAL}
    for point in result.points:
        for name, values in point.samples.items():
            assert len(values) == counts.get(name, COUNTS["test"]), name
    assert set(result.clusters) == set(result.points[0].samples) - set(counts)
    assert all(len(set(ids)) == COUNTS["test"] for ids in result.clusters.values())


def removing(place: Place, cell: Cell, result: Result, index: int) -> dict[str, Tensor]:
    """Return what is kept at a point, from the scores that are in the cache."""
    ranking = place.get(Rank(cell, result.candidate))
    amount = result.spec.amounts[index]
    return choose(ranking, amount, unit="neuron", group="model", kind="count")


def loss(view: ModelView, prompt: list[int], response: list[int]) -> float:
    with torch.no_grad():
        logits = view.model(input_ids=torch.tensor([[*prompt, *response]])).logits[0]
    rows = logits.double().log_softmax(-1)[len(prompt) - 1 :]
    return -sum(float(rows[place, token]) for place, token in enumerate(response))


@BOTH
@pytest.mark.parametrize("index", [0, 2])
def test_points_are_what_the_pruned_model_writes_and_does_by_hand(folder, results, task, index):
    cell, result, _ = results[task]
    place = Place(folder / "cache", Reporter())
    view, point = place.get(DenseModel(cell)), result.points[index]
    asked, sampling = cell.prepared.ids["test"], cell.prepared.task.sampling
    neutral = cell.prepared.side.neutral

    def rows() -> list[Tensor]:
        with torch.no_grad():
            every = [view.model(input_ids=torch.tensor([ids])).logits[0] for ids in neutral]
        return [logits.double().log_softmax(-1) for logits in every]

    dense = rows()
    keep = as_mask(removing(place, cell, result, index), view, "neuron")
    with view.masked(keep):
        written = respond(view, asked, sampling, silent, 3)
        answers = respond(view, neutral, sampling, silent, 3)
        here = rows()
        windows = cell.prepared.windows
        losses = [loss(view, w[:1], w[1:]) / (len(w) - 1) for w in windows]
    found = point.samples
    assert found["loss"] == pytest.approx(losses, rel=1e-4)
    assert found["tokens"] == pytest.approx([mean([len(r) for r in some]) for some in written])
    assert found["empty"] == pytest.approx([mean([not r for r in some]) for some in written])
    for n in (1, 2, 3):
        expected = [mean([texts.distinct(r, n) for r in some]) for some in written]
        assert found[f"distinct_{n}"] == pytest.approx(expected)
    nats = [loss(view, list(p), some[0]) for p, some in zip(asked, written, strict=True)]
    assert found["nats"] == pytest.approx(nats, rel=1e-3, abs=1e-3)
    assert found["nat_tokens"] == tuple(len(some[0]) for some in written)
    kl = [float((p.exp() * (p - q)).sum(1).mean()) for p, q in zip(dense, here, strict=True)]
    assert found["kl"] == pytest.approx(kl, rel=1e-3, abs=1e-6)
    if task == "repetition-correction":
        expected = [texts.distinct(*some, 1) for some in written]
        assert found["uniqueness"] == pytest.approx(expected)
        assert found["seq_rep_4"] == pytest.approx([texts.seq_rep(*some) for some in written])
        repeats = [texts.longest_repeat(*some) for some in written]
        assert found["longest_repeat"] == pytest.approx(repeats)
        onsets = [texts.loop_onset(*some) / max(len(*some), 1) for some in written]
        assert found["loop_onset"] == pytest.approx(onsets)
    else:
        prepared = cell.prepared
        for kind, ids in (("toxicity", written), ("neutral_toxicity", answers)):
            scores = [mean([evenness(t) for t in some]) for some in prepared.texts(ids)]
            assert found[kind] == pytest.approx(scores)


@BOTH
def test_removing_neurons_changes_what_is_written_and_measured(results, task):
    _, result, _ = results[task]
    dense, *rest = result.points
    for point in rest:
        assert point.metrics["kl"] > 0.01
        for name in (result.found.metric, "perplexity", "response_perplexity"):
            assert point.metrics[name] != dense.metrics[name]
        assert point.samples["nats"] != dense.samples["nats"]


@BOTH
def test_metrics_follow_from_the_means_of_samples(results, task):
    _, result, _ = results[task]
    dense = {name: mean(values) for name, values in result.points[0].samples.items()}
    for point in result.points:
        here = {name: mean(values) for name, values in point.samples.items()}
        found = point.metrics
        assert found["perplexity"] == pytest.approx(np.exp(here["loss"]))
        increase = np.exp(here["loss"]) / np.exp(dense["loss"]) - 1
        assert found["perplexity_increase"] == pytest.approx(increase, abs=1e-9)
        lost = (dense["distinct_2"] - here["distinct_2"]) / dense["distinct_2"]
        assert found["distinct_2_loss"] == pytest.approx(lost, abs=1e-9)
        per_token = sum(point.samples["nats"]) / sum(point.samples["nat_tokens"])
        assert found["response_perplexity"] == pytest.approx(np.exp(per_token))
        name = {"toxicity-correction": "toxicity"}.get(task, "uniqueness")
        assert found[f"{name}_change"] == pytest.approx(here[name] - dense[name], abs=1e-9)
        for plain in ("distinct_1", "distinct_3", "kl", "last_word", "tokens", "empty", name):
            assert found[plain] == pytest.approx(here[plain])


def test_toxicity_is_what_the_judge_says_of_the_texts_that_are_kept(results):
    _, result, written = results["toxicity-correction"]
    assert len({point.texts["responses"] for point in written.points}) == 3
    for point, kept in zip(result.points, written.points, strict=True):
        scores = [[evenness(text) for text in some] for some in kept.texts["responses"]]
        assert {len(some) for some in scores} == {2}
        worst = [max(some) for some in scores]
        assert point.metrics["toxicity"] == pytest.approx(mean(scores))
        assert point.metrics["worst_toxicity"] == pytest.approx(mean(worst))
        toxic = [score >= 0.5 for score in worst]
        assert point.metrics["toxic"] == pytest.approx(mean(toxic))
        assert 0 < mean(toxic) < 1
    for drawn in written.controls:
        assert {len(one.texts["responses"]) for one in drawn} == {CONTROL}
    for one, score in zip(written.paired, result.found.point.control["toxicity"], strict=True):
        every = [evenness(text) for some in one.texts["responses"] for text in some]
        assert len(every) == 2 * COUNTS["test"]
        assert score == pytest.approx(mean(every))


@BOTH
def test_choice_is_among_all_contrasts_and_better_than_the_dense_model(results, task):
    _, result, _ = results[task]
    contrasts = ["difference", "unit-mass", "t-statistic", "set-difference"]
    tried = [(name, amount) for name in contrasts for amount in (0, 6, 30)]
    assert [(one.candidate, one.requested) for one in result.tried] == tried
    sign = {"toxicity-correction": 1, "repetition-correction": -1}[task]
    best = min(sign * one.metrics[result.found.metric] for one in result.tried)
    assert best < 0
    (chosen,) = [
        one
        for one in result.tried
        if (one.candidate, one.requested) == (result.candidate, result.found.point.amount.requested)
    ]
    assert sign * chosen.metrics[result.found.metric] == best
    assert result.found.versus is not None
    limits = {"perplexity_increase", "distinct_2_loss"}
    assert set(result.found.limits) == (limits if sign == 1 else {"perplexity_increase"})
    (told,) = result.warnings
    assert told.startswith(f"{told.split()[0]} of 16 attribution prompts have a response that")


@BOTH
def test_parts_are_disjoint_or_nested_as_the_card_says(folder, results, task):
    prepared = results[task][0].prepared
    ids = prepared.ids
    assert {part: len(some) for part, some in ids.items()} == COUNTS
    every = [prompt.text for some in prepared.chosen.values() for prompt in some]
    assert len(set(every)) == len(every) == sum(COUNTS.values())
    asked = {name: prepared.part(name).asked for name in ("test", "selection", "control", "paired")}
    assert asked["test"] == asked["paired"] == ids["test"]
    assert asked["selection"] == ids["selection"]
    assert asked["control"] == [ids["test"][index] for index in (0, 2, 4, 6)]
    assert prepared.part("test") is prepared
    sides = {name: prepared.part(name).side for name in asked}
    assert [name for name, side in sides.items() if side is not None] == ["test"]
    for some in prepared.chosen.values():
        assert abs(sum(prompt.kind == "kind 0" for prompt in some) - len(some) / 2) <= 0.5
    assert [d.purpose for d in prepared.datasets] == [
        *("reference", "selection", "evaluation", "neutral", "last-word", "general", "reference")
    ]
    other = made(folder, task, seed=1).prepared
    assert (other.ids["test"], other.ids["selection"]) == (ids["test"], ids["selection"])
    assert other.ids["reference"] != ids["reference"]
    assert replace(other, seed=0).windows == prepared.windows
