"""Models that are cut: plain transformers loads them, and they compute what the masked ones do."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from circuits import REFUSING, call
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

import sparc3_bench as sb
from sparc3_bench.circuit.shrunk import ShrunkPair
from sparc3_bench.record.files import read_result
from sparc3_bench.testing.tiny import VOCABULARY, make_config, make_model, make_tokenizer, save_text

READER = (
    REFUSING
    + """
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
ids = load_file(sys.argv[2])["ids"]
with torch.no_grad():
    save_file({"logits": model(ids).logits}, sys.argv[3])
"""
)
IDS = torch.randint(3, VOCABULARY, (2, 24), generator=torch.Generator().manual_seed(0))
LAST_BITS = 1e-5
"""Of logits up to thirty: sums of fewer numbers may be taken in another order."""


def read_by_others(folder: Path, tmp_path: Path) -> torch.Tensor:
    save_file({"ids": IDS}, tmp_path / "ids")
    command = [sys.executable, "-c", READER, folder, tmp_path / "ids", tmp_path / "logits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return load_file(tmp_path / "logits")["logits"]


def scored(model, **chosen) -> sb.PruningMask:
    return sb.mask(sb.score(model, scorer="random"), model=model, **chosen)


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def masked_logits(model, mask) -> torch.Tensor:
    with sb.prune(model, mask):
        return logits(model)


@pytest.mark.parametrize(
    ("model_type", "chosen"),
    [
        *((one, {"unit": "neuron", "amount": 0.3}) for one in ("llama", "gpt2", "opt", "phi3")),
        *((one, {"unit": "block", "amount": 0.5}) for one in ("llama", "gpt2", "opt", "gpt_neox")),
        *((one, {"unit": "head", "group": "1:2"}) for one in ("llama", "gemma3_text", "phi3")),
    ],
)
def test_a_shrunk_model_computes_what_the_masked_one_does(tmp_path, model_type, chosen):
    model = make_model(model_type)
    before = {name: values.clone() for name, values in model.state_dict().items()}
    mask = scored(model, **chosen)
    folder = sb.save_pruned(model, mask, tmp_path / "out", make_tokenizer(), shrink=True)
    assert {name: v.shape for name, v in model.state_dict().items()} == {
        name: values.shape for name, values in before.items()
    }
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())
    small = AutoModelForCausalLM.from_pretrained(folder)
    wanted, found = masked_logits(model, mask), logits(small)
    if chosen["unit"] == "block":
        assert torch.equal(found, wanted)
    else:
        assert torch.allclose(found, wanted, rtol=0, atol=LAST_BITS)
    told = ShrunkPair(**json.loads((folder / "pruning.json").read_text())["shrunk"])
    counts = [sum(one.numel() for one in each.parameters()) for each in (model, small)]
    assert told.parameters == counts
    assert counts[1] < counts[0]
    # What removes blocks' and neurons' weights removes these, up to biases, and no others.
    if chosen["unit"] != "head":
        gone = sum(int((~keep).sum()) for keep in mask.values())
        assert counts[0] - counts[1] == pytest.approx(gone, rel=0.02)


def test_whole_groups_of_heads_go_with_their_keys_and_values(tmp_path):
    model = make_model("llama")
    mask = scored(model, unit="head", amount=0.5, group="layer")
    for keep in mask.values():
        keep[:] = torch.arange(32) >= 16  # the first two of four heads of 8
    folder = sb.save_pruned(model, mask, tmp_path / "out", shrink=True)
    small = AutoModelForCausalLM.from_pretrained(folder)
    config = small.config
    assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (2, 1, 8)
    assert torch.allclose(logits(small), masked_logits(model, mask), rtol=0, atol=LAST_BITS)


def test_what_a_repair_sets_anew_is_in_the_smaller_matrices(tmp_path):
    model = make_model("gpt2")
    mask = scored(model, unit="neuron", amount=0.3)
    values = sb.repair(model, mask, "bias", reference=IDS.tolist())
    folder = sb.save_pruned(model, mask, tmp_path / "out", values=values, shrink=True)
    found = logits(AutoModelForCausalLM.from_pretrained(folder))
    with sb.prune(model, mask, values=values):
        assert torch.allclose(found, logits(model), rtol=0, atol=LAST_BITS)
    assert not torch.allclose(found, masked_logits(model, mask), rtol=0, atol=0.1)


def scaled_by_depth():
    config = make_config("gpt2")
    config.scale_attn_by_inverse_layer_idx = True
    return make_model("gpt2", config=config)


@pytest.mark.parametrize(
    ("make", "chosen", "told"),
    [
        (make_model, {"amount": 0.5, "group": "row"}, "Nothing can be cut out, as the mask leaves"),
        (
            make_model,
            {"amount": 0.5, "unit": "neuron", "group": "model"},
            "neurons, and a model of transformers has as many in each; choose group",
        ),
        (make_model, {"amount": 1, "unit": "neuron"}, "has one neuron in each block at least, and"),
        (make_model, {"amount": 1, "unit": "head"}, "has one head in each block at least, and"),
        (make_model, {"amount": 1, "unit": "block"}, "has one decoder block at least, and none"),
        (make_model, {"amount": 0.25, "unit": "head"}, "choose a pattern n:2, which removes as"),
        (lambda _: make_model("opt"), {"amount": 0.5, "unit": "head"}, "of type 'opt' in the size"),
        (
            lambda _: scaled_by_depth(),
            {"amount": 0.5, "unit": "block"},
            "The shrunk model computes something else than the masked one (logits up to",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused_in_a_sentence(tmp_path, make, chosen, told):
    model = make("llama")
    mask = scored(model, **chosen)
    if chosen == {
        "amount": 0.5,
        "unit": "block",
    }:  # the first goes, so that what is behind it is counted anew
        first = {n: p for n, p in model.named_parameters() if ".h.0." in n and ".ln_" not in n}
        mask = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in first.items()}
    with pytest.raises(sb.Sparc3Error) as refused:
        sb.save_pruned(model, mask, tmp_path / "out", shrink=True)
    assert told in sentence_of(refused)
    assert not (tmp_path / "out").exists()


def sentence_of(refused) -> str:
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shrink")
    for architecture in ("llama", "gpt2"):
        make_model(architecture).save_pretrained(folder / architecture)
        make_tokenizer().save_pretrained(folder / architecture)
    save_text(folder / "reference.txt", 400, 1)
    save_text(folder / "held-out.txt", 800, 2)
    return folder


def arguments(folder: Path, model: str, *more: object) -> tuple[object, ...]:
    sizes = {"reference_length": 32, "evaluation_length": 32, "reference_windows": 3}
    sizes |= {"evaluation_windows": 4, "selection_windows": 3}
    options = [part for n, v in sizes.items() for part in ("--task-option", f"{n}={v}")]
    texts = ("--reference", folder / "reference.txt", "--held-out", folder / "held-out.txt")
    where = ("--cache", folder / "cache", "--out", folder / "out", "--dtype", "float32")
    return ("prune", "--model", folder / model, "--shrink", *texts, *where, *options, *more)


def test_prune_writes_the_smaller_model_and_says_what_it_saves(folder, tmp_path):
    asked = arguments(folder, "gpt2", "--unit", "neuron", "--amount", 0.25, "--controls", 0)
    assert call(*asked) == 0
    out = folder / "out"
    dense, mask = AutoModelForCausalLM.from_pretrained(folder / "gpt2"), sb.load_mask(out)
    assert torch.allclose(
        read_by_others(out, tmp_path), masked_logits(dense, mask), rtol=0, atol=LAST_BITS
    )
    assert AutoModelForCausalLM.from_pretrained(out).config.n_inner == 48
    report, about = (out / "report.md").read_text(), json.loads((out / "pruning.json").read_text())
    told = ShrunkPair(**about["shrunk"])
    assert told.told in report
    before, after = told.parameters
    assert f"| parameters | {before:,} | {after:,} | ×{after / before:.2f} |" in report
    assert "weights were cut out with what served them alone, " in report
    assert "of the neurons in all matrices of the decoder blocks cut out, by" in (
        (out / "README.md").read_text()
    )
    assert read_result(out / "result.json").points[1].metrics["perplexity"] > 0


@pytest.mark.parametrize(
    ("model", "more", "told"),
    [
        ("llama", ("--amount", 0.5), "Single weights cannot be cut out of a matrix; choose `--u"),
        (
            "llama",
            ("--amount", 0.5, "--unit", "neuron", "--group", "model"),
            "A model of transformers has as many neurons in each block; choose `--group layer`",
        ),
        (
            "llama",
            ("--amount", 0.5, "--unit", "neuron", "--allocation", "owl"),
            "A model of transformers has as many neurons in each block; choose `--group layer`",
        ),
        (
            "gpt2",
            ("--amount", 0.5, "--unit", "head"),
            "builds no model of type 'gpt2'",
        ),
        (
            "llama",
            ("--amount", 0.5, "--unit", "neuron", "--scope", "mlp-in"),
            "Nothing can be cut out, as the mask leaves no neuron, head or block empty;",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused_before_anything_is_computed(
    folder, monkeypatch, model, more, told, capsys
):
    from sparc3_bench.run.steps.score import Score

    monkeypatch.setattr(Score, "make", lambda *_: pytest.fail("it was scored"))
    capsys.readouterr()
    code = call(*arguments(folder, model, *more))
    captured = capsys.readouterr()
    assert code == 2
    assert told in captured.err


def test_one_round_that_nothing_disturbs_is_enough_for_the_speed(tmp_path, monkeypatch):
    model = make_model("llama")
    mask = scored(model, amount=0.5, unit="neuron")
    calls = itertools.count()

    def clock():
        # All measurements but the first of each model are held up by other work.
        call = next(calls)
        return call + (0 if call % 2 == 0 else 0.01 - 1 if call in (1, 3) else 0.5)

    monkeypatch.setattr("sparc3_bench.circuit.shrunk.time", SimpleNamespace(perf_counter=clock))
    folder = sb.save_pruned(model, mask, tmp_path / "pruned", shrink=True)
    told = json.loads((folder / "pruning.json").read_text())["shrunk"]
    tokens = min(128, model.config.max_position_embeddings)
    assert told["tokens_per_second"] == pytest.approx([tokens / 0.01] * 2)
