"""Zero-shot runs on a tiny model: what lm-eval says, kept in parts, cheap when done again."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import zero_shot
from circuits import call
from framing import framed
from lm_eval.api.instance import Instance
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from sparc3_scorers.magnitude import Magnitude
from sparc3_tasks.texts.begin import beginning
from sparc3_tasks.zero_shot import ZeroShot, documents, harness, likelihoods

from sparc3_bench.attribution.scores import checked
from sparc3_bench.host import default_host
from sparc3_bench.model.state import differences, taken
from sparc3_bench.record.files import read_result, write_result
from sparc3_bench.run.place import Place
from sparc3_bench.run.plan import Request, plan
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.run.worker import run_cell
from sparc3_bench.selection.select import select
from sparc3_bench.testing.tiny import (
    make_reference,
    make_tokenizer,
    make_view,
    save_model,
    save_text,
)

AMOUNTS = [0, 0.5]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return a folder with a model, a text and the cache; evaluations are of several batches."""
    save_model("llama", tmp_path / "llama")
    save_text(tmp_path / "text.txt", 200, seed=0)
    monkeypatch.setattr(documents, "ASSETS", zero_shot.save_benchmarks(tmp_path / "cache"))
    monkeypatch.setitem(likelihoods._BATCH, "cpu", likelihoods._Batch(256, 32))
    return tmp_path


def run(folder: Path, cache: str = "cache", **options: object):
    given = {
        "reference_text": folder / "text.txt",
        "reference_windows": 2,
        "reference_length": 16,
        "limit": 0,
        **options,
    }
    request = Request(
        scorers=[("magnitude", [0])],
        task="zero-shot",
        model=str(folder / "llama"),
        amounts=AMOUNTS,
        task_options={name: str(value) for name, value in given.items()},
        dtype="float32",
    )
    (cell,) = plan(request, default_host(), folder / "cache")
    place = Place(folder / cache, Reporter())
    result, _ = run_cell(cell, place, "magnitude")
    return place, result, place.get(DenseModel(cell)).memory


