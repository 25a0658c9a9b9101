"""The ensemble equals its definition written out weight by weight."""

from __future__ import annotations

import pytest
import torch
from sparc3_scorers.ensemble import Ensemble
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.lrp import Lrp
from sparc3_scorers.wanda import Wanda

from sparc3_bench import ScoreMap, Sparc3Error
from sparc3_bench.selection.select import select
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view


def by_hand(rows: dict[str, list[float]], of: list[str], between: str) -> list[float]:
    """Return the scores of one row, or of a matrix as one."""
    size = len(rows[of[0]])
    orders = [sorted(range(size), key=lambda i, n=n: (rows[n][i], i)) for n in of]
    ranks = [sum(order.index(i) for order in orders) for i in range(size)]
    if not between:
        return [rank / len(of) / size for rank in ranks]
    lowest = sorted(rows[between])
    order = sorted(range(size), key=lambda i: (ranks[i], i))
    return [lowest[order.index(i)] for i in range(size)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("between", ["gradient", ""])
@pytest.mark.parametrize("inside", ["row", "layer"])
def test_equals_its_definition(architecture, between, inside):
    view, reference = make_view(architecture, scope="attention"), make_reference(3, (9, 5))
    lent = {one.name: one.score(view, reference) for one in (Wanda(), Gradient(), Lrp())}
    scores = Ensemble(between=between, inside=inside).score(view, reference)
    assert list(scores) == list(view.weights())
    name = next(iter(scores))
    shape = scores[name].shape
    parts = {
        n: one[name].float().reshape(shape if inside == "row" else (1, -1))
        for n, one in lent.items()
    }
    for index in range(len(parts["lrp"]))[:3]:
        rows = {n: values[index].tolist() for n, values in parts.items()}
        expected = by_hand(rows, ["wanda", "gradient", "lrp"], between)
        found = scores[name].reshape(parts["lrp"].shape)[index]
        torch.testing.assert_close(found, torch.tensor(expected))


def test_as_much_goes_of_each_row_as_by_the_one_between_and_not_the_same():
    view, reference = make_view("llama"), make_reference(3, (9, 5))
    found, between = (
        select(ScoreMap(one.score(view, reference)), 0.5, view, group="model").weights
        for one in (Ensemble(), Gradient())
    )
    assert all(torch.equal(found[n].sum(1), between[n].sum(1)) for n in between)
    assert not all(torch.equal(found[n], between[n]) for n in between)


@pytest.mark.parametrize("of", ["", "wanda", "wanda++lrp"])
def test_fewer_than_two_are_refused(of):
    with pytest.raises(Sparc3Error, match="must name two scorers or more"):
        Ensemble(of=of)
