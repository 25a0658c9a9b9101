"""The compression task: texts found, cut and guarded; losses and divergences as defined."""

from __future__ import annotations

import json
import math

import pytest
import torch
from sparc3_tasks.compression import Compression
from sparc3_tasks.texts import sources
from sparc3_tasks.texts import windows as data
from torch.nn import functional

from sparc3_bench import Batch, Sparc3Error
from sparc3_bench.selection.select import select
from sparc3_bench.testing.tiny import make_tokenizer, make_view, save_text
from sparc3_bench.types.scores import ScoreMap


def make_task(tmp_path, **options) -> Compression:
    texts = {
        f"{purpose}_text": str(save_text(tmp_path / f"{purpose}.txt", 300, seed))
        for seed, purpose in enumerate(("reference", "evaluation"))
    }
    lengths = {"reference_length": 16, "evaluation_length": 16}
    windows = {"reference_windows": 4, "evaluation_windows": 4}
    return Compression(**{**texts, **lengths, **windows, **options})


def test_windows_do_not_overlap_and_the_short_rest_is_dropped(tmp_path):
    text = sources.Text("words", " ".join(f"w{index}" for index in range(3, 40)))
    windows = data.Cutter(make_tokenizer(), tmp_path).cut(text, length=10, count=3)
    assert windows == [list(range(3, 13)), list(range(13, 23)), list(range(23, 33))]


def test_the_reference_is_drawn_by_seed_and_the_evaluation_is_spread():
    windows = [[index] for index in range(100)]
    assert data.drawn(windows, 5, seed=1) == data.drawn(windows, 5, seed=1)
    assert data.drawn(windows, 5, seed=1) != data.drawn(windows, 5, seed=2)
    assert data.spread(windows, 4) == [[0], [25], [50], [75]]


def test_the_tags_of_the_articles_are_stripped(tmp_path):
    text = '<doc id="1" url="x" title="y">\nTitle\n\nBody a < b.\n\n</doc>\n'
    assert sources._without_tags(text) == "Title\n\nBody a < b.\n\n"


def test_overlap_is_the_share_of_the_evaluations_ngrams_that_the_reference_has():
    assert data.overlap([[1, 2, 3, 4]], [[2, 3, 4, 5]], size=2) == pytest.approx(2 / 3)
    assert data.overlap([[1, 2, 3, 4]], [[4, 3, 2, 1]], size=2) == 0


def test_a_data_set_is_read_through_datasets(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [{"body": "w3 w4"}, {"body": "w5"}]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = sources.read_text(f"hf:{folder}::test:body", tmp_path)
    assert text.content == "w3 w4\n\nw5"


def test_a_file_of_a_data_set_is_read_alone(tmp_path):
    folder = tmp_path / "set" / "en"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / f"{name}.jsonl").write_text(json.dumps({"text": f"{name} w3"}) + "\n")
    name = f"hf:{tmp_path / 'set'}:en/two.jsonl:train"
    assert sources.read_text(name, tmp_path).content == "two w3"
    assert list(sources.read_documents(name, tmp_path).rows) == ["two w3"]


def test_documents_are_cropped_at_random_and_come_in_turn():
    tokenizer = make_tokenizer()
    rows = [" ".join(f"w{n}" for n in range(start, start + 30)) for start in (3, 33, 63)]
    documents = sources.Documents("rows", [*rows, "w3 w4"])
    drawn = [data.cropped(documents, tokenizer, 10, 6, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    for windows in drawn:
        assert all(w == list(range(w[0], w[0] + 10)) for w in windows)
        for turn in (windows[:3], windows[3:]):
            assert sorted((w[0] - 3) // 30 for w in turn) == [0, 1, 2]
    many = data.cropped(documents, tokenizer, 29, 60, 0)
    assert {(w[0] - 3) % 30 for w in many} == {0}
    assert len({w[0] for w in data.cropped(documents, tokenizer, 10, 60, 0)}) > 20
    with pytest.raises(Sparc3Error, match="No document of rows has more than 30 tokens"):
        data.cropped(documents, tokenizer, 30, 1, 0)


def test_digest_of_documents_tells_where_one_ends():
    digests = {
        sources.Documents("rows", rows).digest for rows in (["ab", "c"], ["a", "bc"], ["abc"])
    }
    assert len(digests) == 3


def test_the_reference_may_be_parts_of_documents_and_the_evaluation_everything(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(" ".join([f"w{n}"] * 40) for n in range(3, 9)))
    task = make_task(
        tmp_path, reference_text=str(path), reference_draw="documents", evaluation_windows=0
    )
    prepared = task.prepare(make_tokenizer(), "tiny", tmp_path, seed=0)
    assert all(len(set(window)) == 1 for window in prepared.reference.rows)
    assert len({window[0] for window in prepared.reference.rows}) == 4
    assert len(prepared.evaluation.rows) == 300 // 16
    reference, evaluation = prepared.datasets
    assert reference.choice == "parts of documents, drawn at random, seed 0"
    assert (reference.source, evaluation.windows) == ("lines.txt", 18)


@pytest.mark.parametrize("seed", [0, 1])
def test_of_a_nested_draw_fewer_windows_are_the_first_of_more(tmp_path, seed):
    path = tmp_path / "long.txt"
    path.write_text(" ".join(f"w{3 + n * n % 90}" for n in range(400)))
    cutter, asked = data.Cutter(make_tokenizer(), tmp_path), (str(path), "nested", 4)
    whole = cutter.reference(*asked, 100, seed).rows
    for count in (1, 2, 5, 6, 21, 64, 99):
        fewer = cutter.reference(*asked, count, seed)
        assert fewer.rows == whole[:count]
        assert fewer.record.choice == f"the first of all windows in random order, seed {seed}"
    other = cutter.reference(*asked, 100, 2).rows
    assert sorted(whole) == sorted(other)
    assert whole != other


def test_the_usual_draw_is_what_it_was():
    windows = [[index] for index in range(100)]
    assert data.drawn(windows, 6, seed=0) == [[49], [97], [53], [5], [33], [65]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"evaluation_windows": 0, "evaluation_length": 301}, "0 windows of 301; 1 are needed"),
        ({"evaluation_text": "nowhere.txt"}, "is not one of c4, wikipedia, no local file"),
        (
            {"evaluation_length": 200, "evaluation_windows": 2},
            "make 1 windows of 200; 2 are needed",
        ),
    ],
)
def test_bad_text_is_refused_in_one_sentence(tmp_path, options, said):
    with pytest.raises(Sparc3Error, match=said):
        make_task(tmp_path, **options).prepare(make_tokenizer(), "tiny", tmp_path, seed=0)


