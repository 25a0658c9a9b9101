"""Scores that are made when asked for: checked at once, the same whatever the model holds later."""

from __future__ import annotations

import pytest
import torch
from sparc3_scorers.magnitude import Magnitude
from sparc3_scorers.sparsegpt import SparseGpt
from sparc3_scorers.wanda import Wanda

from sparc3_bench import KeepMask, Lazy, Sparc3Error, choose
from sparc3_bench.attribution.scores import checked
from sparc3_bench.testing.tiny import make_reference, make_view


@pytest.mark.parametrize("scorer", [Magnitude(), SparseGpt(), Wanda()], ids=lambda one: one.name)
def test_they_are_of_the_weights_that_were_scored(scorer):
    view = make_view("gpt2")
    with torch.no_grad():
        found = checked(scorer.score(view, make_reference(2)), view.weights(), scorer.name)
        assert isinstance(found.weights, Lazy)
        before = dict(found)
        nothing = {n: torch.zeros_like(v, dtype=torch.bool) for n, v in before.items()}
        with view.masked(KeepMask(nothing)):
            during = dict(found)
    assert all(torch.equal(during[name], values) for name, values in before.items())
    assert all(values.count_nonzero() for values in before.values())


def test_what_does_not_fit_is_refused_before_it_is_asked_for():
    view = make_view("llama")
    last = list(view.weights())[-1]

    def made(name: str) -> torch.Tensor:
        shape = view.weights()[name].matrix.shape
        return torch.full(shape, torch.inf if name == last else 1.0)

    with pytest.raises(Sparc3Error, match=f"'{last}' that are not finite"):
        checked(Lazy(view.weights(), made), view.weights(), "mine")


@pytest.mark.parametrize("removal", ["lowest", "highest"])
@pytest.mark.parametrize("group", ["row", "layer", "model", "2:4", "4x4"])
def test_the_same_is_chosen_of_them(group, removal):
    torch.manual_seed(0)
    whole = {str(n): torch.randint(9, (8 * n, 16)).float() for n in range(1, 4)}  # with ties
    how = {"unit": "weight", "group": group, "removal": removal}
    kept = choose(Lazy(whole, whole.__getitem__), 0.5, **how)
    expected = choose(whole, 0.5, **how)
    assert list(kept) == list(whole)
    assert all(torch.equal(kept[name], values) for name, values in expected.items())
