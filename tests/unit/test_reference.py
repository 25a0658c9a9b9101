"""Reference samples: objectives as written out, padding that counts for nothing, batches."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sparc3_bench import Alteration, Batch, ReferenceSamples, find_objective
from sparc3_bench.attribution.objectives import OBJECTIVES
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.testing.tiny import VOCABULARY as WORDS
from sparc3_bench.testing.tiny import make_view
from sparc3_bench.types.samples import TOGETHER

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


def test_short_samples_run_together_as_long_as_their_tokens_with_padding_are_few():
    lengths = [200, 256, 3, 300, 300, 600, 8, 8, 64, 8]
    samples = [[index] * length for index, length in enumerate(lengths)]
    reference = ReferenceSamples(samples, find_objective("loss"), batch_size=None)
    batches = [batch.input_ids for batch in reference.batches()]
    assert [ids[:, 0].tolist() for ids in batches] == [[0, 1], [2], [3], [4], [5], [6, 7, 8, 9]]
    assert [ids.numel() for ids in batches if ids.numel() > TOGETHER] == [600]


@pytest.mark.parametrize("samples", [[], [[]], [[3]], [[3, 1, 4], [1]]])
def test_samples_without_a_token_to_predict_are_refused(samples):
    with pytest.raises(Sparc3Error, match="at least one sequence of two tokens"):
        ReferenceSamples(samples, find_objective("loss"))


def test_unknown_objective_is_refused_with_the_closest():
    with pytest.raises(UnknownNameError, match="Did you mean 'label-logit'"):
        find_objective("label-logits")


def aligned(lengths: tuple[int, ...], side: str) -> Batch:
    """Make random samples with padding on one side; the padding is a token like any other."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, WORDS, (len(lengths), max(lengths)), generator=generator)
    places = torch.arange(max(lengths))[None]
    places = places.flip(1) if side == "left" else places
    return Batch(ids, (places < torch.tensor(lengths)[:, None]).long())


@pytest.mark.parametrize("lengths", [(5, 5), (5, 1, 3), (1, 6), (4,), (1,)], ids=str)
@pytest.mark.parametrize("side", ["left", "right"])
def test_last_is_the_last_token_that_is_no_padding(side, lengths):
    batch = aligned(lengths, side)
    longest = max(lengths)
    expected = [(longest if side == "left" else length) - 1 for length in lengths]
    assert batch.last.tolist() == expected
    assert batch.rows.tolist() == list(range(len(lengths)))
    assert batch.is_full is (min(lengths) == longest)
    for row, last in zip(batch.rows, batch.last, strict=True):
        assert batch.attention_mask[row, last] == 1
        assert batch.attention_mask[row, last + 1 :].sum() == 0


@pytest.mark.parametrize("lengths", [(6, 6), (6,), (6, 2, 4), (1, 6)], ids=str)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
def test_last_logits_are_those_of_the_whole_forward_at_the_last_token(architecture, side, lengths):
    view, batch = make_view(architecture), aligned(lengths, side)
    with torch.no_grad():
        found, whole = view.last_logits(batch), view.forward(batch)
    assert found.shape == (len(lengths), WORDS)
    expected = torch.stack([whole[row, last] for row, last in enumerate(batch.last.tolist())])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
def test_last_logits_do_not_depend_on_the_samples_beside(architecture):
    view, batch = make_view(architecture), aligned((6, 2, 4), "right")
    with torch.no_grad():
        together = view.last_logits(batch)
        for row, length in enumerate((6, 2, 4)):
            ids = batch.input_ids[row : row + 1, :length]
            alone = view.last_logits(Batch(ids, torch.ones_like(ids)))
            torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-4)


def test_last_logits_serve_a_model_that_cannot_leave_the_others_out():
    view, batch = make_view("llama"), aligned((6, 6), "right")
    with torch.no_grad():
        expected = view.last_logits(batch)
        view._can_keep_last = False
        torch.testing.assert_close(view.last_logits(batch), expected, rtol=1e-5, atol=1e-5)


