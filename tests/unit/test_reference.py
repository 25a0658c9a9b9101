"""Reference samples: objectives as written out, padding that counts for nothing, batches."""

from __future__ import annotations

import pytest
import torch
from tiny import make_view
from torch import Tensor

from sparc3_bench import Batch, ReferenceSamples, find_objective
from sparc3_bench.attribution.reference import OBJECTIVES
from sparc3_bench.errors import Sparc3Error, UnknownNameError

VOCABULARY = 11
SAMPLES = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3, 0]]  # token 0 is a token, not padding


def dense(name: str, logits: Tensor, ids: list[int]) -> float:
    """Return the objective of one sample without padding, token by token."""
    total, steps = 0.0, len(ids) - 1
    for position in range(steps):
        row, label = logits[position].double(), ids[position + 1]
        log_probability = float(row[label] - row.exp().sum().log())
        total += {
            "label-log-probability": log_probability,
            "label-logit": float(row[label]),
            "argmax-logit": float(row.max()),
            "loss": -log_probability / steps,
        }[name]
    return total


def batch_of(samples: list[list[int]]) -> Batch:
    reference = ReferenceSamples(samples, find_objective("loss"), batch_size=len(samples))
    (batch,) = reference.batches()
    return batch


def logits_for(batch: Batch, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*batch.input_ids.shape, VOCABULARY, generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_objective_is_the_sum_over_samples_of_its_formula(name, dtype):
    batch = batch_of(SAMPLES)
    logits = logits_for(batch, dtype)
    found = find_objective(name)(logits, batch)
    expected = sum(dense(name, logits[i], ids) for i, ids in enumerate(SAMPLES))
    assert found.shape == ()
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_logits_at_padding_and_at_the_last_token_get_no_gradient(name):
    batch = batch_of(SAMPLES)
    logits = logits_for(batch).requires_grad_()
    find_objective(name)(logits, batch).backward()
    for index, ids in enumerate(SAMPLES):
        used = logits.grad[index].abs().sum(-1) > 0
        assert used.tolist() == [position < len(ids) - 1 for position in range(5)]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_values_at_padding_do_not_matter(name):
    batch = batch_of(SAMPLES)
    logits = logits_for(batch)
    loud = logits.masked_fill(batch.attention_mask[..., None] == 0, 1e4)
    objective = find_objective(name)
    assert float(objective(loud, batch)) == float(objective(logits, batch))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
def test_objective_of_a_model_does_not_depend_on_the_batch_size(architecture, name):
    view, objective = make_view(architecture), find_objective(name)

    def total(batch_size: int) -> float:
        reference = ReferenceSamples(SAMPLES, objective, batch_size=batch_size)
        with torch.no_grad():
            return sum(float(objective(view.forward(b), b)) for b in reference.batches())

    assert total(3) == pytest.approx(total(1), rel=1e-4)


def test_batches_hold_the_samples_in_order_with_padding_on_the_right():
    reference = ReferenceSamples(SAMPLES, find_objective("loss"), batch_size=2)
    first, second = reference.batches()
    assert first.input_ids.tolist() == [[3, 1, 4, 1, 5], [9, 2, 0, 0, 0]]
    assert first.attention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert second.input_ids.tolist() == [[6, 5, 3, 0]]
    assert second.attention_mask.tolist() == [[1, 1, 1, 1]]
    assert (first.is_full, second.is_full) == (False, True)


def test_labels_are_the_next_tokens_and_none_is_padding():
    assert batch_of(SAMPLES).labels.tolist() == [
        [1, 4, 1, 5],
        [2, -100, -100, -100],
        [5, 3, 0, -100],
    ]


def test_progress_is_told_after_each_batch_up_to_the_number_of_samples():
    told: list[tuple[int, int]] = []
    reference = ReferenceSamples(
        SAMPLES,
        find_objective("loss"),
        batch_size=2,
        progress=lambda done, total: told.append((done, total)),
    )
    batches = reference.batches()
    next(batches)
    assert told == []
    list(batches)
    assert told == [(2, 3), (3, 3)]


def test_batches_can_be_had_again():
    reference = ReferenceSamples(SAMPLES, find_objective("loss"))
    assert len(list(reference.batches())) == len(list(reference.batches())) == 3


@pytest.mark.parametrize("samples", [[], [[]], [[3]], [[3, 1, 4], [1]]])
def test_samples_without_a_token_to_predict_are_refused(samples):
    with pytest.raises(Sparc3Error, match="at least one sequence of two tokens"):
        ReferenceSamples(samples, find_objective("loss"))


def test_unknown_objective_is_refused_with_the_closest():
    with pytest.raises(UnknownNameError, match="Did you mean 'label-logit'"):
        find_objective("label-logits")