def test_the_same_text_for_both_is_refused_or_warned_of(tmp_path):
    same = str(save_text(tmp_path / "same.txt", 64, seed=5))
    texts = {"reference_text": same, "evaluation_text": same}
    with pytest.raises(Sparc3Error, match="of the evaluation text's 13-grams"):
        make_task(tmp_path, **texts).prepare(make_tokenizer(), "tiny", tmp_path, seed=0)
    allowed = make_task(tmp_path, **texts, allow_overlap=True)
    prepared = allowed.prepare(make_tokenizer(), "tiny", tmp_path, seed=0)
    assert "100.0% of the evaluation text's 13-grams" in prepared.warnings[0]


def test_the_record_says_what_was_used(tmp_path):
    prepared = make_task(tmp_path).prepare(make_tokenizer(), "tiny", tmp_path, seed=7)
    reference, evaluation = prepared.datasets
    assert (reference.purpose, evaluation.purpose) == ("reference", "evaluation")
    assert (reference.windows, reference.window_length, reference.tokens) == (4, 16, 64)
    assert "seed 7" in reference.choice
    other = make_task(tmp_path).prepare(make_tokenizer(), "tiny", tmp_path, seed=8)
    assert other.datasets[0].token_digest != reference.token_digest
    assert other.datasets[1] == evaluation


def test_the_record_names_a_local_text_without_its_folder(tmp_path):
    options = make_task(tmp_path).options()
    assert options["reference_text"] == "reference.txt"
    assert Compression().options()["reference_text"] == "c4"


def test_an_option_that_came_later_is_recorded_where_it_is_not_as_it_was():
    assert "divergence_every" not in Compression().options()
    assert Compression(divergence_every=4).options()["divergence_every"] == 4


@pytest.mark.parametrize(("architecture", "every"), [("llama", 1), ("opt", 1), ("gpt2", 4)])
def test_loss_and_divergence_are_those_of_the_full_distributions(tmp_path, architecture, every):
    view, task = make_view(architecture), make_task(tmp_path, divergence_every=every)
    prepared = task.prepare(make_tokenizer(), "tiny", tmp_path, seed=0)
    dense = prepared.evaluate(view, None, lambda done, total: None)
    weights = {name: weight.matrix.abs().contiguous() for name, weight in view.weights().items()}
    keep = select(ScoreMap(weights), 0.5, view)
    with view.masked(keep):
        pruned = prepared.evaluate(view, dense, lambda done, total: None)

    def log_probabilities(window):
        ids = torch.tensor([window])
        with torch.no_grad():
            logits = view.forward(Batch(ids, torch.ones_like(ids)))
        return functional.log_softmax(logits[0, :-1].double(), dim=-1)

    for index, window in enumerate(prepared.evaluation.rows):
        q = log_probabilities(window)
        with view.masked(keep):
            p = log_probabilities(window)
        labels = torch.tensor(window[1:])
        loss = -p[torch.arange(len(labels)), labels].mean()
        divergence = (q.exp() * (q - p)).sum(-1)[index % every :: every].mean()
        assert pruned.samples["loss"][index] == pytest.approx(float(loss), rel=1e-5)
        assert pruned.samples["kl"][index] == pytest.approx(float(divergence), rel=1e-4)
    means = {name: sum(values) / len(values) for name, values in pruned.samples.items()}
    metrics = Compression().point_metrics(means, means, None)
    assert metrics["perplexity"] == pytest.approx(math.exp(means["loss"]))
    assert metrics["kl"] == means["kl"]
    assert dense.samples["kl"] == [0.0] * 4
