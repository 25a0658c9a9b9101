"""On the real benchmarks: lm-eval's very requests, and the very scores of its own command line."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from sparc3_tasks.texts.begin import beginning
from sparc3_tasks.zero_shot import documents, harness
from sparc3_tasks.zero_shot.benchmarks import BENCHMARKS
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from sparc3_bench import ModelView
from sparc3_bench.host import default_host
from sparc3_bench.testing.tiny import make_model

pytestmark = pytest.mark.real

COUNTS = {
    "boolq": 3270,
    "rte": 277,
    "hellaswag": 10042,
    "winogrande": 1267,
    "arc_easy": 2376,
    "arc_challenge": 1172,
    "openbookqa": 500,
    "piqa": 1838,
    "lambada_openai": 5153,
}
"""Documents of the parts that lm-eval scores, as the hub has them."""

ITEMS = 4
"""Of each benchmark, for the command line."""


@pytest.fixture(scope="module")
def tasks(cache) -> dict[str, Any]:
    return harness.load(list(BENCHMARKS), "local", cache)


@pytest.fixture(scope="module")
def folder(cache, tmp_path_factory) -> Path:
    """Return a folder with a small random model that reads real text."""
    from sparc3_adapters.smollm2 import SmolLm2

    tokenizer = AutoTokenizer.from_pretrained(SmolLm2().fetch(cache))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    )
    folder = tmp_path_factory.mktemp("zero-shot") / "model"
    make_model("llama", config=config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_every_document_is_there(tasks):
    assert {name: len(task.eval_docs) for name, task in tasks.items()} == COUNTS


@pytest.mark.parametrize("name", BENCHMARKS)
def test_requests_metrics_and_versions_are_those_of_lm_evals_own_task(tasks, cache, name):
    rows = documents.read(name, cache)
    places = sorted(random.Random(name).sample(range(len(rows)), 40))
    raw = Dataset.from_list([rows[place] for place in places])
    manager = harness._hub()
    theirs = manager._factory.build(
        manager.task_index[name],
        overrides={
            "custom_dataset": lambda **_: dict.fromkeys(("train", "validation", "test"), raw)
        },
        registry=manager.task_index,
    )
    ours = tasks[name]
    theirs.set_config("num_fewshot", 0)
    with harness.quiet():
        theirs.build_all_requests()
        ours.build_all_requests(samples=places)
    assert [one.args for one in ours.instances] == [one.args for one in theirs.instances]
    kinds = {one.request_type for one in (*ours.instances, *theirs.instances)}
    assert kinds == {"loglikelihood"}
    assert ours.aggregation() == theirs.aggregation()
    assert set(ours.aggregation()) == set(BENCHMARKS[name].metrics)
    assert ours.higher_is_better() == theirs.higher_is_better()
    assert ours.VERSION == theirs.VERSION
    # The right answer: what is scored when one continuation after the other is the likeliest.
    choices = len(ours.instances) // len(places)
    mine = ours.eval_docs.select(places)
    for likeliest in range(choices):
        said = [(-1.0 * (choice != likeliest), True) for choice in range(choices)]
        for own, other in zip(mine, theirs.eval_docs, strict=True):
            assert ours.process_results(own, said) == theirs.process_results(other, said)


def test_scores_are_those_of_lm_evals_command_line(tasks, folder, cache, tmp_path):
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--device", "cpu"]
    command += ["--model_args", f"pretrained={folder},dtype=float32", "--batch_size", "3"]
    command += ["--include_path", str(harness.CONFIGS), "--limit", str(ITEMS), "--log_samples"]
    command += ["--tasks", ",".join(f"sparc3_{name}" for name in BENCHMARKS)]
    done = subprocess.run(
        [*command, "--output_path", str(tmp_path)],
        env={**os.environ, "SPARC3_CACHE": str(cache), "TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (written,) = tmp_path.rglob("results_*.json")
    printed = json.loads(written.read_text())["results"]
    logged = {
        name: [
            json.loads(line)
            for line in next(tmp_path.rglob(f"samples_sparc3_{name}_*.jsonl"))
            .read_text()
            .split("\n")
            if line
        ]
        for name in BENCHMARKS
    }
    first = {}
    for name, task in tasks.items():
        first[name] = task.dataset["test"]
        task.dataset["test"] = first[name].select(range(ITEMS))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    view = ModelView(model, default_host().get("adapter", "llama").cls())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    try:
        ours = harness.score(
            view, tokenizer, beginning(tokenizer, "auto"), tasks, lambda done, total: None
        )
    finally:
        for name, task in tasks.items():
            task.dataset["test"] = first[name]
    for name, items in ours.items():
        theirs = sorted(logged[name], key=lambda one: one["doc_id"])
        assert len(items) == len(theirs) == ITEMS
        for metric in BENCHMARKS[name].metrics:
            mine = [one[metric] for one in items]
            told = printed[f"sparc3_{name}"][f"{metric},none"]
            if metric == "perplexity":
                assert mine == pytest.approx([one[metric] for one in theirs], abs=1e-4)
                value = tasks[name].aggregation()[metric](mine)
                assert value == pytest.approx(told, rel=1e-5)
            else:
                assert mine == [one[metric] for one in theirs]
                assert sum(mine) / ITEMS == told
        for one, other in zip(items, theirs, strict=True):
            for (likelihood, greedy), said in zip(
                [answer for (answer,) in one["resps"]], other["filtered_resps"], strict=True
            ):
                assert likelihood == pytest.approx(float(said[0]), abs=1e-4)
                assert str(greedy) == said[1]
