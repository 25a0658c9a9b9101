"""Patterns n:m: exact in every group, ties by position, refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from unit.results import make_result

import sparc3_bench as sb
from sparc3_bench.comparison.phrasing import convention_text, section_title
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import choose, cuts
from sparc3_bench.testing.tiny import make_model
from sparc3_bench.types.groups import pattern_of


@pytest.mark.parametrize("removal", ["lowest", "highest"])
@pytest.mark.parametrize("group", ["1:2", "2:4", "4:8", "1:3", "3:4", "5:12"])
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_every_group_keeps_exactly_so_many_and_of_ties_the_last(group, removal, ties):
    pattern, draw = pattern_of(group), np.random.default_rng(0)
    values = draw.normal(size=(7, 24))
    values = np.round(values) if ties else values
    ranking = {"a": torch.from_numpy(values), "b": torch.from_numpy(values[:1].copy())}
    found = cuts(ranking, [pattern.amount], group, removal, "fraction")
    kept = choose(
        *(ranking, pattern.amount), unit="weight", group=group, removal=removal, known=found
    )
    for name, keep in kept.items():
        for scores, got in zip(
            ranking[name].reshape(-1, pattern.of).tolist(),
            keep.reshape(-1, pattern.of).tolist(),
            strict=True,
        ):
            # By the rule written out: the lowest first, of ties the leftmost.
            order = sorted(range(pattern.of), key=lambda at, s=scores: (s[at], at))
            gone = pattern.of - pattern.kept
            lost = order[:gone] if removal == "lowest" else order[pattern.kept :]
            assert [at for at, stays in enumerate(got) if not stays] == sorted(lost)


def test_a_random_control_has_the_pattern_and_other_weights():
    kept = choose({"a": torch.rand(40, 8)}, 0.5, unit="weight", group="2:4")
    control = matched(kept, "2:4", 1)["a"]
    assert control.shape == kept["a"].shape
    assert (control.reshape(-1, 4).sum(1) == 2).all()
    assert not torch.equal(control, kept["a"])


@pytest.mark.parametrize(
    ("shape", "amount", "unit", "told"),
    [
        ((2, 6), 0.5, "weight", "takes the inputs of a row 4 by 4, and `a` has 6 of them"),
        ((2, 8), 0.3, "weight", "removes 0.5 of the weights, got 0.3"),
        ((8,), 0.5, "neuron", "cannot rank units of 'neuron'"),
    ],
)
def test_what_does_not_fit_a_pattern_is_refused(shape, amount, unit, told):
    with pytest.raises(Sparc3Error, match=told):
        choose({"a": torch.rand(shape)}, amount, unit=unit, group="2:4")


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
def test_a_mask_in_memory_has_the_pattern_it_was_asked_for(architecture):
    model = make_model(architecture)
    scores = sb.score(model, scorer="magnitude")
    mask = sb.mask(scores, group="2:4")
    assert mask.amount == 0.5
    assert sb.pattern_breaks(mask, "2:4", model) == {}
    rows = sb.pattern_breaks(sb.mask(scores, 0.5, group="row"), "2:4", model)
    assert sum(rows.values()) > 0
    with pytest.raises(Sparc3Error, match="give its `model`"):
        sb.pattern_breaks(mask, "2:4")
    with pytest.raises(Sparc3Error, match="n below m, such as 2:4, got '4:4'"):
        sb.pattern_breaks(mask, "4:4", model)


def test_each_pattern_has_a_section_of_its_own_and_words():
    groups = ["4:8", "row", "2:4", "model"]
    results = [(Path(group), make_result(group=group)) for group in groups]
    sections, _ = split(results)
    assert [one.spec.group for one in sections] == ["row", "model", "2:4", "4:8"]
    spec = sections[2].spec
    assert "2 of every 4 consecutive inputs of a row kept" in convention_text(spec)
    assert "by 2:4" in section_title(spec)
