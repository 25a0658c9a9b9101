"""Batched continuations are those of one prompt at a time, without a cache, written out plainly."""

from __future__ import annotations

import logging
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from sparc3_tasks.correction import generation
from sparc3_tasks.correction.generation import Sampling, nucleus_tokens, respond, uniforms
from test_generation_nucleus import naive_token
from transformers import GenerationConfig

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.testing.tiny import (
    ARCHITECTURES,
    VOCABULARY,
    make_reference,
    make_tokenizer,
    make_view,
)
from sparc3_bench.types.masks import KeepMask

END = 2
NEW = 10
# The last are as of a model whose texts begin with the end of another.
PROMPTS = [
    *make_reference(8, (7, 3, 12, 2, 9, 3)).samples,
    *([8], [END], [5, END], [END, 9, END, END]),
]
GREEDY = Sampling(NEW)
SAMPLED = Sampling(NEW, samples=3, top_p=0.8, temperature=0.7, greedy=False, seed=5)
BOTH = pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])

Answers = list[list[list[int]]]


def silent(done: int, total: int) -> None:
    pass


def naive(view, prompts, sampling: Sampling) -> Answers:
    """Continue without an end, with one forward over the whole text for each token."""
    found: Answers = []
    for index, prompt in enumerate(prompts):
        found.append([[] for _ in range(sampling.samples)])
        for sample, text in enumerate(found[-1]):
            for number in uniforms(sampling.seed, index, sample, sampling.new_tokens):
                with torch.no_grad():
                    logits = view.model(input_ids=torch.tensor([[*prompt, *text]])).logits[0, -1]
                drawn = naive_token(logits / sampling.temperature, number, sampling.top_p)
                text.append(int(logits.argmax()) if sampling.greedy else drawn)
    return found


@cache
def endless(architecture: str, sampling: Sampling) -> Answers:
    return naive(make_view(architecture), PROMPTS, sampling)


def cut(answers: Answers, ends: set[int]) -> Answers:
    """End every text before its first end."""
    places = [
        [next((i for i, token in enumerate(text) if token in ends), NEW) for text in texts]
        for texts in answers
    ]
    return [
        [t[:p] for t, p in zip(*pair, strict=True)] for pair in zip(answers, places, strict=True)
    ]


def lengths(answers: Answers) -> list[int]:
    return [len(text) for texts in answers for text in texts]


def with_end(view, end: int | list[int] | None):
    view.model.config.eos_token_id = end
    return view


@pytest.mark.parametrize("batch_size", [1, 5, 100])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@BOTH
def test_batches_answer_as_the_plain_loop_does(architecture, sampling, batch_size):
    answers = endless(architecture, sampling)
    # The end that makes responses of the most lengths, of none and of all tokens among them.
    variety = {token: Counter(lengths(cut(answers, {END, token}))) for token in range(VOCABULARY)}
    end = max(variety, key=lambda token: (0 in variety[token], len(variety[token])))
    assert len(variety[end]) > 3
    assert {0, NEW} < variety[end].keys()
    view = with_end(make_view(architecture), [END, end])
    found = respond(view, PROMPTS, sampling, silent, batch_size)
    assert found == cut(answers, {END, end})


def test_samples_of_one_prompt_differ():
    assert sum(a != b for a, b, _ in endless("llama", SAMPLED)) > len(PROMPTS) / 2


def test_numbers_belong_to_the_place_of_a_prompt_and_to_the_seed():
    view, options = with_end(make_view("llama"), None), {**vars(SAMPLED)}
    found = endless("llama", SAMPLED)
    assert respond(view, PROMPTS[:4], SAMPLED, silent) == found[:4]
    assert respond(view, PROMPTS[:1] * 4, SAMPLED, silent)[1] != found[0]
    assert respond(view, PROMPTS, Sampling(**{**options, "seed": 6}), silent) != found
    shorter = respond(view, PROMPTS, Sampling(**{**options, "new_tokens": 4}), silent)
    assert shorter == [[text[:4] for text in texts] for texts in found]


def test_a_pruned_model_answers_as_it_is_now():
    view = with_end(make_view("llama"), None)
    half = list(view.weights().items())[::2]
    keep = KeepMask({name: torch.zeros_like(w.matrix, dtype=torch.bool) for name, w in half})
    with view.masked(keep):
        pruned = respond(view, PROMPTS, GREEDY, silent, 4)
        assert pruned == naive(view, PROMPTS, GREEDY)
    assert respond(view, PROMPTS, GREEDY, silent) == endless("llama", GREEDY) != pruned


SETTINGS = [
    {"do_sample": True, "temperature": 9.0, "top_k": 3, "top_p": 0.2, "num_return_sequences": 2},
    {"num_beams": 3},
    {"repetition_penalty": 5.0},
    {"no_repeat_ngram_size": 1},
    {"suppress_tokens": list(range(50))},
    {"begin_suppress_tokens": list(range(90))},
    {"bad_words_ids": [[token] for token in range(50)]},
    {"min_new_tokens": NEW, "min_length": 30},
    {"max_length": 4},
    {"forced_eos_token_id": 7},
    {"eos_token_id": list(range(3, 96)), "pad_token_id": 4},
    {"use_cache": False, "return_dict_in_generate": True},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: next(iter(settings)))
@BOTH
def test_the_models_own_settings_are_neither_used_nor_changed(sampling, settings):
    end = endless("llama", sampling)[0][0][4]
    view = with_end(make_view("llama"), [END, end])
    view.model.generation_config = theirs = GenerationConfig(**settings)
    before = theirs.to_dict()
    assert respond(view, PROMPTS, sampling, silent) == cut(endless("llama", sampling), {END, end})
    assert view.model.generation_config is theirs
    assert theirs.to_dict() == before


