"""Every built-in task keeps every promise that the kit checks, on the texts of real runs."""

from __future__ import annotations

import pytest
from conformance.sound_task import Sound

from sparc3_bench.host import default_host
from sparc3_bench.testing import check_task, parametrize_with_checks
from sparc3_bench.testing.task_ground import tiny, trained
from sparc3_bench.testing.tokenizer import SIZE, Words

TASKS = {name: entry.cls for name, entry in default_host().all("task").items()}


@pytest.mark.real
@parametrize_with_checks(TASKS.values())
def test_built_in_tasks_conform(plugin, check):
    check(plugin)


def test_options_go_before_the_tiny_ones(monkeypatch):
    monkeypatch.setattr(Sound, "tiny_options", {"count": 3})
    assert check_task(Sound).options == {"count": 3}
    report = check_task(Sound, options={"count": 4}, expected_failures={})
    assert report.options == {"count": 4}


def test_any_text_has_tokens_and_comes_back_as_words():
    words = Words()
    text = "Ærlig talt, 東京 is 12:30 away!"
    ids = words(text)["input_ids"]
    assert words.decode(ids) == "Ærlig talt , 東京 is 12 : 30 away !"
    assert all(3 <= index < SIZE for index in ids)
    assert words("</s>")["input_ids"] == [words.eos_token_id]
    assert len(words) == len(words.get_vocab()) == SIZE
    assert Words()(text)["input_ids"] == ids


def test_a_tiny_model_learns_to_go_on():
    import torch

    ground = tiny("llama")
    rows = [(5, 6, 7, 8), (9, 6, 3, 4, 11)]
    model = trained(ground, rows).model
    for row in rows:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row[:-1]])).logits
        assert int(logits[0, -1].argmax()) == row[-1]
    again = trained(ground, rows[::-1]).model
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
