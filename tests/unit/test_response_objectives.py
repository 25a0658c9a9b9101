"""Objectives of responses: each is a loop over the positions that are asked, written out."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from sparc3_tasks.correction import objectives
from torch import Tensor

from sparc3_bench import Alteration, Batch, ReferenceSamples, find_objective
from sparc3_bench.errors import UnknownNameError

TOKENS, VOCABULARY = 8, 11
LENGTHS = (8, 5, 6, 2, 7)
# A response at the end, one behind one token, a window, again one behind one, nothing asked.
STARTS = (6, 1, 0, 1, 7)
NAMES = ("label-log-probability", "label-logit", "argmax-logit", "prompt-argmax-logit")
GENERAL = ("label-log-probability", "label-logit", "argmax-logit", "loss")


def make_batch(starts: tuple[int, ...] | None = STARTS) -> Batch:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, VOCABULARY, (len(LENGTHS), TOKENS), generator=generator)
    mask = (torch.arange(TOKENS)[None] < torch.tensor(LENGTHS)[:, None]).long()
    return Batch(ids, mask, starts=None if starts is None else torch.tensor(starts))


def make_logits(dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (len(LENGTHS), TOKENS, VOCABULARY)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    return logits.to(dtype).requires_grad_()


def asked(sample: int, starts: tuple[int, ...] | None = STARTS) -> list[int]:
    """Return the positions of the tokens of a sample that are asked for."""
    start = 0 if starts is None else starts[sample]
    return [place for place in range(1, LENGTHS[sample]) if place >= start]


def by_hand(name: str, logits: Tensor, sample: int, starts: tuple[int, ...] | None) -> list[float]:
    """Return what a sample's asked tokens contribute, one number each."""
    batch = make_batch(starts)
    if name == "prompt-argmax-logit":
        start = 0 if starts is None else starts[sample]
        place = start - 1 if start > 0 else LENGTHS[sample] - 1
        return [max(logits[sample, place].tolist())]
    found = []
    for place in asked(sample, starts):
        row = logits[sample, place - 1].detach().double()
        label = int(batch.input_ids[sample, place])
        if name == "argmax-logit":
            found.append(max(row.tolist()))
        elif name == "label-logit":
            found.append(float(row[label]))
        else:
            found.append(float(row[label] - row.exp().sum().log()))
    return found


@pytest.mark.parametrize("starts", [STARTS, None, (0,) * 5, (1,) * 5], ids=str)
@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_objective_is_the_loop_over_the_asked_positions(name, per_token, starts):
    logits = make_logits()
    found = objectives.find(name, per_token=per_token)(logits, make_batch(starts))
    expected = 0.0
    for sample in range(len(LENGTHS)):
        values = by_hand(name, logits, sample, starts)
        expected += sum(values) / (max(len(values), 1) if per_token else 1)
    assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_has_its_own_number(name):
    logits = make_logits()
    found = objectives.OBJECTIVES[name](logits, make_batch())
    expected = [sum(by_hand(name, logits, sample, STARTS)) for sample in range(len(LENGTHS))]
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


def test_mean_over_tokens_is_not_the_sum_but_for_the_prompt():
    logits, batch = make_logits(), make_batch()
    for name in NAMES:
        whole, mean = (objectives.find(name, per_token=p)(logits, batch) for p in (False, True))
        assert (whole.item() == mean.item()) is (name == "prompt-argmax-logit")


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_only_the_positions_before_asked_tokens(name, per_token):
    logits = make_logits()
    objectives.find(name, per_token=per_token)(logits, make_batch()).backward()
    reached = logits.grad.abs().sum(-1) > 0
    for sample in range(len(LENGTHS)):
        places = [place - 1 for place in asked(sample)]
        if name == "prompt-argmax-logit":
            places = [STARTS[sample] - 1 if STARTS[sample] else LENGTHS[sample] - 1]
        assert reached[sample].nonzero().flatten().tolist() == places


