"""On SmolLM2-135M in float32, batches answer real prompts as one prompt at a time does."""

from __future__ import annotations

import pytest
from sparc3_tasks.correction.generation import Sampling, respond

from sparc3_bench import ModelView
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model

pytestmark = pytest.mark.real

TEXTS = [
    "The",
    "My grandmother",
    "The capital of France is",
    "One, two, three, four, five,",
    "She opened the door of the old house and",
    "Water boils at one hundred degrees and freezes at",
    "In the morning we walked along the river until we came to",
    "def add(a, b):\n    return",
    "Dear Sir or Madam, I am writing to you because the heating in my flat has been",
    "The first thing to know about bread is that it needs time. The second is",
    "Monday, Tuesday, Wednesday, Thursday,",
    "He did not know what to say, so he said nothing, and she, who had been waiting for an answer "
    "all evening, took her coat from the chair and",
]


@pytest.fixture(scope="module")
def view(cache) -> ModelView:
    return find_model("smollm2-135m", default_host(), cache, "float32", "cpu").load("all")


@pytest.fixture(scope="module")
def prompts(view) -> list[list[int]]:
    prompts = [view.tokenizer(text)["input_ids"] for text in TEXTS]
    assert len({len(prompt) for prompt in prompts}) >= 9
    return prompts


def answers(view, prompts, sampling: Sampling, batch_size: int) -> list[list[list[int]]]:
    return respond(view, prompts, sampling, lambda done, total: None, batch_size)


@pytest.mark.parametrize(
    "sampling",
    [Sampling(12), Sampling(12, greedy=False, seed=1)],
    ids=["greedy", "sampled"],
)
def test_the_size_of_batches_changes_nothing(view, prompts, sampling):
    alone = answers(view, prompts, sampling, 1)
    assert answers(view, prompts, sampling, 5) == alone
    assert answers(view, prompts, sampling, 12) == alone


def test_answers_make_sense_and_some_end(view, prompts):
    sampling = Sampling(16)
    found = dict(zip(TEXTS, answers(view, prompts, sampling, 12), strict=True))
    said = {text: view.tokenizer.decode(answer) for text, (answer,) in found.items()}
    assert said["The capital of France is"].startswith(" Paris")
    assert said["Monday, Tuesday, Wednesday, Thursday,"].startswith(" Friday")
    assert said["One, two, three, four, five,"].startswith(" six, seven, eight")
    question = "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\n"
    ((answer,),) = answers(view, [view.tokenizer(question)["input_ids"]], Sampling(60), 1)
    assert len(answer) < 60
    assert view.tokenizer.eos_token_id not in answer
