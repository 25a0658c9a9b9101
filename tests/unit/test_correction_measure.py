"""What a model does beside its responses: every number as of one sample at a time."""

from __future__ import annotations

import math

import pytest
import torch
from sparc3_tasks.correction import measure
from sparc3_tasks.correction.last_word import Cut
from torch import Tensor

from sparc3_bench import ModelView
from sparc3_bench.testing.tiny import VOCABULARY, make_reference, make_view
from sparc3_bench.types.masks import KeepMask

LENGTHS = (9, 3, 14, 1, 6, 2, 11)
PROMPTS = [sample[1:] for sample in make_reference(7, tuple(n + 1 for n in LENGTHS)).samples]
COUNTS = (5, 9, 0, 1, 0, 7, 2)
RESPONSES = [
    sample[:count]
    for sample, count in zip(make_reference(7, (9,), seed=1).samples, COUNTS, strict=True)
]
PAIRS = list(zip(PROMPTS, RESPONSES, strict=True))

several = pytest.mark.parametrize("positions", [1, 20, 45, 1024])
architectures = pytest.mark.parametrize("architecture", ["llama", "gpt2"])


@pytest.fixture
def at_once(monkeypatch, positions):
    """Let batches hold so many positions; 1 makes every sample a batch of its own."""
    monkeypatch.setattr(measure, "_POSITIONS", positions)


def rows(view: ModelView, ids: list[int]) -> Tensor:
    """Return the log-probabilities behind every token of one text, ``[tokens, vocabulary]``."""
    with torch.no_grad():
        return view.model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)


def loss(view: ModelView, prompt: list[int], response: list[int]) -> float:
    if not response:
        return 0.0
    found = rows(view, [*prompt, *response])
    return -sum(
        float(found[len(prompt) + place - 1, token]) for place, token in enumerate(response)
    )


def without_a_layer(view: ModelView) -> KeepMask:
    names = [name for name in view.weights() if ".1." in name]
    weights = {name: view.weights()[name].matrix for name in names}
    return KeepMask({name: torch.zeros_like(w, dtype=torch.bool) for name, w in weights.items()})


@several
@architectures
@pytest.mark.usefixtures("at_once")
def test_losses_are_those_of_one_response_at_a_time(architecture):
    view = make_view(architecture)
    nats, counts = measure.losses(view, PAIRS)
    assert counts == list(COUNTS)
    assert nats == pytest.approx([loss(view, *pair) for pair in PAIRS], rel=1e-4)
    assert [nats[index] for index, count in enumerate(counts) if not count] == [0, 0]
    assert len(set(nats)) == 6


def test_losses_of_empty_responses_alone_need_no_model():
    assert measure.losses(None, [([3, 4], []), ([5], ())]) == ([0.0, 0.0], [0, 0])
    assert measure.losses(None, []) == ([], [])


@several
@pytest.mark.usefixtures("at_once")
def test_window_losses_are_means_over_all_tokens_but_the_first():
    view = make_view("llama")
    windows = [sample for sample in PROMPTS if len(sample) > 1]
    expected = [
        sum(loss(view, window[:place], [window[place]]) for place in range(1, len(window)))
        / (len(window) - 1)
        for window in windows
    ]
    assert measure.window_losses(view, windows) == pytest.approx(expected, rel=1e-4)


def written(view: ModelView, context: list[int], count: int) -> list[int]:
    """Write so many words greedily, one forward a token."""
    ids = list(context)
    for _ in range(count):
        ids.append(int(rows(view, ids)[-1].argmax()))
    return ids[len(context) :]


@several
@architectures
@pytest.mark.usefixtures("at_once")
def test_last_word_is_right_where_greedy_writing_gives_all_its_tokens(architecture):
    view = make_view(architecture)
    items, expected = [], []
    for prompt, count in zip(PROMPTS, (1, 2, 3, 1, 2, 3, 1), strict=True):
        word = written(view, prompt, count)
        items.append(Cut(tuple(prompt), tuple(word)))
        expected.append(1.0)
        for place in range(count):
            wrong = list(word)
            wrong[place] = 3 + (wrong[place] + 1) % (VOCABULARY - 3)
            items.append(Cut(tuple(prompt), tuple(wrong)))
            # What was wrong may be what the model would go on with behind the wrong word.
            expected.append(float(written(view, prompt, count) == wrong))
    assert 0 < sum(expected) < len(expected)
    assert measure.last_words(view, items) == expected


@several
@architectures
@pytest.mark.usefixtures("at_once")
def test_logarithms_are_those_of_one_prompt_at_a_time(architecture):
    view = make_view(architecture)
    found = measure.logarithms(view, PROMPTS)
    assert [len(values) for values in found] == list(LENGTHS)
    for values, prompt in zip(found, PROMPTS, strict=True):
        assert values.dtype == torch.float32
        torch.testing.assert_close(values.double(), rows(view, prompt), rtol=1e-4, atol=1e-4)


def test_divergence_is_the_mean_over_positions_of_the_distance_from_the_dense_model():
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 9), (1, 9), (7, 9)]
    dense, here = (
        [torch.randn(shape, generator=generator).log_softmax(-1) for shape in shapes] for _ in "ab"
    )
    expected = []
    for p, q in zip(dense, here, strict=True):
        total = 0.0
        for one, other in zip(p.tolist(), q.tolist(), strict=True):
            total += sum(math.exp(a) * (a - b) for a, b in zip(one, other, strict=True))
        expected.append(total / len(p))
    found = measure.divergences(dense, here)
    assert found == pytest.approx(expected, rel=1e-5)
    assert min(found) > 0
    assert measure.divergences(here, dense) != pytest.approx(expected, rel=1e-2)


@architectures
def test_divergence_is_zero_for_equal_models_and_not_for_a_pruned_one(architecture):
    view = make_view(architecture)
    dense = measure.logarithms(view, PROMPTS)
    assert measure.divergences(dense, measure.logarithms(view, PROMPTS)) == [0.0] * len(PROMPTS)
    with view.masked(without_a_layer(view)):
        pruned = measure.logarithms(view, PROMPTS)
    assert min(measure.divergences(dense, pruned)) > 1e-3


def test_pruned_model_is_measured_as_it_is_now():
    view = make_view("llama")
    windows = [sample for sample in PROMPTS if len(sample) > 1]
    dense = measure.window_losses(view, windows)
    with view.masked(without_a_layer(view)):
        pruned = measure.window_losses(view, windows)
        assert pruned[0] == pytest.approx(
            loss(view, windows[0][:1], windows[0][1:]) / (len(windows[0]) - 1), rel=1e-4
        )
    assert measure.window_losses(view, windows) == dense
    assert all(abs(a - b) > 1e-3 for a, b in zip(dense, pruned, strict=True))


def test_samples_of_about_one_length_share_a_batch_and_the_longest_come_first(monkeypatch):
    monkeypatch.setattr(measure, "_POSITIONS", 30)
    view = make_view("llama")
    order, shapes = [], []
    for chosen, batch in measure._batches([(prompt, ()) for prompt in PROMPTS], view):
        order += chosen
        shapes.append(tuple(batch.input_ids.shape))
        assert batch.starts.tolist() == [LENGTHS[index] for index in chosen]
        assert batch.attention_mask.sum(1).tolist() == [LENGTHS[index] for index in chosen]
    assert sorted(order) == list(range(len(PROMPTS)))
    assert all(count * width <= 30 for count, width in shapes)
    assert [width for _, width in shapes] == sorted((w for _, w in shapes), reverse=True)
    assert shapes[0] == (2, 14)
