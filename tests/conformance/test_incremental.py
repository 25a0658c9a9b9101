"""Scorers that go on from a snapshot: bit for bit what all samples in one go give."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from installed import scorers

from sparc3_bench import IncrementalScorer, ScoreMap, Sparc3Error
from sparc3_bench.graph.tensors import load_tensors, save_tensors
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view

SCORERS = scorers()
OTHER = [
    SCORERS["gradient"](aggregation="signed-mean", by_sample=True),
    SCORERS["gradient"](aggregation="abs-of-mean", standard_error=True),
    *(SCORERS["lrp"](aggregation=name) for name in ("mean-of-abs", "token-abs", "signed-mean")),
    SCORERS["gblm"](norm="l2"),
]
DEFAULT = {
    name: cls(**cls.tiny_options)
    for name, cls in SCORERS.items()
    if issubclass(cls, IncrementalScorer)
}
SHORT, LONG = (12, 5, 9), (64,)
"""With short samples an accumulator waits for more tokens, with long ones it does not wait long."""


def equal(one: ScoreMap, other: ScoreMap) -> bool:
    if not isinstance(one, ScoreMap):
        one, other = ScoreMap(one), ScoreMap(other)
    return all(
        mine.keys() == theirs.keys() and all(torch.equal(mine[n], theirs[n]) for n in mine)
        for field in dataclasses.fields(ScoreMap)
        for mine, theirs in [(getattr(one, field.name), getattr(other, field.name))]
    )


def test_all_that_add_up_over_samples_are_incremental():
    assert set(DEFAULT) == {
        *("activation", "fisher", "gblm", "gradient", "integrated-gradients", "lrp"),
        *("ria", "sparsegpt", "wanda", "wanda-regional"),
    }
    assert all(scorer.resumes for scorer in DEFAULT.values())
    assert not SCORERS["integrated-gradients"](aggregation="abs-of-mean").resumes


@pytest.mark.parametrize(
    ("architecture", "lengths"), [*((kind, SHORT) for kind in ARCHITECTURES), ("llama", LONG)]
)
@pytest.mark.parametrize(
    "scorer", [*DEFAULT.values(), *OTHER], ids=lambda one: f"{one.name}-{one.options()}"
)
def test_stops_on_disk_change_no_bit(scorer, architecture, lengths, tmp_path):
    view, whole = make_view(architecture), make_reference(8, lengths)
    state = {}
    for start, stop in ((0, 1), (1, 3), (3, 8)):
        path = tmp_path / f"{stop}.safetensors"
        state = scorer.accumulate(view, whole.part(start, stop), state)
        save_tensors(state, path, {})
        # A copy, as what is read lies in the file.
        state = {name: values.clone() for name, values in load_tensors(path)[0].items()}
    assert equal(scorer.finish(view, state), scorer.score(make_view(architecture), whole))


def test_a_state_of_other_weights_is_refused():
    gradient, reference = DEFAULT["gradient"], make_reference(1)
    state = gradient.accumulate(make_view("llama", scope="mlp"), reference, {})
    with pytest.raises(Sparc3Error, match=r"The state has no 'sum/.*q_proj' of shape \[32, 32\]"):
        gradient.finish(make_view("llama"), state)
    other = SCORERS["gradient"](aggregation="signed-mean", standard_error=True)
    state = gradient.accumulate(make_view("llama"), reference, {})
    with pytest.raises(Sparc3Error, match=r"The state has no 'square/.*; go on with the weights"):
        other.accumulate(make_view("llama"), reference, state)