@pytest.mark.parametrize("name", NAMES)
def test_padding_may_hold_anything(name):
    batch, logits = make_batch(), make_logits()
    found = objectives.find(name, per_token=True)(logits, batch)
    padding = batch.attention_mask == 0
    other = Batch(
        batch.input_ids.masked_fill(padding, 3), batch.attention_mask, starts=batch.starts
    )
    noisy = logits.masked_fill(padding[..., None], 1e3)
    assert objectives.find(name, per_token=True)(noisy, other).item() == found.item()


@pytest.mark.parametrize("name", NAMES)
def test_sixteen_bits_are_summed_in_thirty_two(name):
    logits, batch = make_logits(torch.bfloat16), make_batch()
    found = objectives.find(name, per_token=False)(logits, batch)
    assert found.dtype == torch.float32
    expected = objectives.find(name, per_token=False)(logits.double(), batch)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", GENERAL)
def test_general_objectives_ask_for_the_same_tokens(name):
    logits = make_logits()
    found = find_objective(name)(logits, make_batch())
    rows = [
        by_hand("label-log-probability" if name == "loss" else name, logits, sample, STARTS)
        for sample in range(len(LENGTHS))
    ]
    expected = sum(map(sum, rows))
    if name == "loss":
        expected = -sum(sum(row) / max(len(row), 1) for row in rows)
    assert found.item() == pytest.approx(expected, rel=1e-12)
    found.backward()
    reached = logits.grad.abs().sum(-1) > 0
    for sample in range(len(LENGTHS)):
        places = [place - 1 for place in asked(sample)]
        assert reached[sample].nonzero().flatten().tolist() == places


@pytest.mark.parametrize("starts", [STARTS, None, (8, 5, 6, 2, 7), (0, 1, 2, 0, 3)], ids=str)
def test_labels_are_the_tokens_from_the_start_on(starts):
    batch = make_batch(starts)
    labels = batch.labels
    assert labels.shape == (len(LENGTHS), TOKENS - 1)
    for sample in range(len(LENGTHS)):
        for place in range(1, TOKENS):
            known = place in asked(sample, starts)
            expected = int(batch.input_ids[sample, place]) if known else -100
            assert labels[sample, place - 1] == expected


def test_start_at_the_first_token_asks_for_as_much_as_one_at_the_second():
    # Nothing stands before the first token that could tell it.
    labels = [make_batch((start,) * 5).labels for start in (0, 1)]
    assert torch.equal(*labels)
    assert torch.equal(labels[0], make_batch(None).labels)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 9])
def test_reference_samples_hand_over_the_starts_of_each_batch(batch_size):
    ids = make_batch().input_ids.tolist()
    samples = [ids[sample][:length] for sample, length in enumerate(LENGTHS)]
    objective = objectives.find("label-logit", per_token=False)
    reference = ReferenceSamples(samples, objective, batch_size=batch_size, starts=STARTS)
    batches = list(reference.batches())
    assert [start for batch in batches for start in batch.starts.tolist()] == list(STARTS)
    counts = [int((row >= 0).sum()) for batch in batches for row in batch.labels]
    assert counts == [len(asked(sample)) for sample in range(len(LENGTHS))]
    assert next(ReferenceSamples(samples, objective).batches()).starts is None


def test_digest_tells_what_is_attributed_apart():
    objective = objectives.find("label-logit", per_token=False)
    samples = [[3, 4, 5], [6, 7]]
    given = [
        {},
        {"starts": [1, 1]},
        {"starts": [2, 1]},
        {"targets": [[1], [1]]},
        {"variant": "mean over tokens"},
        {"seed": 3},
        {"alteration": Alteration("later blocks untrained", lambda model: nullcontext())},
    ]
    digests = [ReferenceSamples(samples, objective, **options).digest for options in given]
    digests.append(ReferenceSamples([[3, 4], [5, 6, 7]], objective).digest)
    assert len(set(digests)) == len(digests)
    assert ReferenceSamples(samples, objective, batch_size=2).digest == digests[0]


def test_unknown_objective_is_refused_with_all_names():
    with pytest.raises(UnknownNameError) as caught:
        objectives.find("label-logits", per_token=False)
    assert "Did you mean 'label-logit'?" in str(caught.value)
    assert all(name in str(caught.value) for name in NAMES)
