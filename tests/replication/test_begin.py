"""What stands before a window: losses, labels and prompts against a plain forward with it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from framing import framed
from sparc3_tasks.attribution_sanity import AttributionSanity
from sparc3_tasks.compression import Compression
from sparc3_tasks.correction import measure
from sparc3_tasks.correction.prepared import general_samples
from sparc3_tasks.correction.references import Undesired
from sparc3_tasks.ioi_circuit import IoiCircuit
from sparc3_tasks.texts.begin import Beginning, beginning
from sparc3_tasks.texts.losses import measure_windows
from transformers import PreTrainedTokenizerFast
from unit.test_correction_references import TEXT, prepared

from sparc3_bench import Sparc3Error, find_objective
from sparc3_bench.testing.tiny import make_tokenizer, make_view, save_text

FIRST = {"auto": [1], "none": []}
"""The tokens that stand before a window by `begin`, for `framed("<s>")`."""

PROMPT = {"prompt": "w3 w10 w11", "io": "w10", "s": "w11", "corrupted": "w3 w12 w13"}


def texts(folder: Path) -> dict[str, Any]:
    names = ("reference_text", "evaluation_text")
    return {name: str(save_text(folder / name, 300, seed)) for seed, name in enumerate(names)}


def sizes(count: int, length: int) -> dict[str, int]:
    return {
        f"{kind}_{what}": number
        for kind in ("reference", "evaluation")
        for what, number in (("windows", count), ("length", length))
    }


def logarithms(view: Any, first: list[int], window: list[int]) -> torch.Tensor:
    """Return the log-probability of every token of a window but its first one, behind `first`."""
    with torch.no_grad():
        logits = view.model(input_ids=torch.tensor([[*first, *window]])).logits[0]
    found = logits.double().log_softmax(-1)[len(first) : -1]
    return found[torch.arange(len(window) - 1), torch.tensor(window[1:])]


@pytest.mark.parametrize(
    ("tokenizer", "found"),
    [
        (make_tokenizer(), ()),
        (framed("<s>"), ("<s>",)),
        (framed("<s>", "</s>"), ("<s>",)),
        (framed("", "</s>"), ()),
        (framed("<s> w5"), ("<s>", "w5")),
    ],
)
def test_the_beginning_is_what_the_tokenizer_puts_before_a_text(tokenizer, found):
    begin = beginning(tokenizer, "auto")
    assert begin.tokens == found
    assert begin.ids == tuple(tokenizer.convert_tokens_to_ids(list(found)))
    assert begin.encode(tokenizer, "w7 w8") == (*begin.ids, 7, 8)
    # A prompt that has it already does not get it twice.
    assert begin.encode(tokenizer, " ".join([*found, "w7"])) == (*begin.ids, 7)
    assert beginning(tokenizer, "none") == Beginning()


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
def test_perplexity_is_that_of_a_plain_forward_over_the_same_tokens(tmp_path, architecture):
    view, found, records = make_view(architecture), {}, {}
    for begin, first in FIRST.items():
        task = Compression(**texts(tmp_path), **sizes(4, 16), begin=begin)
        made = task.prepare(framed("<s>"), "tiny", tmp_path, 0)
        dense = made.evaluate(view, None, lambda done, total: None)
        assert all(len(window) == 16 and 1 not in window for window in made.evaluation.rows)
        losses = [-float(logarithms(view, first, w).mean()) for w in made.evaluation.rows]
        assert dense.samples["loss"] == pytest.approx(losses, rel=1e-5)
        mean = {"loss": sum(losses) / 4, "kl": 0.0}
        found[begin] = task.point_metrics(mean, mean, None)["perplexity"]
        assert found[begin] == pytest.approx(math.exp(sum(losses) / 4))
        again = made.evaluate(view, dense, lambda done, total: None)
        assert again.samples["kl"] == pytest.approx([0.0] * 4, abs=1e-6)
        records[begin] = made.datasets
    assert abs(found["auto"] / found["none"] - 1) > 1e-3
    for with_it, without in zip(records["auto"], records["none"], strict=True):
        assert (with_it.begin, without.begin) == (("<s>",), ())
        assert with_it.model_copy(update={"begin": ()}) == without


@pytest.mark.parametrize(
    "objective", ["label-log-probability", "label-logit", "argmax-logit", "loss"]
)
def test_an_objective_counts_the_same_labels_behind_the_beginning(tmp_path, objective):
    view = make_view("llama")
    for begin, first in FIRST.items():
        task = Compression(**texts(tmp_path), **sizes(3, 12), begin=begin)
        made = task.prepare(framed("<s>"), "tiny", tmp_path, 0)
        reference = made.references(objective)["task"]
        assert list(reference.samples) == [[*first, *window] for window in made.reference.rows]
        for window, batch in zip(made.reference.rows, reference.batches(), strict=True):
            asked = batch.labels[batch.labels >= 0]
            assert asked.tolist() == window[1:]
            with torch.no_grad():
                logits = view.model(input_ids=batch.input_ids).logits
            behind = logits[0, len(first) : -1]
            expected = {
                "label-log-probability": logarithms(view, first, window).sum(),
                "label-logit": behind[torch.arange(11), asked].sum(),
                "argmax-logit": behind.amax(-1).sum(),
                "loss": -logarithms(view, first, window).mean(),
            }[objective]
            value = find_objective(objective)(logits, batch)
            assert float(value) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("begin", FIRST)
def test_permuted_labels_stand_where_the_labels_stood(tmp_path, begin):
    view = make_view("llama")
    task = AttributionSanity(**texts(tmp_path), **sizes(3, 12), begin=begin)
    made = task.prepare(framed("<s>"), "tiny", tmp_path, 0)
    labels = made.references("label-log-probability")["labels"]
    asked = []
    for sample, batch in zip(labels.samples, labels.batches(), strict=True):
        assert len(sample) == len(FIRST[begin]) + 12
        with torch.no_grad():
            logits = view.model(input_ids=batch.input_ids).logits
        found = logits[0].log_softmax(-1)[len(FIRST[begin]) : -1]
        targets = batch.targets[0]
        expected = found[torch.arange(11), targets].sum()
        assert float(labels.objective(logits, batch)) == pytest.approx(float(expected), rel=1e-5)
        asked += targets.tolist()
    assert sorted(asked) == sorted(token for window in made.reference.rows for token in window[1:])
    losses = made.evaluate(view, None, lambda done, total: None).samples["loss"]
    expected = [-float(logarithms(view, FIRST[begin], w).mean()) for w in made.evaluation.rows]
    assert losses == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("begin", FIRST)
def test_prompts_and_general_text_of_ioi_begin_alike(tmp_path, begin):
    rows = {
        part: {**PROMPT, "prompt": f"w{n} w10 w11"} for n, part in enumerate(("a", "b", "c"), 3)
    }
    files = {}
    for part, name in zip(("reference", "selection", "test"), rows, strict=True):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps(rows[name]))
        files |= {f"{part}_prompts": str(path), f"{part}_count": 1}
    general = str(save_text(tmp_path / "general.txt", 100, 0))
    task = IoiCircuit(
        **files,
        control_count=1,
        general_text=general,
        general_windows=2,
        general_length=9,
        begin=begin,
    )
    made = task.prepare(framed("<s>", "</s>"), "tiny", tmp_path, 0)
    first = FIRST[begin]
    assert [prompt.ids for prompt in made.test] == [(*first, 5, 10, 11)]
    assert [prompt.corrupted for prompt in made.test] == [(*first, 3, 12, 13)]
    assert [record.begin for record in made.datasets] == [("<s>",) if first else ()] * 4
    assert [record.window_length for record in made.datasets] == [3, 3, 3, 9]
    view = make_view("llama")
    losses = measure_windows(view, made.general.rows, made.general.begin.ids)
    expected = [-float(logarithms(view, first, window).mean()) for window in made.general.rows]
    assert losses == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("general", ["matched", "windows", "both"])
def test_general_samples_of_a_correction_begin_like_its_prompts(general):
    begin = Beginning((1,), ("<s>",))
    options = {"general": general, "general_windows": 3, "general_length": 8}
    undesired = Undesired([((1, 3, 4), (20, 21)), ((1, 5), (22,))], "")
    samples, starts = general_samples(prepared(begin=begin, **options), undesired)
    plain = Undesired([((3, 4), (20, 21)), ((5,), (22,))], "")
    without, places = general_samples(prepared(**options), plain)
    assert samples == [[1, *sample] for sample in without]
    # A response begins one further on; of a whole window the second token is the first label.
    assert starts == [max(place, 1) + 1 for place in places]
    assert set().union(*without) <= set(TEXT)


def test_losses_of_a_correction_are_of_the_same_tokens():
    view = make_view("llama")
    windows = [[5, 10, 11, 6, 11, 7], [9, 30, 31, 6]]
    for first in FIRST.values():
        expected = [-float(logarithms(view, first, window).mean()) for window in windows]
        assert measure.window_losses(view, windows, first) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("begin", FIRST)
def test_lm_eval_asks_behind_the_beginning_once_and_never_behind_an_end(begin):
    pytest.importorskip("lm_eval")
    from sparc3_tasks.zero_shot.harness import InMemory

    tokenizer, first = framed("<s>", "</s>"), FIRST[begin]
    model = InMemory(make_view("llama"), tokenizer, beginning(tokenizer, begin), lambda *a: None)
    assert model._encode_pair("w3 w4", " w5 w6") == ([*first, 3, 4], [5, 6])
    assert model._encode_pair("<s> w3", " w5") == ([1, 3], [5])
    assert model.tok_encode("w3", add_special_tokens=False) == [3]


def test_without_bos_and_eos_only_an_item_without_a_context_is_refused():
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from sparc3_tasks.zero_shot.harness import InMemory

    plain = PreTrainedTokenizerFast(
        tokenizer_object=make_tokenizer().backend_tokenizer, unk_token="<unk>"
    )
    view = make_view("llama")
    model = InMemory(view, plain, beginning(plain, "auto"), lambda *a: None)

    def asked(context: str) -> list[Any]:
        return [Instance("loglikelihood", {}, (context, " w5"), 0)]

    ((found, _),) = model.loglikelihood(asked("w3 w4"))
    assert found == pytest.approx(float(logarithms(view, [3], [4, 5]).sum()), rel=1e-4)
    with pytest.raises(Sparc3Error, match="neither a BOS nor an EOS token"):
        model.loglikelihood(asked(""))
