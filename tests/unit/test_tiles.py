"""Tiles RxC of a matrix: exact in each, ties by position, refused where they do not fit."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from unit.results import make_result

import sparc3_bench as sb
from sparc3_bench.comparison.phrasing import convention_text, drawn_in, section_title
from sparc3_bench.comparison.tables import split
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import choose, cuts
from sparc3_bench.testing.tiny import make_model
from sparc3_bench.types.groups import Tiles, tiles_of

ROWS, COLUMNS = 6, 24


def parts(values: torch.Tensor, tiles: Tiles) -> list[list[float]]:
    """Return the numbers of each tile, row by row, by the rule written out."""
    high, wide = tiles.rows or ROWS, tiles.columns or COLUMNS
    corners = itertools.product(range(0, ROWS, high), range(0, COLUMNS, wide))
    return [
        [
            values[top + row, left + column].item()
            for row, column in itertools.product(range(high), range(wide))
        ]
        for top, left in corners
    ]


@pytest.mark.parametrize("removal", ["lowest", "highest"])
@pytest.mark.parametrize("group", ["2x3", "3x24", "1x4", "x8", "2x", "6x24"])
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_every_tile_loses_its_amount_and_of_ties_the_first(group, removal, ties):
    draw, tiles = np.random.default_rng(0), tiles_of(group)
    values = draw.normal(size=(ROWS, COLUMNS))
    ranking = {"a": torch.from_numpy(np.round(values) if ties else values)}
    found = cuts(ranking, [0.3, 0.5], group, removal, "fraction")
    for amount in (0.3, 0.5):
        kept = choose(*(ranking, amount), unit="weight", group=group, removal=removal, known=found)[
            "a"
        ]
        for scores, got in zip(parts(ranking["a"], tiles), parts(kept, tiles), strict=True):
            order = sorted(range(len(scores)), key=lambda at, s=scores: (s[at], at))
            # What `highest` removes is what `lowest` keeps of the rest.
            share = amount if removal == "lowest" else round(1 - amount, 9)
            below = math.floor(Fraction(repr(share)) * len(scores))
            lost = order[:below] if removal == "lowest" else order[below:]
            assert [at for at, one in enumerate(got) if not one] == sorted(lost)


def test_a_random_control_has_as_many_in_every_tile():
    kept = choose({"a": torch.rand(40, 8)}, 0.25, unit="weight", group="10x4")
    control = matched(kept, "10x4", 1)["a"]
    assert {sum(one) for one in parts_of(control)} == {30.0}
    assert not torch.equal(control, kept["a"])


def parts_of(control: torch.Tensor) -> list[list[float]]:
    return control.reshape(4, 10, 2, 4).transpose(1, 2).reshape(8, 40).double().tolist()


@pytest.mark.parametrize(
    ("shape", "unit", "told"),
    [
        ((4, 6), "weight", "Group '4x4' cuts matrices into tiles .* and `a` is 4 by 6"),
        ((8,), "neuron", "ranks the weights inside one tile and cannot rank units of 'neuron'"),
    ],
)
def test_what_does_not_fit_is_refused(shape, unit, told):
    with pytest.raises(Sparc3Error, match=told):
        choose({"a": torch.rand(shape)}, 0.5, unit=unit, group="4x4")


def test_only_sides_from_one_on_are_tiles():
    assert [tiles_of(one) for one in ("x", "0x4", "4x4x4", "row", "4:8", None)] == [None] * 6


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
def test_of_a_model_every_tile_loses_half(architecture):
    scores = sb.score(make_model(architecture), scorer="magnitude")
    mask = sb.mask(scores, 0.5, group="x4")
    assert mask.amount == 0.5
    for stored in mask.values():
        keep = stored.T if architecture == "gpt2" else stored
        assert (keep.reshape(len(keep), -1, 4).sum((0, 2)) == 2 * len(keep)).all()


def test_they_have_a_section_and_words_of_their_own():
    groups = ["16x16", "row", "x128"]
    sections, _ = split([(Path(group), make_result(group=group)) for group in groups])
    assert sorted(one.spec.group for one in sections) == sorted(groups)
    specs = {one.spec.group: one.spec for one in sections}
    assert "ranked within tiles of 16 rows by 16 columns" in convention_text(specs["16x16"])
    assert "ranked within tiles of all rows by 128 columns" in convention_text(specs["x128"])
    assert "by x128" in section_title(specs["x128"])
    assert drawn_in(specs["x128"]) == "tile"
