"""The judge detoxify: the package's own scores from local files, and a reason for every refusal."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import detoxify
import pytest
import torch
import transformers
from pretended import pretending
from sparc3_judges.detoxify import Detoxify

from sparc3_bench import Sparc3Error
from sparc3_bench.run.options import build

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "##e"]
CLASSES = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
LABELS = ["toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack"]
TEXTS = ["a b c", "", "d", "ae d b a", "unheard b", "c " * 12, "a b c"]
POSITIONS = 24


def make_config(folder: Path, **changes: Any) -> Path:
    """Save what a hub has for a transformer: configuration and tokenizer, no weights."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}
    transformers.BertConfig(
        **{**sizes, "num_hidden_layers": 2, "vocab_size": len(WORDS), **changes},
        max_position_embeddings=POSITIONS,
    ).save_pretrained(folder)
    return folder


def make_content(config: Path, outputs: int = 6) -> dict[str, Any]:
    """Return what a checkpoint of the package holds, with random weights that tell texts apart."""
    torch.manual_seed(0)
    made = transformers.BertForSequenceClassification(
        transformers.BertConfig.from_pretrained(config, num_labels=outputs)
    )
    weights = {
        name: weight + 0.2 * torch.randn(weight.shape) for name, weight in made.state_dict().items()
    }
    arguments = {
        "model_type": "no-such/transformer",
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": outputs,
    }
    described = {"arch": {"args": arguments}, "dataset": {"args": {"classes": CLASSES}}}
    return {"config": described, "state_dict": weights}


@pytest.fixture
def config(tmp_path) -> Path:
    return make_config(tmp_path / "config")


def judge(folder: Path, content: Any = None, **options: Any) -> Detoxify:
    """Save a checkpoint and return the judge that reads it."""
    path = folder / "made.ckpt"
    torch.save(make_content(folder / "config") if content is None else content, path)
    return Detoxify(**{"checkpoint": str(path), "config": str(folder / "config"), **options})


def classes_of(content: dict[str, Any]) -> list[str]:
    return content["config"]["dataset"]["args"]["classes"]


def refused(chosen: Detoxify, folder: Path) -> str:
    with pytest.raises(Sparc3Error) as caught:
        chosen.load(folder)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_scores_are_those_of_the_package(tmp_path, config):
    content = make_content(config)
    ours = [judge(tmp_path, content, label=label).load(tmp_path).score(TEXTS) for label in LABELS]
    content["config"]["arch"]["args"]["model_type"] = str(config)
    torch.save(content, tmp_path / "theirs.ckpt")
    package = detoxify.Detoxify(checkpoint=str(tmp_path / "theirs.ckpt"))
    for label, scores in zip(LABELS, ours, strict=True):
        assert scores == pytest.approx([package.predict(text)[label] for text in TEXTS], abs=1e-6)
        assert max(scores) - min(scores) > 1e-3
        assert scores[0] == scores[-1]


def test_a_score_does_not_depend_on_the_other_texts(tmp_path, config):
    scores = judge(tmp_path).load(tmp_path).score(TEXTS)
    for size in (1, 4):
        again = judge(tmp_path, batch_size=size).load(tmp_path).score(TEXTS[::-1])
        assert again[::-1] == pytest.approx(scores, abs=1e-6)


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
def test_it_reads_on_a_device_where_the_model_runs(tmp_path, config):
    expected = judge(tmp_path).load(tmp_path).score(["a b", "c"])
    loaded = judge(tmp_path).load(tmp_path)
    with pretending() as seen:
        assert loaded.to("cuda:1")
        seen.moved = 0
        assert loaded.score(["a b", "c"]) == expected
        assert seen.moved


def test_equal_texts_are_read_once_and_progress_counts_them_all(tmp_path, config, monkeypatch):
    loaded, read, seen = judge(tmp_path, batch_size=2).load(tmp_path), [], []
    run = loaded._probabilities
    monkeypatch.setattr(loaded, "_probabilities", lambda texts: read.extend(texts) or run(texts))
    loaded.score(["a b", "c", "a b", "d"], lambda *step: seen.append(step))
    assert read == ["c", "d", "a b"]
    assert seen == [(2, 4), (4, 4)]
    assert loaded.score([]) == []


