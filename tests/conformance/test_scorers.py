"""Every built-in scorer keeps every promise of the contract, on every adapted architecture."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import pytest
import torch
from tiny import ARCHITECTURES, make_reference, make_view
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sparc3_bench import ModelView, ReferenceSamples, ScoreMap, Scorer, Sparc3Error
from sparc3_bench.attribution.scores import checked
from sparc3_bench.host import default_host
from sparc3_bench.run.options import build

SCORERS = tuple(default_host().all("scorer"))
LENGTHS = (12, 5, 9)
OF_UNITS = {"activation"}
"""Scorers that let all weights of a neuron or head share its score."""
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
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


def model_state(view: ModelView) -> dict[str, Any]:
    """Return all of a model that scoring might change, to compare by `==`."""
    modules = list(view.model.modules())
    parameters = dict(view.model.named_parameters())
    return {
        "state": {name: as_bytes(values) for name, values in view.model.state_dict().items()},
        "identities": {name: id(parameter) for name, parameter in parameters.items()},
        "flags": {name: parameter.requires_grad for name, parameter in parameters.items()},
        "gradients": [name for name, p in parameters.items() if p.grad is not None],
        "training": [module.training for module in modules],
        "hooks": [hook for m in modules for kind in HOOKS for hook in getattr(m, kind).values()],
        "attributes": [sorted(module.__dict__) for module in modules],
        "config": view.config.to_dict(),
    }


def process_state(view: ModelView) -> dict[str, Any]:
    """Return all of the process that scoring might change, to compare by `==`."""
    classes = {kind for module in view.model.modules() for kind in type(module).__mro__}
    return {
        "classes": {kind: dict(vars(kind)) for kind in classes if kind is not object},
        "attention functions": dict(ALL_ATTENTION_FUNCTIONS.items()),
        "generators": (as_bytes(torch.get_rng_state()), random.getstate()),
        "default dtype": torch.get_default_dtype(),
        "gradients on": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
    }


def test_the_built_in_scorers_are_all_there():
    assert set(SCORERS) >= {"gradient", "lrp", "magnitude", "random", "wanda"}


@every_scorer
@every_architecture
def test_scores_every_weight_out_by_in(scorer, architecture):
    view = make_view(architecture)
    scores = scorer.score(view, make_reference(2))
    assert set(scores) == set(view.weights())
    for name, weight in view.weights().items():
        assert scores[name].shape == weight.matrix.shape, name


@every_scorer
@every_architecture
def test_scores_are_finite_float32_and_tell_weights_apart(scorer, architecture):
    view = make_view(architecture)
    scores = scored(scorer, view)
    assert list(scores) == list(view.weights())
    for name, values in scores.items():
        assert values.dtype == torch.float32
        assert torch.isfinite(values).all()
        apart = min(values.shape) if scorer.name in OF_UNITS else values.numel()
        assert values.unique().numel() > 0.5 * apart, name


@every_scorer
@every_architecture
def test_two_runs_give_the_same_bytes(scorer, architecture):
    first, second = (scored(scorer, make_view(architecture)) for _ in range(2))
    assert {n: as_bytes(v) for n, v in first.items()} == {n: as_bytes(v) for n, v in second.items()}


@every_scorer
@every_architecture
def test_batching_does_not_matter(scorer, architecture):
    view = make_view(architecture)
    one, five = (scored(scorer, view, size) for size in (1, 5))
    for name in one:
        largest = one[name].abs().max()
        assert (five[name] - one[name]).abs().max() <= 2e-5 * largest, name


@every_scorer
@every_architecture
@pytest.mark.parametrize("training", [False, True])
def test_leaves_the_model_unchanged(scorer, architecture, training):
    view = make_view(architecture)
    for parameter in list(view.model.parameters())[::2]:
        parameter.requires_grad_(False)
    # The one module whose mode is varied draws no dropout.
    view.model.get_output_embeddings().train(training)
    before = model_state(view)
    scored(scorer, view)
    assert model_state(view) == before
    assert before["hooks"] == before["gradients"] == []


@every_scorer
@every_architecture
def test_leaves_the_process_unchanged(scorer, architecture):
    view = make_view(architecture)
    view.forward(next(make_reference(1).batches()))  # what the model sets up lazily on its own
    before = process_state(view)
    scored(scorer, view)
    assert process_state(view) == before


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
    before = model_state(view)
    scores, precise = scored(scorer, view), scored(scorer, make_view(architecture))
    assert model_state(view) == before
    for name, values in scores.items():
        assert values.dtype == torch.float32
        assert torch.isfinite(values).all()
        both = torch.stack([values.flatten(), precise[name].flatten()])
        # Eight bits of mantissa through the whole model: a likeness, no equality.
        assert torch.corrcoef(both)[0, 1] > 0.9, name


@every_scorer
@every_architecture
@pytest.mark.parametrize("scope", ["attention", "mlp"])
def test_scope_narrows_the_scores_and_changes_none(scorer, architecture, scope):
    narrow, whole = make_view(architecture, scope=scope), make_view(architecture)
    scores = scored(scorer, narrow)
    assert 0 < len(scores) < len(whole.weights())
    assert set(scores) == set(narrow.weights())
    everything = scored(scorer, whole)
    for name, values in scores.items():
        assert torch.equal(values, everything[name]), name


def test_the_two_scopes_make_up_the_whole():
    for architecture in ARCHITECTURES:
        attention, mlp = (make_view(architecture, scope=s).weights() for s in ("attention", "mlp"))
        assert not attention.keys() & mlp.keys()
        assert attention.keys() | mlp.keys() == make_view(architecture).weights().keys()


@every_scorer
def test_options_round_trip_through_json(scorer):
    options = scorer.options()
    assert json.loads(json.dumps(options)) == options
    again = type(scorer)(**json.loads(json.dumps(options)))
    assert again.options() == options
    typed = {name: str(value) for name, value in options.items()}
    assert build("scorer", type(scorer), typed).options() == options


@every_scorer
def test_options_cannot_be_changed_after_making(scorer):
    for name, value in scorer.options().items():
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(scorer, name, value)


@pytest.mark.parametrize("samples", [[], [[]], [[5]], [[5, 6, 7], [8]]])
def test_a_reference_without_a_next_token_is_refused(samples):
    with pytest.raises(Sparc3Error, match="at least one sequence of two tokens or more"):
        ReferenceSamples(samples, make_reference().objective)


@every_scorer
def test_declares_what_it_is_and_where_it_comes_from(scorer):
    assert scorer.title.strip()
    assert scorer.name == scorer.name.lower().strip()
    assert type(scorer).__doc__
    assert scorer.is_control or scorer.citation.strip()
    assert scorer.default_group in ("row", "layer", "model")


@every_scorer
@every_architecture
def test_a_scorer_that_needs_no_reference_never_runs_the_model(scorer, architecture):
    view = make_view(architecture)
    ran: list[bool] = []
    view.model.register_forward_pre_hook(lambda *_: ran.append(True))
    scored(scorer, view)
    assert bool(ran) == scorer.needs_reference
