"""What circuits share, and what cannot be compared."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from unit.results import make_result

from sparc3_bench import Sparc3Error
from sparc3_bench.circuit.compare import (
    Overlap,
    check_comparable,
    comparison_text,
    difference,
    overlap_of_masks,
    overlap_of_samples,
    sketched_units,
)
from sparc3_bench.record.parts import Sketch


def sketched(levels: str = "2112", **changes):
    return make_result(sketch=Sketch(units=4, stride=1, levels=levels), **changes)


def test_overlap_is_counted_over_either_and_over_the_smaller():
    left = {"a": torch.tensor([[True, True], [False, True]]), "b": torch.tensor([False])}
    right = {"a": torch.tensor([[True, False], [False, False]]), "b": torch.tensor([True])}
    at = overlap_of_masks(left, right)
    assert (at.left, at.right, at.both) == (3, 2, 1)
    assert at.jaccard == 1 / 4
    assert at.coefficient == 1 / 2
    assert overlap_of_samples([True, True, False, True], [True, False, True, False]) == Overlap(
        3, 2, 1
    )


def test_empty_circuits_are_alike():
    assert (Overlap(0, 0, 0).jaccard, Overlap(0, 5, 0).coefficient) == (1, 1)
    assert Overlap(0, 5, 0).jaccard == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"model": "other"},
            "a.json has model 'tiny-llama aaaaaaaaaaaa' and b.json has 'other aaa",
        ),
        ({"unit": "head", "group": "layer"}, "has unit 'weight' and b.json has 'head'"),
        ({"scope": "mlp"}, "compare results of one scope."),
    ],
)
def test_circuits_of_other_units_are_refused(change, expected):
    with pytest.raises(Sparc3Error) as refused:
        check_comparable({"a.json": make_result(), "b.json": make_result(**change)})
    assert expected in str(refused.value)


def test_one_result_is_no_comparison():
    with pytest.raises(Sparc3Error, match=r"takes 2 to 26 different results, got 1"):
        check_comparable({"a.json": make_result()})


def test_group_scorer_and_ablation_may_differ():
    check_comparable(
        {"a": make_result(), "b": make_result("lrp", group="model", ablation="mean", seed=4)}
    )


def test_sketches_tell_what_is_kept_at_a_size_of_the_curve():
    found = sketched_units({"a": sketched("2112"), "b": sketched("2211")}, 0.5)
    assert found == {"a": [True, False, False, True], "b": [True, True, False, False]}


@pytest.mark.parametrize(
    ("other", "amount", "expected"),
    [
        (make_result(), 0.5, "b has no sketch of its circuits; leave `--sketch` out"),
        (sketched(), 0.25, "a has no circuit of size 0.75, and a sketch tells only the sizes"),
        (sketched("21"), 0.5, "The sketches are of different units; leave `--sketch` out"),
    ],
)
def test_sketches_that_cannot_tell_are_refused(other, amount, expected):
    with pytest.raises(Sparc3Error) as refused:
        sketched_units({"a": sketched(), "b": other}, amount)
    assert expected in str(refused.value)


def test_two_circuits_make_a_list_of_sizes():
    text = comparison_text(["x", "y"], ["0.1"], [{(0, 1): Overlap(3, 2, 1)}], {(0, 1): 0.5})
    assert text.splitlines()[:2] == ["A  x", "B  y"]
    assert text.splitlines()[4].split() == ["0.1", "3", "2", "1", "0.250", "0.500"]
    assert text.endswith("Spearman correlation of the scores: 0.500")


def test_three_circuits_make_matrices():
    overlaps = {pair: Overlap(4, 2, n) for n, pair in enumerate(combinations(range(3), 2))}
    spearman = {pair: -0.5 for pair in combinations(range(3), 2)}
    lines = comparison_text(["x", "y", "z"], ["0.1"], [overlaps], spearman).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("overlap at 0.1"))
    assert [line.split() for line in lines[start + 1 : start + 3]] == [
        *(["B", "0.000"], ["C", "0.500", "1.000"])
    ]
    assert [line.split()[1:] for line in lines[-2:]] == [["-0.500"], ["-0.500", "-0.500"]]


def test_difference_says_where_each_has_more():
    whole = {"down": (10, 10), "query": (10, 10)}
    left = {"down": (5, 5), "query": (10, 1)}
    right = {"down": (5, 6), "query": (1, 2)}
    lines = difference(left, right, whole, "0.5").splitlines()
    assert [line.split() for line in lines[1:4]] == [
        ["query", "down"],
        ["block", "0", "+90.0", "+0.0"],
        ["block", "1", "-10.0", "-10.0"],
    ]
    assert lines[-1] == "in all: A has more of query; B has more of down"
    same = difference(left, left, whole, "0.5").splitlines()[-1]
    assert same == "in all: as many in every role"
