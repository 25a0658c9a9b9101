"""Scorers leave nothing in the model: no bit, flag, gradient or hook, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from sparc3_bench import Accumulator, ModelView
from sparc3_bench.host import default_host
from sparc3_bench.testing.tiny import make_reference, make_view

SCORERS = ("wanda", "lrp", "gradient", "magnitude", "random")


def snapshot(view: ModelView) -> Iterator[tuple[str, Any]]:
    """Yield all that a scorer might leave behind: bits, flags, gradients, hooks, own methods."""
    for name, values in view.model.state_dict().items():
        yield name, values.view(torch.int32).tolist()
    for name, parameter in view.model.named_parameters():
        yield name, (parameter.requires_grad, parameter.grad)
    for name, module in view.model.named_modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        yield name, (module.training, [len(h) for h in hooks], "forward" in module.__dict__)


def scores_of(name: str, view: ModelView, **changes: Any) -> dict[str, torch.Tensor]:
    reference = replace(make_reference(3, (12, 9)), **changes)
    return dict(default_host().get("scorer", name).cls().score(view, reference))


@pytest.mark.parametrize("fails", ["nothing", "objective", "fold"])
def test_lrp_leaves_no_trace_in_the_model_or_in_later_scores(monkeypatch, fails):
    view, calls = make_view("llama"), []
    before, first = list(snapshot(view)), scores_of("gradient", view)

    def late(*args: Any) -> torch.Tensor:
        calls.append(args)
        if len(calls) == 2:  # the first sample went through, or the first matrix
            raise ZeroDivisionError
        return args[0].sum()

    if fails == "nothing":
        scores_of("lrp", view)
    elif fails == "objective":
        with pytest.raises(ZeroDivisionError):
            scores_of("lrp", view, objective=late)
    else:
        with monkeypatch.context() as patch:
            patch.setattr(Accumulator, "fold", lambda self, name, a, g: late(a))
            with pytest.raises(ZeroDivisionError):
                scores_of("lrp", view)
    assert list(snapshot(view)) == before
    again = scores_of("gradient", view)
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("name", SCORERS)
def test_no_scorer_leaves_a_trace_in_the_model(name):
    view = make_view("llama")
    before = list(snapshot(view))
    scores_of(name, view)
    assert list(snapshot(view)) == before