def test_the_models_own_settings_are_back_after_an_error():
    view = make_view("llama")
    theirs = view.model.generation_config

    def fail(*args: object) -> None:
        raise RuntimeError

    view.model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError):
        respond(view, PROMPTS, GREEDY, silent)
    assert view.model.generation_config is theirs


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@BOTH
def test_nothing_is_logged(architecture, sampling):
    view = with_end(make_view(architecture), END)
    view.model.generation_config = GenerationConfig(max_length=4, temperature=0.1)
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append
    logger = logging.getLogger("transformers")
    logging.Logger.warning_once.cache_clear()  # else what an earlier test caused is not seen
    logger.addHandler(handler)
    try:
        respond(view, [*PROMPTS, [5] * (64 - NEW)], sampling, silent, 4)
    finally:
        logger.removeHandler(handler)
    assert [record.getMessage() for record in records] == []


@pytest.mark.parametrize(
    ("declared", "tokenizer", "ends"),
    [
        (None, False, set()),
        (40, False, {40}),
        ([40, 41], False, {40, 41}),
        (None, True, {END}),
        ([40, 41], True, {40, 41, END}),
    ],
)
def test_a_text_ends_with_the_ends_of_the_model_and_of_its_tokenizer(declared, tokenizer, ends):
    view = make_view("gpt2", tokenizer=make_tokenizer() if tokenizer else None)
    prompts = [[token] for token in range(3, 90)] * 2
    # Nearly even chances: every token comes to be drawn.
    sampling = Sampling(NEW, top_p=1, temperature=30, greedy=False)
    answers = respond(with_end(make_view("gpt2"), None), prompts, sampling, silent)
    assert {END, 40, 41} < {token for (text,) in answers for token in text}
    assert respond(with_end(view, declared), prompts, sampling, silent) == cut(answers, ends)


@pytest.mark.parametrize("place", range(NEW))
def test_a_response_that_ended_is_told_from_one_cut_off(place):
    whole = endless("opt", GREEDY)[0][0]
    view, first = with_end(make_view("opt"), whole[place]), whole.index(whole[place])
    for count in range(1, NEW + 1):  # the end may be the last of the new tokens, or one too late
        ((text,),) = respond(view, PROMPTS[:1], Sampling(count), silent)
        assert text == whole[: min(first, count)]


def calls_of(view, prompts, sampling: Sampling, batch_size: int = 256) -> list[tuple]:
    """Return the shapes of the ids and of the logits of every forward of the model."""
    calls = []

    def after(module, args, kwargs, output):
        calls.append((tuple(kwargs["input_ids"].shape), tuple(output.logits.shape)))

    view.model.register_forward_hook(after, with_kwargs=True)
    respond(view, prompts, sampling, silent, batch_size)
    return calls


def test_each_token_is_read_once_and_only_the_last_has_logits():
    calls = calls_of(with_end(make_view("llama"), None), [[5, 6, 7], [8]], Sampling(4))
    assert calls == [((2, 3), (2, 1, 96)), *[((2, 1), (2, 1, 96))] * 3]


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(NEW, top_p=1e-9, greedy=False)])
def test_generation_stops_when_all_have_ended(sampling):
    view = with_end(make_view("opt"), endless("opt", GREEDY)[0][0][3])
    place = endless("opt", GREEDY)[0][0].index(view.model.config.eos_token_id)
    assert len(calls_of(view, PROMPTS[:1] * 2, sampling)) == place + 1 < NEW


def test_prompts_of_about_one_length_share_a_batch_and_the_longest_come_first():
    prompts = [[5] * length for length in (3, 9, 4, 9, 3, 4, 1)]
    widths = [ids for ids, _ in calls_of(make_view("llama"), prompts, Sampling(1), batch_size=2)]
    assert widths == [(2, 9), (2, 4), (2, 3), (1, 1)]


def test_progress_counts_continuations():
    seen: list[tuple[int, int]] = []
    sampling = Sampling(2, samples=3, greedy=False)
    respond(make_view("gpt2"), PROMPTS[:3], sampling, lambda *at: seen.append(at), batch_size=4)
    assert seen == [(4, 9), (8, 9), (9, 9)]
    assert respond(make_view("gpt2"), [], sampling, lambda *at: seen.append(at)) == []
    assert len(seen) == 3


def test_rows_that_have_ended_are_not_drawn_for(monkeypatch):
    skipped: list[np.ndarray] = []

    def spy(logits, numbers, top_p, skip):
        skipped.append(skip.numpy().copy())
        return nucleus_tokens(logits, numbers, top_p, skip)

    monkeypatch.setattr(generation, "nucleus_tokens", spy)
    view, prompts = with_end(make_view("llama"), END), [[token, END] for token in range(3, 96)]
    sampling = Sampling(NEW, top_p=1, temperature=30, greedy=False)
    found = np.array(lengths(respond(view, prompts, sampling, silent)))
    assert len(set(found)) > 3
    assert np.array_equal(skipped, [found < step for step in range(NEW)])


def test_a_prompt_without_a_token_is_refused():
    view = make_view("opt")
    with pytest.raises(Sparc3Error, match="Prompt 1 has no token"):
        respond(view, [[5], []], Sampling(4), silent)
    assert len(respond(with_end(view, None), [[5] * 60], Sampling(4), silent)[0][0]) == 4
