"""References of a correction: which responses are undesired, and the general text beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from sparc3_tasks.correction import prepared as module
from sparc3_tasks.correction.looping import RepetitionCorrection
from sparc3_tasks.correction.prepared import PreparedCorrection, general_samples
from sparc3_tasks.correction.references import Undesired
from sparc3_tasks.correction.toxicity import ToxicityCorrection
from sparc3_tasks.texts.begin import Beginning

from sparc3_bench import Batch, Sparc3Error
from sparc3_bench.errors import UnknownNameError
from sparc3_bench.testing.tiny import make_tokenizer

TEXT = list(range(1000, 1400))

Answers = list[list[list[int]]]


def prepared(
    seed: int = 0,
    text: Sequence[int] = TEXT,
    begin: Beginning = Beginning(),  # noqa: B008  # frozen
    **options: Any,
) -> PreparedCorrection:
    """Return what is left of a prepared task where only references are made: no data, no model."""
    given = {"undesired_least": 1, "samples": 2, **options}
    return PreparedCorrection(
        task=ToxicityCorrection(**given),
        tokenizer=make_tokenizer(),
        ids={"reference": [(3, 4), (5,), (6, 7, 8), (9,), (10, 11)]},
        chosen={},
        asked=(),
        begin=begin,
        windows=(),
        held_out={},
        side=None,
        general_text=text,
        seed=seed,
        datasets=(),
        warnings=(),
    )


def silent(done: int, total: int) -> None:
    pass


def chosen(
    task: PreparedCorrection, responses: Answers, scores: list[list[float]]
) -> tuple[list[tuple[list[int], list[int]]], str]:
    """Return the undesired samples where the model answers and the judge says so."""
    (texts,) = task.asked_texts(responses).values()
    decode = task.tokenizer.batch_decode
    assert texts == [decode(some, skip_special_tokens=True) for some in responses]
    found = task.learned(responses, {"responses": scores}).undesired
    return [(list(prompt), list(response)) for prompt, response in found.samples], found.told


RESPONSES: Answers = [
    [[20, 21], [22]],
    [[23], [24, 25]],
    [[26, 27, 28], []],
    [[29], [30]],
    [[31], [32]],
]
SCORES = [[0.2, 0.6], [0.9, 0.1], [0.3, 0.0], [0.5, 0.5], [0.49, 0.45]]


def test_worst_response_of_every_prompt_that_reaches_the_threshold_is_kept_the_worst_first():
    found, told = chosen(prepared(), RESPONSES, SCORES)
    assert found == [([5], [23]), ([3, 4], [22]), ([9], [29])]
    assert told == (
        "3 of 5 attribution prompts have a response that scores 0.5 or more; the 3 highest steer "
        "the scores (mean 0.67)."
    )


@pytest.mark.parametrize(
    ("threshold", "prompts"),
    [(0.1, [1, 0, 3, 4, 2]), (0.45, [1, 0, 3, 4]), (0.49, [1, 0, 3, 4]), (0.6, [1, 0]), (0.9, [1])],
)
def test_threshold_is_reached_by_what_equals_it(threshold, prompts):
    task = prepared(threshold=threshold)
    found, _ = chosen(task, RESPONSES, SCORES)
    assert [task.ids["reference"].index(tuple(prompt)) for prompt, _ in found] == prompts


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_no_more_than_the_count_are_kept(count):
    found, told = chosen(prepared(undesired_count=count, threshold=0.2), RESPONSES, SCORES)
    best = [([5], [23]), ([3, 4], [22]), ([9], [29]), ([10, 11], [31]), ([6, 7, 8], [26, 27, 28])]
    assert found == best[:count]
    assert told.startswith("5 of 5 ")
    assert f"the {min(count, 5)} highest" in told


def test_of_equals_the_first_prompt_and_the_first_response_come_first():
    found, _ = chosen(prepared(), RESPONSES, [[0.7, 0.7]] * 2 + [[0.7, 0.1]] + [[0.7, 0.7]] * 2)
    assert [response for _, response in found] == [[20, 21], [23], [26, 27, 28], [29], [31]]


def test_empty_response_is_never_chosen_however_undesired():
    responses = [[[], [22]], [[], []], [[26, 27, 28], []], [[29], [30]], [[31], [32]]]
    scores = [[0.9, 0.6], [1.0, 1.0], [0.55, 0.99], [0.7, 0.1], [0.1, 0.1]]
    found, told = chosen(prepared(), responses, scores)
    assert found == [([9], [29]), ([3, 4], [22]), ([6, 7, 8], [26, 27, 28])]
    assert told.startswith("3 of 5 ")


def test_too_few_are_refused_with_how_many_come_close():
    task = prepared(threshold=0.55, undesired_least=3)
    with pytest.raises(Sparc3Error) as caught:
        chosen(task, RESPONSES, SCORES)
    assert str(caught.value) == (
        "Of 5 attribution prompts 2 have a response that reaches the `threshold` of 0.55, at least "
        "3 are needed (2 come within 0.1 of it, the highest score is 0.90); lower `threshold`, "
        "raise `reference_count` or `samples`, or give prompts that ask for more."
    )
    assert len(chosen(prepared(threshold=0.5, undesired_least=3), RESPONSES, SCORES)[0]) == 3


def test_nothing_written_at_all_is_refused():
    with pytest.raises(Sparc3Error, match=r"prompts 0 have .* the highest score is 0\.00"):
        chosen(prepared(), [[[], []]] * 5, [[0.9, 0.9]] * 5)


def test_texts_are_without_what_only_the_tokenizer_reads():
    assert prepared().texts([[[20, 1, 21], []], [[2, 22, 2]]]) == [["w20 w21", ""], ["w22"]]


def test_repetition_is_counted_and_asks_no_judge():
    task = replace(prepared(), task=RepetitionCorrection(threshold=0.5, undesired_least=1))
    responses = [[[20, 20, 20, 21]], [[22, 23]], [[24] * 10], [[]], [[25, 25]]]
    assert task.asked_texts(responses) == {}
    scores = task.task.undesired(responses, {})
    assert [score for (score,) in scores] == pytest.approx([0.5, 0.0, 0.9, 0.0, 0.5])
    found = task.learned(responses, {}).undesired
    written = [list(response) for _, response in found.samples]
    assert written == [[24] * 10, [20, 20, 20, 21], [25] * 2]


def test_model_is_asked_the_attribution_prompts(monkeypatch):
    asked = []

    def respond(model, prompts, sampling, progress, batch):
        asked.append((model, prompts, sampling, progress, batch))
        return RESPONSES

    monkeypatch.setattr(module, "respond", respond)
    task = prepared(generation_batch=7)
    assert task.task.facts.ask(task, "model", silent) == RESPONSES
    assert asked == [("model", task.ids["reference"], task.task.sampling, silent, 7)]


UNDESIRED = Undesired([((3, 4), [5, 6, 7]), ((8,), [9]), ((3,) * 6, [4] * 5)], "told")


def is_piece(sample: Sequence[int]) -> bool:
    return list(sample) == list(range(sample[0], sample[0] + len(sample)))


def test_matched_pieces_are_as_long_as_the_undesired_samples_and_asked_in_the_same_places():
    samples, starts = general_samples(prepared(), UNDESIRED)
    assert [len(sample) for sample in samples] == [5, 2, 11]
    assert starts == [2, 1, 6]
    assert all(map(is_piece, samples))


def test_windows_are_whole_ones_that_do_not_overlap():
    task = prepared(general="windows", general_windows=4, general_length=30)
    samples, starts = general_samples(task, UNDESIRED)
    assert starts == [0] * 4
    assert [len(sample) for sample in samples] == [30] * 4
    assert all(map(is_piece, samples))
    places = [sample[0] - 1000 for sample in samples]
    assert len(set(places)) == 4
    assert all(place % 30 == 0 for place in places)


def test_both_are_the_one_and_then_the_other():
    sizes = {"general_windows": 3, "general_length": 20}
    kinds = [
        general_samples(prepared(general=general, **sizes), UNDESIRED)
        for general in ("matched", "windows", "both")
    ]
    matched, windows, both = kinds
    assert both == (matched[0] + windows[0], matched[1] + windows[1])


@pytest.mark.parametrize("general", ["matched", "windows", "both"])
def test_seed_draws_the_general_text(general):
    options = {"general": general, "general_windows": 5, "general_length": 10}
    one, again, other = (
        general_samples(prepared(seed, **options), UNDESIRED) for seed in (0, 0, 1)
    )
    assert one == again
    assert one[0] != other[0]
    assert one[1] == other[1]


def test_every_window_may_be_drawn_and_one_more_is_refused():
    options = {"general": "windows", "general_length": 40}
    samples, _ = general_samples(prepared(general_windows=10, **options), UNDESIRED)
    assert sorted(token for sample in samples for token in sample) == TEXT
    with pytest.raises(Sparc3Error) as caught:
        general_samples(prepared(general_windows=11, **options), UNDESIRED)
    assert str(caught.value) == (
        "The general text makes 10 windows of 40 tokens; 11 are needed. Give a longer text or ask "
        "for fewer."
    )


def test_text_that_is_too_short_for_all_pieces_is_refused():
    assert len(general_samples(prepared(text=TEXT[:18]), UNDESIRED)[0]) == 3
    with pytest.raises(Sparc3Error, match="has 17 tokens and pieces of 18 are to be cut"):
        general_samples(prepared(text=TEXT[:17]), UNDESIRED)


def test_references_are_the_general_and_the_undesired_samples_with_their_starts():
    task = replace(prepared(), undesired=UNDESIRED)
    found = task.references("label-logit")
    assert list(found) == ["general", "undesired"]
    samples, starts = general_samples(task, UNDESIRED)
    assert (found["general"].samples, found["general"].starts) == (samples, starts)
    assert found["undesired"].samples == [[3, 4, 5, 6, 7], [8, 9], [3] * 6 + [4] * 5]
    assert found["undesired"].starts == [2, 1, 6]


def test_before_the_model_is_met_there_are_none_but_a_wrong_objective_is_refused():
    assert prepared().references("label-logit") == {}
    with pytest.raises(UnknownNameError, match="Did you mean 'label-logit'"):
        prepared().references("label-logits")


def test_scores_of_means_over_tokens_are_not_taken_for_those_of_sums():
    digests = {}
    for normalise in ("none", "tokens", "mass"):
        task = replace(prepared(normalise=normalise), undesired=UNDESIRED)
        digests[normalise] = [one.digest for one in task.references("label-logit").values()]
    # The mass of a sample is divided out of scores that are the same.
    assert digests["none"] == digests["mass"]
    assert not set(digests["none"]) & set(digests["tokens"])


@pytest.mark.parametrize(("normalise", "parts"), [("none", 1), ("mass", 1), ("tokens", 3)])
def test_only_normalisation_by_tokens_changes_what_is_attributed(normalise, parts):
    task = replace(prepared(normalise=normalise), undesired=UNDESIRED)
    ids, mask = torch.tensor([[3, 4, 5, 6, 7]]), torch.ones(1, 5, dtype=torch.long)
    batch = Batch(ids, mask, starts=torch.tensor([2]))
    logits = torch.arange(50.0).view(1, 5, 10)
    for reference in task.references("label-logit").values():
        assert float(reference.objective(logits, batch)) == (15 + 26 + 37) / parts


def test_learning_keeps_the_task_and_adds_the_undesired_responses():
    task = prepared()
    found = task.task.facts.learned(task, RESPONSES, {"responses": SCORES})
    assert task.undesired is None
    assert replace(found, undesired=None) == task
    assert tuple(found.references("loss")) == task.task.facts.purposes
    assert [list(response) for _, response in found.undesired.samples] == [[23], [22], [29]]
    assert found.remarks({}) == (found.undesired.told,)
    assert task.remarks({}) == ()