def test_the_result_has_every_benchmark_with_items_and_intervals(folder):
    _, result, _ = run(folder)
    assert result.status == "ok", result.error
    write_result(folder / "one.json", result)
    dense, pruned = read_result(folder / "one.json").points
    assert set(pruned.metrics) == {metric.name for metric in ZeroShot.metrics}
    assert set(pruned.intervals) == set(pruned.metrics)
    assert {len(values) for values in pruned.samples.values()} == {zero_shot.COUNT}
    rights = {kind: values for kind, values in pruned.samples.items() if kind.endswith("/acc")}
    assert len(rights) == 9
    assert pruned.metrics["accuracy"] == pytest.approx(np.mean(list(rights.values())))
    assert dense.metrics["accuracy_change"] == 0
    change = pruned.metrics["accuracy"] - dense.metrics["accuracy"]
    assert pruned.metrics["accuracy_change"] == pytest.approx(change)
    assert result.clusters["hellaswag/acc"] == tuple(place // 2 for place in range(12))
    assert any("not better than guessing on" in warning for warning in result.warnings)
    assert result.environment.packages["lm-eval"]


def test_an_interrupted_evaluation_goes_on_where_it_was(folder, monkeypatch):
    _, whole, _ = run(folder)
    tokens = whole.cost["evaluation"].tokens
    plain = likelihoods.log_likelihoods

    def broken(*arguments):
        yield from itertools.islice(plain(*arguments), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(harness, "log_likelihoods", broken)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "other")
    monkeypatch.setattr(harness, "log_likelihoods", plain)
    place, resumed, memory = run(folder, "other")
    assert 0 < place.passed().tokens < tokens
    assert memory is None
    assert [p.samples for p in resumed.points] == [p.samples for p in whole.points]
    assert resumed.cost["evaluation"].tokens == pytest.approx(tokens, abs=20)


def test_other_benchmarks_and_items_of_the_same_models_cost_only_what_is_new(folder):
    first, *_ = run(folder, benchmarks="boolq,arc_easy", limit=6)
    again, *_ = run(folder, benchmarks="boolq,arc_easy", limit=6)
    assert first.passed().tokens > again.passed().tokens == 0
    fewer, result, _ = run(folder, benchmarks="arc_easy", limit=4)
    assert fewer.passed().tokens == 0
    assert result.cost["evaluation"].tokens > 0
    more, *_ = run(folder, benchmarks="boolq,rte", limit=6)
    alone, *_ = run(folder, "other", benchmarks="rte", limit=6)
    assert 0 < more.passed().tokens == alone.passed().tokens


@pytest.fixture
def tasks(folder):
    return harness.load(list(documents.ASSETS), "local", folder / "cache")


@pytest.mark.parametrize(
    ("architecture", "before"), [("llama", ""), ("opt", ""), ("gpt2", ""), ("llama", "<s>")]
)
def test_scores_are_those_of_lm_evals_own_model_pruned_or_not(tasks, architecture, before):
    view, tokenizer = make_view(architecture), framed(before)
    begin = beginning(tokenizer, "auto")
    assert "".join(begin.tokens) == before

    def check():
        before = taken(view)
        ours = harness.score(view, tokenizer, begin, tasks, lambda done, total: None)
        assert not any(differences(before, taken(view)).values())
        with harness.quiet():
            lm = HFLM(pretrained=view.model, tokenizer=tokenizer, batch_size=1)
            given = {"tasks": {task.task_name: task for task in tasks.values()}}
            theirs = evaluate(lm, given, bootstrap_iters=0)["samples"]
        for name, items in ours.items():
            for one, other in zip(items, theirs[f"sparc3_{name}"], strict=True):
                assert one["arguments"] == other["arguments"]
                for mine, yours in zip(one["resps"], other["resps"], strict=True):
                    assert mine[0][0] == pytest.approx(yours[0][0], abs=2e-5)
                    assert mine[0][1] == yours[0][1]
                names = [metric for metric in one["metrics"] if metric != "perplexity"]
                assert [one[metric] for metric in names] == [other[metric] for metric in names]
        return ours

    dense = check()
    scores = checked(Magnitude().score(view, make_reference()), view.weights(), "magnitude")
    with view.masked(select(scores, 0.5, view)):
        assert check() != dense


def test_texts_and_rolling_likelihoods_are_lm_evals(folder):
    view, tokenizer = make_view("llama"), make_tokenizer()
    ours = harness.InMemory(view, tokenizer, beginning(tokenizer, "auto"), lambda done, total: None)
    theirs = HFLM(pretrained=view.model, tokenizer=make_tokenizer(), batch_size=1)
    text = " ".join(f"w{number}" for number in range(3, 90))
    rolling = [Instance("loglikelihood_rolling", {}, (text,), 0)]
    assert ours.loglikelihood_rolling(rolling, True) == pytest.approx(
        theirs.loglikelihood_rolling(rolling, True), abs=1e-4
    )
    writing = [Instance("generate_until", {}, ("w3 w4 w5", {"until": ["x"], "max_gen_toks": 4}), 0)]
    assert ours.generate_until(writing, True) == theirs.generate_until(writing, True)


def test_of_a_suite_the_rest_goes_on(folder, capsys):
    text = {"reference_text": str(folder / "text.txt"), "reference_length": "16"}
    runs = [
        ("zero-shot", {"benchmarks": "boolq,no-such", "reference_windows": "2", **text}),
        ("zero-shot", {"benchmarks": "boolq", "limit": "4", "reference_windows": "2", **text}),
    ]
    lines = [f'model = "{folder / "llama"}"', 'scorers = ["magnitude"]', "amounts = [0, 0.5]"]
    for task, options in runs:
        lines += ["[[run]]", f'task = "{task}"', "[run.task_options]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    (folder / "suite.toml").write_text("\n".join(lines))
    where = ("--results", folder / "results", "--cache", folder / "cache")
    assert call("run", "--suite", folder / "suite.toml", "--dtype", "float32", *where) == 1
    error = capsys.readouterr().err
    assert error.count("Task 'zero-shot' is not run: Unknown benchmark 'no-such'") == 2
    (path,) = (folder / "results").rglob("*.json")
    assert read_result(path).status == "ok"
