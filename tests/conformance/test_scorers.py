"""What holds for every built-in scorer beyond the checks of the kit, on every architecture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparc3_bench import ModelView, ReferenceSamples, ScoreMap, Scorer, Sparc3Error
from sparc3_bench.attribution.scores import checked
from sparc3_bench.host import default_host
from sparc3_bench.run.options import build
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view

SCORERS = tuple(default_host().all("scorer"))
LENGTHS = (12, 5, 9)
OF_UNITS = {"activation"}
"""Scorers that let all weights of a neuron or head share its score."""
OF_SCOPE = {"integrated-gradients"}
"""Scorers whose scores depend on the scope: they explain what the scope as a whole is worth."""
every_scorer = pytest.mark.parametrize("scorer_name", SCORERS)
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


@pytest.fixture
def scorer(scorer_name: str) -> Scorer:
    return default_host().get("scorer", scorer_name).cls()


def scored(scorer: Scorer, view: ModelView, batch_size: int = 2) -> ScoreMap:
    scores = scorer.score(view, make_reference(5, LENGTHS, batch_size))
    return checked(scores, view.weights(), scorer.name)


def as_bytes(values: Tensor) -> bytes:
    return values.detach().contiguous().view(torch.uint8).numpy().tobytes()


@every_scorer
@every_architecture
def test_scores_tell_weights_apart(scorer, architecture):
    view = make_view(architecture)
    scores = scored(scorer, view)
    assert list(scores) == list(view.weights())
    for name, values in scores.items():
        apart = min(values.shape) if scorer.name in OF_UNITS else values.numel()
        assert values.unique().numel() > 0.5 * apart, name


@every_scorer
@every_architecture
def test_another_model_scores_the_same_before_and_after(scorer, architecture):
    other = make_view(architecture)
    probe = default_host().get("scorer", "gradient").cls()
    before = {name: as_bytes(values) for name, values in scored(probe, other).items()}
    scored(scorer, make_view(architecture))
    assert {name: as_bytes(values) for name, values in scored(probe, other).items()} == before


@every_scorer
@every_architecture
def test_scores_a_bfloat16_model_in_float32(scorer, architecture):
    view = make_view(architecture, torch.bfloat16)
    scores, precise = scored(scorer, view), scored(scorer, make_view(architecture))
    for name, values in scores.items():
        assert values.dtype == torch.float32
        both = torch.stack([values.flatten(), precise[name].flatten()])
        # Eight bits of mantissa through the whole model: a likeness, no equality.
        assert torch.corrcoef(both)[0, 1] > 0.9, name


@every_scorer
@every_architecture
@pytest.mark.parametrize("scope", ["attention", "mlp"])
def test_scope_changes_no_score(scorer, architecture, scope):
    narrow, whole = make_view(architecture, scope=scope), make_view(architecture)
    scores = scored(scorer, narrow)
    assert 0 < len(scores) < len(whole.weights())
    if scorer.name in OF_SCOPE:
        return
    everything = scored(scorer, whole)
    for name, values in scores.items():
        assert torch.equal(values, everything[name]), name


def test_the_two_scopes_make_up_the_whole():
    for architecture in ARCHITECTURES:
        attention, mlp = (make_view(architecture, scope=s).weights() for s in ("attention", "mlp"))
        assert not attention.keys() & mlp.keys()
        assert attention.keys() | mlp.keys() == make_view(architecture).weights().keys()


@every_scorer
def test_options_can_be_typed(scorer):
    options = scorer.options()
    typed = {name: str(value) for name, value in options.items()}
    assert build("scorer", type(scorer), typed).options() == options


@pytest.mark.parametrize("samples", [[], [[]], [[5]], [[5, 6, 7], [8]]])
def test_a_reference_without_a_next_token_is_refused(samples):
    with pytest.raises(Sparc3Error, match="at least one sequence of two tokens or more"):
        ReferenceSamples(samples, make_reference().objective)


@every_scorer
def test_says_where_it_comes_from(scorer):
    assert scorer.is_control or scorer.citation.strip()
