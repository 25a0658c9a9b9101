"""Log-likelihoods in batches: those of one continuation at a time, whatever shares what."""

from __future__ import annotations

import random

import pytest
import torch
from sparc3_tasks.zero_shot import likelihoods
from sparc3_tasks.zero_shot.likelihoods import Asked, log_likelihoods

from sparc3_bench.model.state import differences, taken
from sparc3_bench.testing.tiny import ARCHITECTURES, VOCABULARY, make_view

LIMIT = 40
SMALL = likelihoods._Batch(64, 9)


def questions() -> list[Asked]:
    """Items as benchmarks have them: contexts of all lengths, with one to four continuations."""
    draw = random.Random(0)

    def words(count):
        return tuple(draw.randrange(3, VOCABULARY) for _ in range(count))

    found = []
    for length in (1, 2, 3, 5, 8, 8, 13, 21, 30):
        context = words(length)
        found += [Asked(context, words(count)) for count in (1, 1, 4, 7)]
        found.append(Asked(context, found[-1].continuation))  # the same answer twice
        found.append(Asked(context, (*found[-1].continuation[:-1], 5)))  # but for its last token
        first, *rest = found[-1].continuation
        found.append(Asked((*context, first), tuple(rest)))  # the same, cut elsewhere
    found += [Asked(words(1 + length), words(1 + length % 3)) for length in range(24)]
    found.append(Asked(words(LIMIT), words(5)))  # longer than the model takes
    draw.shuffle(found)
    return found


def one_by_one(view, asked: Asked) -> tuple[float, bool]:
    """The definition, in double precision where the model is."""
    ids = torch.tensor([(*asked.context, *asked.continuation)[:-1][-LIMIT:]])
    with torch.no_grad():
        logits = view.model(input_ids=ids, use_cache=False).logits[0].double()
    total, greedy = 0.0, True
    last = len(ids[0]) - len(asked.continuation)
    for place, token in enumerate(asked.continuation):
        here = logits[last + place].log_softmax(-1)
        total += float(here[token])
        greedy = greedy and int(here.argmax()) == token
    return total, greedy


def answers(view, asked) -> list[tuple[float, bool]]:
    found = {}
    for batch in log_likelihoods(view, asked, LIMIT):
        assert not set(batch) & set(found)
        found.update(batch)
    return [tuple(found[place]) for place in range(len(asked))]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_they_are_those_of_one_continuation_at_a_time(architecture, monkeypatch):
    monkeypatch.setitem(likelihoods._BATCH, "cpu", SMALL)  # several batches
    view = make_view(architecture)
    asked = questions()
    # What the model would write, so that some continuations are just that.
    with torch.no_grad():
        best = view.model(torch.tensor([asked[0].context])).logits[0, -1].argmax()
    asked += [Asked(asked[0].context, (int(best),)), Asked(asked[0].context, (int(best), 5))]
    found = answers(view, asked)
    expected = [one_by_one(view, one) for one in asked]
    assert [ll for ll, _ in found] == pytest.approx([ll for ll, _ in expected], abs=2e-5)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
    assert 0 < sum(greedy for _, greedy in found) < len(found)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_size_of_batches_moves_nothing_but_rounding(architecture, monkeypatch):
    view = make_view(architecture)
    large = answers(view, questions())
    for most in ((1, 0), (50, 9), (1000, 1000)):
        monkeypatch.setitem(likelihoods._BATCH, "cpu", likelihoods._Batch(*most))
        small = answers(view, questions())
        assert [ll for ll, _ in small] == pytest.approx([ll for ll, _ in large], abs=2e-5)
        assert [greedy for _, greedy in small] == [greedy for _, greedy in large]


def test_equal_questions_get_equal_answers():
    view = make_view("llama")
    asked = questions()
    found = dict(zip(asked, answers(view, asked), strict=True))
    assert len(found) < len(asked)
    for one, answer in zip(asked, answers(view, asked), strict=True):
        assert found[one] == answer


def test_after_an_interruption_the_rest_is_as_it_would_have_been(monkeypatch):
    monkeypatch.setitem(likelihoods._BATCH, "cpu", SMALL)
    view = make_view("llama")
    asked = questions()
    batches = [dict(batch) for batch in log_likelihoods(view, asked, LIMIT)]
    assert len(batches) > 6
    done = {place for batch in batches[:4] for place in batch}
    left = [place for place in range(len(asked)) if place not in done]
    again = [
        {left[place]: value for place, value in batch.items()}
        for batch in log_likelihoods(view, [asked[place] for place in left], LIMIT)
    ]
    assert again == batches[4:]


def test_a_shared_context_is_run_once():
    view = make_view("llama")
    context = tuple(range(3, 33))
    list(log_likelihoods(view, [Asked(context, (token, 4, 5)) for token in range(6, 10)], LIMIT))
    assert view.tokens == len(context) + 4 * 2


def test_the_last_token_of_an_answer_costs_nothing():
    view = make_view("llama")
    context = tuple(range(3, 33))
    list(log_likelihoods(view, [Asked(context, (token,)) for token in range(6, 10)], LIMIT))
    assert view.tokens == len(context)
    list(log_likelihoods(view, [Asked(context, (6, token)) for token in range(6, 10)], LIMIT))
    assert view.tokens == 2 * len(context) + 1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_model_and_process_are_as_before_and_masks_count(architecture):
    view = make_view(architecture)
    before, dense = taken(view), answers(view, questions())
    assert not any(differences(before, taken(view)).values())
    weight = next(iter(view.weights().values()))
    with torch.no_grad():
        weight.parameter.zero_()
    assert answers(view, questions()) != dense
