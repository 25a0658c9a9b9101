"""Allocations: each equals its formula written out, and all keep what every allocation promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.pruning import Allotting
from sparc3_bench.run.options import chosen, chosen_text
from sparc3_bench.selection.allocate import allotted, grouped, joint_shares
from sparc3_bench.selection.select import choose

AMOUNT = 0.4
SHAPES = {"a": (4, 10), "b": (6, 10), "c": (3, 20)}
BLOCKS = {"a": 0, "b": 0, "c": 1}


@pytest.fixture(scope="module")
def scores() -> dict[str, torch.Tensor]:
    draw, scale = np.random.default_rng(0), {"a": 1.0, "b": 20.0, "c": 0.1}
    return {
        n: torch.from_numpy(scale[n] * draw.exponential(size=s)).float() for n, s in SHAPES.items()
    }


@pytest.fixture(scope="module")
def other() -> dict[str, torch.Tensor]:
    draw = np.random.default_rng(1)
    return {n: torch.from_numpy(draw.exponential(size=s) ** 3).float() for n, s in SHAPES.items()}


def kept_by(text, scores, group="row", lent=None, loss=None):
    _, allocation = chosen("allocation", text, default_host())
    given = {name: grouped(lent, group) for name in allocation.scorers}
    asked = Allotting(AMOUNT, grouped(scores, group), BLOCKS, given, loss)
    return allotted(scores, allocation.shares(asked), group, allocation.name)


def lowest_of_all(values: dict[str, np.ndarray], amount: float) -> dict[str, np.ndarray]:
    """Rank all together by sorting: the reference of what is left."""
    flat = np.concatenate([one.ravel() for one in values.values()])
    gone = np.argsort(flat, kind="stable")[: int(round(amount * len(flat), 9))]
    keep = np.ones(len(flat), bool)
    keep[gone] = False
    ends = np.cumsum([one.size for one in values.values()])[:-1]
    parts = zip(values, np.split(keep, ends), strict=True)
    return {name: part.reshape(values[name].shape) for name, part in parts}


def same(kept, expected) -> bool:
    return all(np.array_equal(kept[name].numpy(), one) for name, one in expected.items())


@pytest.mark.parametrize("group", ["row", "layer"])
def test_uniform_and_global_are_the_groups_that_they_are_like(scores, group):
    uniform = choose(scores, AMOUNT, unit="weight", group=group)
    joint = choose(scores, AMOUNT, unit="weight", group="model")
    assert all(torch.equal(one, uniform[n]) for n, one in kept_by("uniform", scores, group).items())
    assert all(torch.equal(one, joint[n]) for n, one in kept_by("global", scores, group).items())


@pytest.mark.parametrize("by", ["mean", "median", "sum", "lamp"])
def test_normalised_ranks_what_is_divided_by_a_number_of_its_matrix(scores, by):
    divided = {}
    for name, tensor in scores.items():
        values = tensor.double().numpy()
        if by == "lamp":
            squares = values**2
            divided[name] = np.array(
                [[s / squares[squares >= s].sum() for s in row] for row in squares]
            )
        elif by == "median":  # torch's is the lower of the two in the middle
            divided[name] = values / np.sort(values, axis=None)[(values.size - 1) // 2]
        else:
            divided[name] = values / getattr(values, by)()
    expected = lowest_of_all(divided, AMOUNT)
    assert same(kept_by(f"normalised:by={by}", scores), expected)
    assert not same(kept_by("global", scores), expected)


@pytest.mark.parametrize("group", ["row", "layer"])
def test_borrowed_has_the_ranks_of_one_inside_and_the_means_of_the_other_between(
    scores, other, group
):
    given = {}
    for name, tensor in scores.items():
        values, means = tensor.double().numpy(), other[name].double().numpy()
        axis = {"row": 1, "layer": None}[group]
        keep = axis is not None
        given[name] = values / values.mean(axis, keepdims=keep) * means.mean(axis, keepdims=keep)
    kept = kept_by("borrowed:between=gradient", scores, group, lent=other)
    assert same(kept, lowest_of_all(given, AMOUNT))


def test_owl_has_the_sparsities_of_the_published_formula(scores, other):
    width, outlier = 0.15, 3.0
    ratios = []  # of all scores of a block, the per cent that exceed M times their mean
    for block in (0, 1):
        metric = np.concatenate(
            [other[n].double().numpy().ravel() for n, at in BLOCKS.items() if at == block]
        )
        ratios.append((metric > outlier * metric.mean()).sum() / metric.size * 100)
    ratios = np.array(ratios)
    ratios = (ratios - ratios.min()) * (1 / (ratios.max() - ratios.min()) * width * 2)
    kept_ratios = ratios - np.mean(ratios) + (1 - AMOUNT)
    assert ratios[0] != ratios[1]
    kept = kept_by(f"owl:width={width},outlier={outlier}", scores, lent=other)
    for name, keep in kept.items():
        size = keep.shape[1]
        gone = int((1 - kept_ratios[BLOCKS[name]]) * size + 1e-6)
        assert (keep.sum(1) == size - gone).all()
        order = scores[name].argsort(1)
        assert all(not row[at[:gone]].any() for row, at in zip(keep, order, strict=True))


def test_sensitivity_spares_the_block_that_costs_more(scores):
    asked = []

    def loss(shares):
        asked.append(dict(shares))
        return 3.0 if shares["c"] else 2.0

    kept = kept_by("sensitivity:width=0.1", scores, loss=loss)
    assert asked == [{"a": AMOUNT, "b": AMOUNT, "c": 0.0}, {"a": 0.0, "b": 0.0, "c": AMOUNT}]
    shares = {name: 1 - float(keep.float().mean()) for name, keep in kept.items()}
    assert shares == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.3})


@pytest.mark.parametrize("name", sorted(default_host().all("allocation")))
def test_every_allocation_gives_shares_that_fit_and_takes_about_as_much(name, scores, other):
    kept = kept_by(name, scores, lent=other, loss=lambda shares: 2.0 + sum(shares.values()))
    gone = sum(int((~keep).sum()) for keep in kept.values())
    rows = sum(shape[0] for shape in SHAPES.values())
    assert abs(gone - AMOUNT * sum(keep.numel() for keep in kept.values())) <= rows
    for name, keep in kept.items():  # the lowest of every row go
        for values, row in zip(scores[name], keep, strict=True):
            assert not row.any() or row.all() or values[row].min() >= values[~row].max()


def test_of_ties_the_first_go_in_every_group():
    kept = allotted({"a": torch.zeros(3, 4)}, {"a": torch.tensor([0.0, 0.5, 1.0])}, "row", "mine")
    assert kept["a"].tolist() == [[True] * 4, [False, False, True, True], [False] * 4]
    ties = joint_shares({"a": torch.zeros(1, 4), "b": torch.zeros(2, 4)}, 0.5)
    assert {name: one.tolist() for name, one in ties.items()} == {"a": [1.0], "b": [0.5, 0.0]}


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (None, "no share in"),
        (1.5, "no share in"),
        (float("nan"), "no share in"),
        (torch.zeros(3), "3] shares, and it has 2 comparison groups"),
    ],
)
def test_shares_that_do_not_fit_are_refused(share, told):
    shares = {} if share is None else {"a": share}
    with pytest.raises(Sparc3Error, match=told):
        allotted({"a": torch.rand(2, 4)}, shares, "row", "mine")


def test_a_plugin_is_told_with_all_its_options():
    host = default_host()
    for text, whole in {
        "owl": "owl:outlier=5.0,width=0.08",
        "owl:width=0.1": "owl:outlier=5.0,width=0.1",
        "global": "global",
    }.items():
        assert chosen_text(chosen("allocation", text, host)[1]) == whole
        assert chosen_text(chosen("allocation", whole, host)[1]) == whole
    with pytest.raises(Sparc3Error, match="Unknown option of allocation 'owl'"):
        chosen("allocation", "owl:lambda=1", host)
