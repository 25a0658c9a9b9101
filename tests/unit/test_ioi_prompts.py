"""IOI prompts: balanced, seeded, disjoint between parts; a user's files are checked by line."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from sparc3_tasks.ioi_circuit import IoiCircuit
from sparc3_tasks.ioi_circuit.prompts import (
    NAMES,
    PLACES,
    TEMPLATES,
    THINGS,
    generate,
    part_of,
)
from sparc3_tasks.prompts.names import batches, name_token, read_prompts, tokenize
from sparc3_tasks.texts.begin import Beginning
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from sparc3_bench import Sparc3Error
from sparc3_bench.run.options import build
from sparc3_bench.testing.tiny import make_tokenizer

ROW = {
    "prompt": "w3 w10 w11 w4 w11 w5",
    "io": "w10",
    "s": "w11",
    "corrupted": "w3 w12 w13 w4 w14 w5",
}

SMALL = {"reference_count": 8, "selection_count": 10, "test_count": 22, "control_count": 11}


def english_tokenizer(names: tuple[str, ...] = NAMES) -> PreTrainedTokenizerFast:
    """Make a tokenizer with one token for every word of the templates and for `names`."""
    words = {word for part in TEMPLATES.values() for text in part for word in text.split()}
    words = sorted(words | set(names) | set(PLACES) | set(THINGS))
    vocabulary = {word: index for index, word in enumerate(["<unk>", "</s>", ",", ".", *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="</s>")


def small(folder: Path) -> IoiCircuit:
    """Make a task of few prompts, with general text of its own."""
    text = folder / "general.txt"
    text.write_text("When and the store , " * 20)
    return IoiCircuit(**SMALL, general_text=str(text), general_windows=2, general_length=8)


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")
    return path


def test_there_are_as_many_templates_names_places_and_things_as_promised():
    assert sum(map(len, TEMPLATES.values())) >= 15
    assert len(set(NAMES)) == len(NAMES) >= 60
    assert min(len(PLACES), len(THINGS)) >= 10


@pytest.mark.parametrize("part", TEMPLATES)
def test_prompts_are_balanced_and_their_counterparts_repeat_no_name(part):
    count = 4 * len(TEMPLATES[part])
    prompts = generate(part, count, 3, NAMES)
    assert len({prompt.text for prompt in prompts}) == count
    assert set(Counter(prompt.template for prompt in prompts).values()) == {4}
    abba = sum(prompt.text.index(prompt.io) < prompt.text.index(prompt.s) for prompt in prompts)
    assert abba == count / 2
    for prompt in prompts:
        words = prompt.text.replace(",", " ").replace(";", " ").split()
        assert words.count(prompt.s) == 2
        assert words.count(prompt.io) == 1
        other = prompt.corrupted.replace(",", " ").replace(";", " ").split()
        changed = [new for old, new in zip(words, other, strict=True) if old != new]
        assert len(set(changed)) == 3
        assert not {prompt.io, prompt.s} & set(changed)


def test_parts_share_no_template_and_no_pair_of_names():
    pairs, templates = {}, {}
    for part in TEMPLATES:
        prompts = generate(part, 200, 0, NAMES)
        pairs[part] = {frozenset((prompt.io, prompt.s)) for prompt in prompts}
        templates[part] = {prompt.template for prompt in prompts}
    for left, right in (("reference", "test"), ("selection", "test"), ("reference", "selection")):
        assert not pairs[left] & pairs[right]
        assert not templates[left] & templates[right]
    assert part_of("Mary", "John") == part_of("John", "Mary")


def test_a_seed_gives_the_same_prompts_and_another_one_others():
    assert generate("test", 30, 1, NAMES) == generate("test", 30, 1, NAMES)
    assert generate("test", 30, 1, NAMES) != generate("test", 30, 2, NAMES)


def test_too_few_names_are_refused():
    with pytest.raises(Sparc3Error, match=r"Only 5 of the names are one token .* at least 20"):
        generate("test", 4, 0, NAMES[:5])


def test_names_that_are_no_token_are_left_out_and_reported(tmp_path):
    tokenizer = english_tokenizer(NAMES[:-2])
    assert name_token(tokenizer, NAMES[0]) is not None
    assert name_token(tokenizer, NAMES[-1]) is None
    task = small(tmp_path)
    prepared = task.prepare(tokenizer, "m", tmp_path, 0)
    left_out = ", ".join(sorted(NAMES[-2:]))
    assert all(f"left out: {left_out}" in record.choice for record in prepared.datasets[:3])
    purposes = [record.purpose for record in prepared.datasets]
    assert purposes == ["reference", "selection", "evaluation", "general"]
    assert [record.item for record in prepared.datasets] == ["prompt"] * 3 + ["window"]


def test_only_the_reference_depends_on_the_seed(tmp_path):
    task = small(tmp_path)
    first, second = (task.prepare(english_tokenizer(), "m", tmp_path, seed) for seed in (0, 1))
    same = [
        a.token_digest == b.token_digest
        for a, b in zip(first.datasets, second.datasets, strict=True)
    ]
    assert same == [False, True, True, True]


def test_parts_and_clusters(tmp_path):
    task = small(tmp_path)
    prepared = task.prepare(english_tokenizer(), "m", tmp_path, 0)
    assert prepared.part("test") is prepared
    assert prepared.part("selection").test == prepared.selection
    control = prepared.part("control").test
    assert len(control) == 11
    assert set(control) <= set(prepared.test)
    assert prepared.clusters["accuracy"] == [prompt.template for prompt in prepared.test]
    assert len(set(prepared.clusters["accuracy"])) == 11
    assert "loss" not in prepared.clusters


def test_batches_hold_every_prompt_once_and_no_padding():
    tokenizer = english_tokenizer()
    prompts = tokenize(tokenizer, generate("test", 44, 0, NAMES), [""] * 44, Beginning())
    seen = []
    for chosen, batch in batches(prompts, "cpu"):
        assert batch.is_full
        for row, index in enumerate(chosen):
            assert tuple(batch.input_ids[row].tolist()) == prompts[index].ids
            assert tuple(batch.counterpart[row].tolist()) == prompts[index].corrupted
            assert batch.targets[row].tolist() == [prompts[index].io, prompts[index].s]
        seen += chosen
    assert sorted(seen) == list(range(44))


@pytest.mark.parametrize("field", ROW)
def test_a_missing_field_is_named_with_its_line(tmp_path, field):
    row = {name: value for name, value in ROW.items() if name != field}
    path = write(tmp_path / "p.jsonl", [ROW, "", row])
    with pytest.raises(Sparc3Error, match=rf"p\.jsonl, line 3 has no `{field}`; every line needs"):
        read_prompts(str(path), 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["{"], r"line 1 is not JSON"),
        (["[1]"], r"line 1 is no JSON object"),
        ([{"prompt": "w3"}], r"has no column `io`; every line needs prompt, io, s, corrupted"),
        ([{**ROW, "io": 3}], r"line 1 has a number in column 'io' .*; every line needs"),
        ([{**ROW, "s": " "}], r"line 1 has an empty `s`; every line needs"),
        ([ROW], r"has 1 prompts and 2 are asked for"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, rows, message):
    with pytest.raises(Sparc3Error, match=message):
        read_prompts(str(write(tmp_path / "p.jsonl", rows)), 2)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Sparc3Error, match=r"There is no file or folder '.*none\.jsonl'"):
        read_prompts(str(tmp_path / "none.jsonl"), 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"io": "w10 w9"}, r"line 1: the name 'w10 w9' is not one token .*; use a name that is"),
        ({"s": "unheard"}, r"line 1: the name 'unheard' is not one token"),
        ({"s": "w10"}, r"line 1: `io` and `s` are the same name"),
        ({"corrupted": "w3 w12 w13"}, r"line 1: the prompt has 6 tokens and its corrupted .* 3"),
    ],
)
def test_a_bad_prompt_is_refused_with_its_line(tmp_path, change, message):
    path = write(tmp_path / "p.jsonl", [{**ROW, **change}])
    task = IoiCircuit(reference_prompts=str(path), reference_count=1)
    with pytest.raises(Sparc3Error, match=rf"p\.jsonl, {message}"):
        task.prepare(make_tokenizer(), "m", tmp_path, 0)


def test_test_prompts_may_not_be_reference_prompts(tmp_path):
    path = str(write(tmp_path / "p.jsonl", [ROW]))
    other = str(write(tmp_path / "q.jsonl", [{**ROW, "prompt": "w6 w10 w11 w4 w11 w5"}]))
    counts = {"reference_count": 1, "selection_count": 1, "test_count": 1, "control_count": 1}
    task = IoiCircuit(
        reference_prompts=path,
        selection_prompts=other,
        test_prompts=path,
        **counts,
    )
    with pytest.raises(Sparc3Error, match="1 of the reference prompts are test prompts, too"):
        task.prepare(make_tokenizer(), "m", tmp_path, 0)
    assert task.options()["test_prompts"] == "p.jsonl"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_count": "0"}, "`test_count` .* must be greater than or equal to 1, got '0'"),
        (
            {"general_length": "1"},
            "`general_length` .* must be greater than or equal to 2, got '1'",
        ),
        ({"control_count": "300"}, "`control_count` is 300, more than the 256 test prompts"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(Sparc3Error, match=message):
        build("task", IoiCircuit, options)