def test_a_run_that_is_observed_forms_no_logits_and_hands_over_all_inputs():
    view, formed, seen = make_view("llama"), [], {}
    head = view.model.get_output_embeddings()
    head.register_forward_hook(lambda module, args, logits: formed.append(logits.shape[:2]))
    with view.observe(lambda name, inputs: seen.update({name: inputs})):
        view.run(ReferenceSamples(SAMPLES[:1], find_objective("loss")))
    assert formed == [(1, 0)]
    assert {len(inputs) for inputs in seen.values()} == {len(SAMPLES[0])}


def test_gradient_flows_through_last_logits():
    view, batch = make_view("gpt2"), aligned((6, 3), "right")
    view.last_logits(batch).sum().backward()
    assert view.model.transformer.h[0].mlp.c_fc.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_targets_go_with_their_samples(batch_size):
    targets = [[7, 1], [8, 2], [9, 3]]
    reference = ReferenceSamples(
        SAMPLES, find_objective("loss"), batch_size=batch_size, targets=targets
    )
    batches = list(reference.batches())
    assert [row for batch in batches for row in batch.targets.tolist()] == targets
    assert [len(batch.targets) for batch in batches] == [len(b.input_ids) for b in batches]


def test_without_targets_there_are_none():
    assert batch_of(SAMPLES).targets is None


def test_objective_of_the_last_token_does_not_depend_on_the_batch_size():
    """What a task with an answer asks: the logit of the answer over that of the distractor."""

    def difference(logits: Tensor, batch: Batch) -> Tensor:
        last = logits[batch.rows, batch.last]
        return (last.gather(1, batch.targets) @ torch.tensor([1.0, -1.0])).sum()

    view = make_view("llama")

    def total(batch_size: int) -> float:
        reference = ReferenceSamples(
            *(SAMPLES, difference), batch_size=batch_size, targets=[[7, 1], [8, 2], [9, 3]]
        )
        with torch.no_grad():
            return sum(float(difference(view.forward(b), b)) for b in reference.batches())

    assert total(3) == pytest.approx(total(1), rel=1e-4)


def test_corrupted_is_the_counterpart_with_the_rest_as_it_is():
    batch = aligned((5, 2), "right")
    other = batch.input_ids.flip(0)
    targets = torch.tensor([[1], [2]])
    found = replace(batch, counterpart=other, targets=targets).corrupted()
    assert found.input_ids is other
    assert found.attention_mask is batch.attention_mask
    assert found.targets is targets
    assert found.counterpart is None
    assert found.last.tolist() == [4, 1]


def test_digest_names_all_that_is_attributed_and_in_which_model():
    first = ReferenceSamples(SAMPLES, find_objective("loss"))
    changed = {
        "samples": SAMPLES[:2],
        "targets": [[1], [2], [3]],
        "starts": [1, 1, 1],
        "variant": "other",
        "seed": 1,
        "alteration": Alteration("one", lambda model: nullcontext()),
    }
    others = [replace(first, **{name: value}) for name, value in changed.items()]
    others.append(replace(first, alteration=Alteration("two", lambda model: nullcontext())))
    assert len({samples.digest for samples in (first, *others)}) == 8
    same = replace(first, alteration=Alteration("two", lambda model: pytest.raises(KeyError)))
    assert same.digest == others[-1].digest
    assert replace(first, batch_size=3).digest == first.digest


def test_altering_is_what_the_alteration_does():
    seen = []
    alteration = Alteration("one", lambda model: nullcontext(seen.append(model)))
    samples = ReferenceSamples(SAMPLES, find_objective("loss"))
    view = make_view("llama")
    with samples.altering(view):
        assert seen == []
    with replace(samples, alteration=alteration).altering(view):
        assert seen == [view]


def test_a_part_has_what_belongs_to_its_samples():
    whole = ReferenceSamples(
        SAMPLES, find_objective("loss"), 7, targets=[[1], [2], [3]], starts=[3, 1, 2], variant="v"
    )
    part = whole.part(1)
    assert (part.samples, part.targets, part.starts) == (SAMPLES[1:], [[2], [3]], [1, 2])
    assert (part.seed, part.variant, part.objective) == (7, "v", whole.objective)
    assert whole.part(0, 1).samples == SAMPLES[:1]
    assert replace(whole, targets=None, starts=None).part(2).targets is None
    with pytest.raises(Sparc3Error, match="at least one sequence"):
        whole.part(3)
