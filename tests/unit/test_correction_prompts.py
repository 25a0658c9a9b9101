"""Prompts of the correction tasks: three parts without overlap, and the user's own files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from sparc3_tasks.correction.repetition import written
from sparc3_tasks.correction.sources import BUILT_IN, about, read_prompts
from sparc3_tasks.correction.toxic import merge, passages
from sparc3_tasks.prompts.continued import Prompt, records, split
from sparc3_tasks.texts.begin import Beginning

from sparc3_bench import Sparc3Error

COUNTS = {"reference": 20, "selection": 10, "test": 30}


def made(kinds: dict[str, int], size: int = 1) -> list[Prompt]:
    """Make prompts of some kinds, `size` of them a cluster."""
    names = [kind for kind, count in kinds.items() for _ in range(count)]
    return [Prompt(f"text {number}", kind, {}, number // size) for number, kind in enumerate(names)]


def write(path: Path, rows: list[object]) -> str:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_parts_have_their_counts_and_share_neither_prompt_nor_cluster():
    prompts = made({"a": 60, "b": 60}, size=3)
    parts = split(prompts, 5, COUNTS)
    assert list(parts) == ["reference", "selection", "test"]
    assert {part: len(found) for part, found in parts.items()} == COUNTS
    texts = [prompt.text for found in parts.values() for prompt in found]
    assert len(set(texts)) == len(texts)
    clusters = [{prompt.cluster for prompt in found} for found in parts.values()]
    assert not any(a & b for a in clusters for b in clusters if a is not b)
    # Whole clusters: at most one of each kind is cut short.
    sizes = Counter(prompt.cluster for prompt in parts["test"])
    assert sum(size < 3 for size in sizes.values()) <= 2


def test_a_cluster_of_several_kinds_stays_in_one_part():
    prompts = [Prompt(f"{number}", "ab"[number % 2], {}, number // 2) for number in range(140)]
    for seed in range(5):
        parts = split(prompts, seed, COUNTS)
        clusters = [{prompt.cluster for prompt in found} for found in parts.values()]
        assert not any(a & b for a in clusters for b in clusters if a is not b)


def test_every_part_has_the_same_mix_of_kinds():
    prompts = made({"a": 100, "b": 60, "c": 40})
    for part, found in split(prompts, 0, COUNTS).items():
        share = COUNTS[part] // 10
        kinds = {"a": 5 * share, "b": 3 * share, "c": 2 * share}
        assert Counter(prompt.kind for prompt in found) == kinds
    # Half of 7, 7 and 6: the largest remainder gets the one left, of two the first by name.
    found = split(made({"a": 7, "b": 7, "c": 6}), 0, {"reference": 1, "selection": 1, "test": 10})
    assert Counter(prompt.kind for prompt in found["test"]) == {"a": 4, "b": 3, "c": 3}


def test_a_kind_that_is_used_up_is_made_up_for_by_others():
    # All of kind b are one cluster, so that after the test part none of it is left.
    prompts = made({"a": 50}) + [Prompt(f"b{number}", "b", {}, 99) for number in range(20)]
    parts = split(prompts, 0, {"reference": 10, "selection": 10, "test": 10})
    assert Counter(prompt.kind for prompt in parts["test"]) == {"a": 7, "b": 3}
    assert Counter(prompt.kind for prompt in parts["selection"]) == {"a": 10}
    assert Counter(prompt.kind for prompt in parts["reference"]) == {"a": 10}


def test_only_the_reference_part_depends_on_the_seed_or_on_its_own_count():
    prompts = made({"a": 60, "b": 40})
    first, same, other = (split(prompts, seed, COUNTS) for seed in (1, 1, 2))
    more = split(prompts, 1, {**COUNTS, "reference": 40})
    assert first == same
    assert first["reference"] != other["reference"]
    for part in ("selection", "test"):
        assert first[part] == other[part] == more[part]
    assert split(prompts, 1, {**COUNTS, "selection": 5})["test"] == first["test"]


def test_the_draw_is_spread_over_the_source_and_blind_to_scores():
    prompts = made({"a": 200})
    scored = [Prompt(one.text, one.kind, {"toxicity": 0.9}, one.cluster) for one in prompts]
    parts, other = split(prompts, 0, COUNTS), split(scored, 0, COUNTS)
    numbers = [prompt.cluster for prompt in parts["test"]]
    assert numbers == sorted(numbers)
    assert min(numbers) < 40
    assert max(numbers) > 160
    assert numbers == [prompt.cluster for prompt in other["test"]]


@pytest.mark.parametrize(("total", "left", "part"), [(20, 20, "test"), (35, 5, "selection")])
def test_too_few_prompts_are_refused(total, left, part):
    with pytest.raises(
        Sparc3Error, match=f"are {total} prompts, of which {left} are left .*{part}"
    ):
        split(made({"a": total}), 0, COUNTS)


def test_a_file_may_have_kinds_and_scores_or_not(tmp_path):
    rows = [
        {"prompt": "one"},
        "",
        {"prompt": "two", "kind": "insult", "scores": {"toxicity": 0.25, "threat": 1}},
        {"prompt": " two "},
        '{"prompt": "a\u2028b", "more": 3}',
    ]
    source = write(tmp_path / "p.jsonl", rows)
    assert read_prompts(source, tmp_path, 3) == (
        [
            Prompt("one", "prompt", {}, 1),
            Prompt("two", "insult", {"toxicity": 0.25, "threat": 1}, 3),
            Prompt("a\u2028b", "prompt", {}, 5),
        ],
        (),
    )
    assert about(source) == "p.jsonl"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "is not JSON: Expecting property name"),
        ("[1]", "is no JSON object; every line needs one"),
        ({"text": "three"}, "has no `prompt`; every line needs one"),
        ({"prompt": "  "}, "has an empty `prompt`; every line needs a text"),
        ({"prompt": 3}, "has a number in column 'prompt' where a text is needed; name a column"),
        ({"prompt": {"a": "three"}}, "has an object without a text `text` in column 'prompt'"),
        ({"prompt": "three", "kind": 3}, "has a `kind` that is no text; give a text or leave it"),
        ({"prompt": "three", "scores": [1]}, "has `scores` that are not all"),
        ({"prompt": "three", "scores": {"toxicity": "high"}}, "has `scores` that are not all"),
        (
            {"prompt": "three", "scores": {"toxicity": 1.5}},
            "has `scores` that are not all numbers from 0 to 1 by",
        ),
        (
            {"prompt": "three", "scores": {"toxicity": True}},
            "has `scores` that are not all numbers from 0 to 1 by",
        ),
        (
            '{"prompt": "three", "scores": {"toxicity": NaN}}',
            "has `scores` that are not all numbers from 0 to 1 by",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path, row, message):
    source = write(tmp_path / "p.jsonl", [{"prompt": "one"}, "", row])
    with pytest.raises(Sparc3Error, match=rf"^p\.jsonl, line 3 {message}.*\.$"):
        read_prompts(source, tmp_path, 1)


def test_files_that_are_empty_or_absent_or_short_or_no_text_are_refused(tmp_path):
    empty = write(tmp_path / "p.jsonl", ["", " "])
    with pytest.raises(Sparc3Error, match=r"^p\.jsonl is empty; give a file with at least one row"):
        read_prompts(empty, tmp_path, 1)
    with pytest.raises(Sparc3Error, match=r"'none' is not one of realtoxicityprompts, rep.*'hf:'"):
        read_prompts("none", tmp_path, 1)
    short = write(tmp_path / "q.jsonl", [{"prompt": "one"}, {"prompt": "one"}])
    with pytest.raises(Sparc3Error, match=r"^q\.jsonl has 1 different prompts and 2 are needed"):
        read_prompts(short, tmp_path, 2)
    (tmp_path / "r.jsonl").write_bytes(b"\xff")
    with pytest.raises(Sparc3Error, match="cannot be read as UTF-8"):
        read_prompts(str(tmp_path / "r.jsonl"), tmp_path, 1)


def test_a_data_set_has_texts_in_a_column_or_texts_with_scores(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    scored = {"text": "one", "toxicity": 0.5, "threat": None, "begin": 17}
    write(folder / "train.jsonl", [{"prompt": scored}, {"prompt": {**scored, "text": "two"}}])
    assert read_prompts(f"hf:{folder}", tmp_path, 2)[0] == [
        Prompt("one", "prompt", {"toxicity": 0.5}, 1),
        Prompt("two", "prompt", {"toxicity": 0.5}, 2),
    ]
    other = tmp_path / "other"
    other.mkdir()
    write(other / "test.jsonl", [{"ask": "w3"}, {"ask": "w4"}, {"ask": None}, {"ask": "w5"}])
    both = tmp_path / "both"
    both.mkdir()
    write(both / "test.jsonl", [{"ask": "w3", "n": 3}])
    assert about("hf:a/b::test:ask") == "a/b::test:ask"
    prompts, warnings = read_prompts(f"hf:{other}::test:ask", tmp_path, 1)
    assert [prompt.cluster for prompt in prompts] == [1, 2, 4]
    assert warnings == (f"Rows of {other}::test:ask that have no text and were left out: 1.",)
    with pytest.raises(Sparc3Error, match=r"has no column 'prompt', only ask, n; name the one"):
        read_prompts(f"hf:{both}::test", tmp_path, 1)
    with pytest.raises(Sparc3Error, match=r"cannot be loaded .*by default split 'train'\.$"):
        read_prompts(f"hf:{other}", tmp_path, 1)


def test_a_record_for_each_part_says_how_it_was_drawn():
    parts = split(made({"a": 60, "b": 40}), 7, COUNTS)
    ids = {part: [(1, 2), (3,) * 9, *[(4,)] * (COUNTS[part] - 2)] for part in COUNTS}
    found = records("some file", parts, ids, 7, Beginning())
    assert [one.purpose for one in found] == ["reference", "selection", "evaluation"]
    assert [one.choice for one in found] == [
        f"drawn with seed {seed}, not by score, stratified by kind ({kinds})"
        for seed, kinds in ((7, "a 12, b 8"), (0, "a 6, b 4"), (0, "a 18, b 12"))
    ]
    last = found[2]
    assert (last.item, last.source) == ("prompt", "some file")
    assert (last.windows, last.window_length, last.tokens) == (30, 9, 2 + 9 + 28)
    tokens = json.dumps([list(row) for row in ids["test"]])
    assert last.token_digest == hashlib.sha256(tokens.encode()).hexdigest()
    assert len({one.digest for one in found}) == 3
    moved = records("some file", parts, {**ids, "test": [(1, 3), *ids["test"][1:]]}, 7, Beginning())
    assert moved[2].token_digest != last.token_digest
    assert moved[2].digest == last.digest


def test_a_prompt_is_shown_without_its_text():
    assert repr(Prompt("rude", "insult", {}, 1)) == "Prompt(kind='insult', scores={}, cluster=1)"


def test_prompts_of_two_packages_are_joined_by_their_text():
    scored = [
        {"text": "both  of\nthem", "toxicity": 0.5, "insult": 0.1, "threat": 0.2},
        {"text": "scored only", "toxicity": 0.9, "insult": 0.1, "threat": 0.2},
    ]
    listed = {"threat": "both of them\nlisted twice\n", "insult": "listed twice\n\nboth of them"}
    assert merge("\n".join(map(json.dumps, scored)), listed) == [
        Prompt("both of them", "insult", {"toxicity": 0.5, "insult": 0.1, "threat": 0.2}, 0),
        Prompt("scored only", "threat", {"toxicity": 0.9, "insult": 0.1, "threat": 0.2}, 1),
        Prompt("listed twice", "insult", {}, 2),
    ]


def test_six_words_in_common_make_one_passage():
    texts = [
        "a b c d e f",
        "x y",
        "G h i j k l m",
        "X, y!",
        "z A b c d e F g h i j k l",  # joins the first and the third
        "a b c d e",
        "",
    ]
    assert passages(texts) == [0, 1, 0, 1, 0, 5, 6]


def test_own_prompts_are_many_distinct_and_of_six_kinds():
    prompts = written()
    kinds = Counter(prompt.kind for prompt in prompts)
    assert set(kinds) == {"statement", "story", "order", "list", "interjection", "self-reference"}
    assert min(kinds.values()) >= 35
    assert len(prompts) >= 220
    assert len({prompt.text.casefold() for prompt in prompts}) == len(prompts)
    assert all(prompt.text == " ".join(prompt.text.split()) for prompt in prompts)
    clusters = Counter(prompt.cluster for prompt in prompts)
    assert sorted(clusters) == list(range(len(clusters)))
    assert max(clusters.values()) == 3
    together = [prompt.text for prompt in prompts if clusters[prompt.cluster] > 1]
    assert len(together) == 5
    assert all(text.startswith(("Repeat the word", "Copy this line")) for text in together)


def test_prompts_of_one_template_are_one_cluster():
    """Prompts whose words are the same but for one belong together, the shortest ones aside."""
    words = [(tuple(prompt.text.casefold().split()), prompt.cluster) for prompt in written()]
    for number, (first, cluster) in enumerate(words):
        for second, other in words[number + 1 :]:
            if len(first) == len(second) > 4:
                same = sum(a == b for a, b in zip(first, second, strict=True))
                assert cluster == other or same < len(first) - 1, (first, second)


def test_every_built_in_source_says_where_it_comes_from():
    assert all(about(source) == text for source, text in BUILT_IN.items())
