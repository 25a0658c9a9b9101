"""What is wrong in a call from Python is told in one sentence, whatever a user hands in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import sparc3_bench as sb
from sparc3_bench.host import default_host
from sparc3_bench.model.live import tokenizer_digest, with_tokenizer
from sparc3_bench.model.load import find_model
from sparc3_bench.testing.tiny import make_model, make_tokenizer


@pytest.fixture(scope="module")
def model():
    return make_model("llama")


@pytest.fixture
def score(model, tmp_path):
    def called(scorer="magnitude", **given):
        given = {"reference": [[3, 4, 5, 6]], "cache": tmp_path / "cache"} | given
        return sb.score(given.pop("model", model), given.pop("tokenizer", None), scorer, **given)

    return called


SOUND = "must be a dense tensor of real numbers"
RETURNED = [
    (lambda weights: None, r"returned nothing; it must return by name of the matrix"),
    (lambda weights: [1, 2], r"returned a list; it must return by name"),
    (lambda weights: iter(()), r"returned a tuple_iterator; it must return by name"),
    (
        lambda weights: {n: w.matrix.detach().numpy() for n, w in weights.items()},
        rf"returned a ndarray for 'model.layers.0.self_attn.q_proj'; scores {SOUND}",
    ),
    (
        lambda weights: {n: w.matrix.detach().to_sparse() for n, w in weights.items()},
        rf"a sparse_coo tensor of float32 on cpu for .*; scores {SOUND}",
    ),
    (
        lambda weights: {n: w.matrix.to("meta") for n, w in weights.items()},
        rf"a strided tensor of float32 on meta for .*; scores {SOUND}",
    ),
    (
        lambda weights: {n: w.matrix.to(torch.complex64) for n, w in weights.items()},
        rf"a strided tensor of complex64 on cpu for .*; scores {SOUND}",
    ),
]


@pytest.mark.parametrize(("returned", "why"), RETURNED)
def test_what_a_scorer_returns_is_told_by_its_kind(score, returned, why):
    def mine(view, reference):
        return returned(view.weights())

    with pytest.raises(sb.Sparc3Error, match=rf"Scorer 'mine' {why}" if "returned" in why else why):
        score(mine)


class Demanding(sb.Scorer):
    """A scorer that is no dataclass and takes an argument."""

    name = "demanding"
    title = "Demanding"

    def __init__(self, power):
        self.power = power

    def score(self, model, reference):
        return {name: weight.matrix.abs() for name, weight in model.weights().items()}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"scorer": Demanding}, r"'demanding' cannot be made of its options \(missing .*'power'\)"),
        ({"tokenizer": "gpt2"}, r"A tokenizer must be one of transformers in memory, got str"),
        ({"reference": 3}, r"must be a list of texts, .*, got int\."),
        ({"reference": {"input_ids": [[3, 4]]}}, r"got dict; give its `input_ids`\."),
        ({"reference": []}, r"No reference sample is given"),
        ({"reference": [[3, -4]]}, r"Token ids must be at least 0, got -4"),
        ({"reference": [3, 4]}, r"must be a text or a sequence of token ids, got int"),
    ],
)
def test_what_steers_is_told_by_its_kind(score, given, why):
    with pytest.raises(sb.Sparc3Error, match=why):
        score(**given)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"unit": "neurons"}, r"Unknown unit 'neurons'. Did you mean 'neuron'\?"),
        ({"group": "rows"}, r"Unknown group 'rows'. Did you mean 'row'\?"),
        ({"removal": "higest"}, r"Unknown removal 'higest'. Did you mean 'highest'\?"),
        ({"amount": "half"}, r"The amounts must be a valid number.*, got 'half'\."),
    ],
)
def test_a_mask_is_of_conventions_that_there_are(score, given, why):
    with pytest.raises(sb.Sparc3Error, match=why):
        sb.mask(score(), **{"amount": 0.5} | given)


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        ("pruned", r"A mask must hold bool tensors by name of the parameter, .*, got str\."),
        (
            {"lm_head.weight": np.ones((2, 2), bool)},
            r"The mask of `lm_head.weight` must be a bool tensor, got ndarray\.",
        ),
    ],
)
def test_a_mask_is_told_by_its_kind(model, tmp_path, mask, why):
    with pytest.raises(sb.Sparc3Error, match=why), sb.prune(model, mask):
        pass
    with pytest.raises(sb.Sparc3Error, match=why):
        sb.save_pruned(model, mask, tmp_path / "pruned")
    assert not (tmp_path / "pruned").exists()


def test_a_named_model_with_another_tokenizer_is_told_by_that(model, tmp_path):
    tokenizer = make_tokenizer()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    found = find_model(str(tmp_path), default_host(), tmp_path, "float32", "cpu")
    assert with_tokenizer(found, found.tokenizer) is found
    tokenizer.add_tokens(["one-more"])
    other = with_tokenizer(found, tokenizer)
    assert other.ref.tokenizer_digest == tokenizer_digest(tokenizer)
    assert other.ref.tokenizer_digest != found.ref.tokenizer_digest
    assert other.ref.weight_digest == found.ref.weight_digest


def test_two_functions_of_one_name_are_told_apart_by_the_user(model):
    with pytest.raises(sb.Sparc3Error, match=r"Two scorers are called 'lambda'; give each once"):
        sb.run([lambda view, reference: {}, lambda view, reference: None], model=model)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"amounts": "0.5"}, r"The amounts must be a list, got '0.5'\."),
        ({"amounts": 1.5}, r"Sparsity must be at least 0 and at most 1, got 1.5\."),
        ({"task_options": [1]}, r"The task options must be a valid dictionary, got \[1\]\."),
        ({"seeds": "a"}, r"The scorers must be a valid integer.*, got 'a'\."),
    ],
)
def test_a_run_is_told_what_is_wrong_by_its_kind(model, tmp_path, given, why):
    with pytest.raises(sb.Sparc3Error, match=why):
        sb.run("magnitude", model=model, tokenizer=make_tokenizer(), results=tmp_path, **given)


@pytest.mark.parametrize("given", ["results", Path("results"), [1, 2]])
def test_what_is_compared_are_results(given):
    with pytest.raises(sb.Sparc3Error, match=r"must be results, .* give `load_results\(folder\)`"):
        sb.compare(given)