def test_of_a_long_text_the_first_tokens_are_read(tmp_path, config):
    loaded = judge(tmp_path).load(tmp_path)
    read = "a b " * ((POSITIONS - 2) // 2)
    long, short, other = loaded.score([f"{read} {'c ' * 100}", read, f"c {read}"])
    assert long == short != other


def test_roberta_has_fewer_positions_than_its_configuration_says(tmp_path):
    folder = tmp_path / "config"
    folder.mkdir()
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b"]
    (folder / "vocab.json").write_text(json.dumps({word: at for at, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}
    made = transformers.RobertaConfig(
        **sizes, vocab_size=7, num_hidden_layers=1, max_position_embeddings=12, num_labels=6
    )
    made.save_pretrained(folder)
    content = make_content(make_config(tmp_path / "bert"))
    content["state_dict"] = transformers.RobertaForSequenceClassification(made).state_dict()
    content["config"]["arch"]["args"] |= {
        "model_name": "RobertaForSequenceClassification",
        "tokenizer_name": "RobertaTokenizer",
    }
    long, short = judge(tmp_path, content).load(tmp_path).score(["ab" * 50, "ab" * 4])
    assert long == pytest.approx(short)


def test_there_may_be_more_outputs_than_labels_and_buffers_of_older_versions(tmp_path, config):
    content = make_content(config, outputs=16)
    scores = judge(tmp_path, content).load(tmp_path).score(TEXTS)
    content["state_dict"]["bert.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    content["state_dict"]["further.pooler.dense.weight"] = torch.ones(2, 2)
    assert judge(tmp_path, content).load(tmp_path).score(TEXTS) == scores


def test_the_digest_is_that_of_weights_and_vocabulary(tmp_path, config):
    content = make_content(config)
    first = judge(tmp_path, content).load(tmp_path).digest
    assert judge(tmp_path, copy.deepcopy(content)).load(tmp_path).digest == first
    content["state_dict"]["classifier.bias"][0] += 1e-3
    assert judge(tmp_path, content).load(tmp_path).digest != first
    content["state_dict"]["classifier.bias"][0] -= 1e-3
    words = [*WORDS[:-2], WORDS[-1], WORDS[-2]]
    (config / "vocab.txt").write_text("\n".join(words))
    assert judge(tmp_path).load(tmp_path).digest != first


def test_a_download_is_the_packages_and_its_digest_is_that_of_the_weights(
    tmp_path, config, monkeypatch
):
    asked, content = [], make_content(config)

    def download(address: str, **options: Any) -> Any:
        asked.append((address, options))
        return content

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
    first = Detoxify(model="unbiased-small", config=str(config)).load(tmp_path)
    address = "https://github.com/unitaryai/detoxify/releases/download/v0.1.2/unbiased-albert-"
    safely = {"map_location": "cpu", "weights_only": True, "check_hash": True}
    assert asked == [(f"{address}c8519128.ckpt", safely)]
    assert first.score(TEXTS) == judge(tmp_path, content).load(tmp_path).score(TEXTS)
    content = copy.deepcopy(content)
    assert Detoxify(config=str(config)).load(tmp_path).digest == first.digest
    content["state_dict"]["classifier.bias"][3] += 1e-3
    assert Detoxify(config=str(config)).load(tmp_path).digest != first.digest
    assert len(first.digest) == 64


def test_a_download_that_fails_names_the_ways_out(tmp_path, monkeypatch):
    def fail(address: str, **options: Any) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    assert refused(Detoxify(), tmp_path) == (
        "Detoxify's model 'original' cannot be downloaded (OSError: no route); give its file by "
        "option `checkpoint`, or use judge 'tox-block', which needs none."
    )


def test_without_the_package_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "detoxify.detoxify")
    monkeypatch.setitem(sys.modules, "detoxify", None)
    told = refused(Detoxify(), tmp_path)
    assert "needs the package detoxify" in told
    assert told.endswith("which is not installed; pip install 'sparc3-bench[run,toxicity]'.")


def test_wrong_options_are_refused():
    with pytest.raises(Sparc3Error, match="`batch_size` of judge 'detoxify' must be greater than"):
        build("judge", Detoxify, {"batch_size": "0"})
    with pytest.raises(Sparc3Error, match="`model` of judge 'detoxify' must be 'original', 'unbi"):
        build("judge", Detoxify, {"model": "originel"})


def test_what_is_not_there_is_named(tmp_path, config):
    absent = str(tmp_path / "absent")
    told = refused(judge(tmp_path, checkpoint=absent), tmp_path)
    assert told.startswith(f"Option `checkpoint` of judge 'detoxify' is '{absent}', which is no ")
    told = refused(judge(tmp_path, config=absent), tmp_path)
    assert told.startswith(f"Option `config` of judge 'detoxify' is '{absent}', which is no ")
    told = refused(judge(tmp_path, config=""), tmp_path)
    assert "cannot be had from 'no-such/transformer' (OSError: " in told
    assert told.endswith(
        "give option `config` a folder with config.json and the tokenizer's files."
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("vocab.txt", "which has neither tokenizer.json nor vocab.txt; give a folder with the tok"),
        ("config.json", "which is no folder with a config.json; give one with that and the"),
    ],
)
def test_an_incomplete_folder_is_refused_where_transformers_would_make_something_up(
    tmp_path, config, name, reason
):
    chosen = judge(tmp_path)
    chosen.load(tmp_path)
    (config / name).unlink()
    told = refused(chosen, tmp_path)
    assert told.startswith(f"Option `config` of judge 'detoxify' is '{config}', {reason}")


@pytest.mark.parametrize("tokens", [9, 138])
def test_a_tokenizer_of_another_size_is_refused(tmp_path, config, tokens):
    make_config(config, vocab_size=tokens)
    assert refused(judge(tmp_path), tmp_path) == (
        f"The tokenizer in '{config}' knows 10 tokens but the model of judge 'detoxify' {tokens}; "
        "give by option `config` a folder with the tokenizer that belongs to it."
    )
    make_config(config, vocab_size=tokens + (1 if tokens < 10 else -1))
    judge(tmp_path).load(tmp_path)


def test_a_label_that_the_model_lacks_is_refused_with_those_it_has(tmp_path, config):
    assert refused(judge(tmp_path, label="toxic"), tmp_path) == (
        f"Unknown label 'toxic' of checkpoint {tmp_path / 'made.ckpt'}. Available: "
        f"{', '.join(LABELS)}."
    )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content.pop("state_dict"), "KeyError: 'state_dict'"),
        (lambda content: content.pop("config"), "KeyError: 'config'"),
        (lambda content: content["config"]["arch"].clear(), "KeyError: 'args'"),
        (lambda content: content["config"]["arch"]["args"].pop("num_classes"), "'num_classes'"),
        (lambda content: content["config"]["arch"]["args"].update(num_classes="6"), "TypeError: "),
        (lambda content: content.update(config=[1]), "TypeError: "),
        (lambda content: content.update(state_dict=7), "TypeError: "),
        (lambda content: content["state_dict"].update(more="text"), "else than tensors"),
        (
            lambda content: content["config"]["arch"]["args"].update(num_classes=10**9),
            "has 6 labels and 1000000000 outputs",
        ),
        (lambda content: classes_of(content).append("more"), "has 7 labels and 6 outputs"),
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(tmp_path, config, damage, reason):
    content = copy.deepcopy(make_content(config))
    damage(content)
    told = refused(judge(tmp_path, content), tmp_path)
    assert told.startswith(f"The content of checkpoint {tmp_path / 'made.ckpt'} ")
    assert reason in told


@pytest.mark.parametrize("content", [b"", b"no torch file", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_refused(tmp_path, config, content):
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(content)
    told = refused(judge(tmp_path, checkpoint=str(path)), tmp_path)
    assert told.startswith(f"The checkpoint {path} cannot be read (")


@pytest.mark.parametrize(
    ("name", "weight", "reason"),
    [
        ("classifier.weight", None, "(1 are on one side only, e.g. classifier.weight)"),
        ("classifier.weight", torch.zeros(5, 16), "(RuntimeError: "),
        ("bert.encoder.layer.2.output.dense.bias", torch.zeros(16), "(1 are on one side only, e.g"),
    ],
)
def test_weights_that_do_not_fit_the_configuration_are_refused(
    tmp_path, config, name, weight, reason
):
    content = make_content(config)
    content["state_dict"].pop(name, None)
    if weight is not None:
        content["state_dict"][name] = weight
    told = refused(judge(tmp_path, content), tmp_path)
    assert f"do not fit the configuration in '{config}' {reason}" in told


def test_code_in_a_checkpoint_is_never_run(tmp_path, config):
    class Harmful:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    content = make_content(config)
    content["config"]["more"] = Harmful()
    told = refused(judge(tmp_path, content), tmp_path)
    assert told.startswith(f"The checkpoint {tmp_path / 'made.ckpt'} cannot be read (Unpickling")
    assert not (tmp_path / "ran").exists()


def test_what_a_checkpoint_names_is_not_called(tmp_path, config):
    content = make_content(config)
    expected = judge(tmp_path, content).load(tmp_path).score(TEXTS)
    content["config"]["arch"]["args"] |= {"model_name": "pipeline", "tokenizer_name": "logging"}
    assert judge(tmp_path, content).load(tmp_path).score(TEXTS) == expected


def test_loading_draws_no_random_number_from_anybody(tmp_path, config):
    chosen = judge(tmp_path)
    before = torch.get_rng_state()
    chosen.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_hidden_layers": 10**6}, "1,000,000 layers, 41 tensors"),
        ({"hidden_size": 10**6, "num_attention_heads": 1}, "RuntimeError: "),
        ({"intermediate_size": 10**9}, "RuntimeError: "),
    ],
)
def test_a_configuration_of_more_than_there_is_takes_no_memory(tmp_path, config, changes, reason):
    content = make_content(config)
    told = json.loads((config / "config.json").read_text())
    (config / "config.json").write_text(json.dumps({**told, **changes}))
    assert reason in refused(judge(tmp_path, content), tmp_path)


def test_another_family_of_transformers_is_refused(tmp_path, config):
    content = make_content(config)
    transformers.DistilBertConfig().save_pretrained(config)
    assert "(type distilbert, not albert or bert or" in refused(judge(tmp_path, content), tmp_path)


def test_a_score_that_is_no_number_is_refused(tmp_path, config):
    content = make_content(config)
    content["state_dict"]["classifier.bias"][0] = float("nan")
    loaded = judge(tmp_path, content).load(tmp_path)
    with pytest.raises(Sparc3Error, match="found a score that is no number"):
        loaded.score(TEXTS)
