"""A circuit told from its result file alone."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from unit.results import KL, PERPLEXITY, make_result

from sparc3_bench import Sparc3Error
from sparc3_bench.circuit.describe import (
    circuit_text,
    in_role_order,
    membership,
    pictures,
    share_text,
    shares,
)
from sparc3_bench.circuit.sizes import MeasuredCircuit, circuit_at
from sparc3_bench.record.parts import (
    Amount,
    EstimateRecord,
    Found,
    MetricRecord,
    Point,
    Sketch,
    Stability,
)

AMOUNTS = (0.0, 0.5, 1.0)
WHOLE = {"attention-output": (100, 100), "down": (200, 200), "query": (50, 50)}
HALF = {"attention-output": (100, 0), "down": (50, 1), "query": (25, 50)}
NONE = {"attention-output": (0, 0), "down": (0, 0), "query": (0, 0)}


def result(**changes):
    given = {"amounts": AMOUNTS, "kept": (WHOLE, HALF, NONE), "group": "layer", **changes}
    return make_result("wanda", (20.0, 40.0, 90.0), **given)


def heads(levels: str = "2312", amounts=(0.0, 0.5, 0.75), **changes):
    kept = [{"attention-output": (4, 4)}] * len(amounts)
    values = [20.0] * len(amounts)
    sketch = Sketch(units=len(levels), stride=1, levels=levels)
    given = {"unit": "head", "group": "model", "sketch": sketch, "kept": kept, **changes}
    return make_result("wanda", values, amounts=amounts, **given)


def at(result, amount: float) -> MeasuredCircuit:
    return circuit_at(result, amount)


def test_text_says_what_the_circuit_is():
    told = circuit_text(
        result(
            intervals={"perplexity": [(19.0, 21.0), (38.0, 43.0), (80.0, 99.0)]},
            control={"perplexity": [(20.0, 20.0), (100.0, 300.0), (90.0, 90.0)]},
            curve={"cpr": EstimateRecord(value=0.5, low=0.4, high=0.6, control=(0.1, 0.3))},
            curve_metrics=[MetricRecord(name="cpr", direction="higher", unit="1", title="CPR")],
            stability=[Stability(seed=1, spearman=0.875, jaccard=(1.0, 0.625, 1.0))],
            label="dequantised",
        ),
        at(result(), 0.5),
    )
    # The point of the second result is the same but for the numbers beside it.
    assert "Circuit of Wanda on tiny-llama (dequantised), float32" in told
    assert "units of 'weight', ranked by 'layer', scope 'all', schedule 'one-shot'" in told
    assert "the lowest, ablation 'zero'" in told
    assert "0.5 kept; reached 50 % of the weights in scope" in told
    assert "500 weights are removed, 40 % of the model" in told
    assert "whole curve: CPR 0.50 [0.40, 0.60], random 0.2000" in told
    assert "reference seed 1: Spearman 0.875, Jaccard at this size 0.625" in told


def test_metrics_stand_beside_the_dense_model_and_the_random_controls():
    whole = result(
        intervals={"perplexity": [(19.0, 21.0), (38.0, 43.0), (80.0, 99.0)]},
        control={"perplexity": [(20.0, 20.0), (100.0, 300.0), (90.0, 90.0)]},
        metrics=(PERPLEXITY, KL),
    )
    lines = circuit_text(whole, at(whole, 0.5)).splitlines()
    (line,) = [line for line in lines if line.startswith("Perplexity")]
    told = ["Perplexity", "40.0", "[38.0,", "43.0]", "20.00", "200.0"]
    assert line.split() == [*told, "not", "better", "than", "random"]


def test_no_number_of_a_broken_model_is_written_out():
    broken = make_result("wanda", (20.0, 3.2e45, 1.7e308), amounts=(0.0, 0.5, 0.9))
    told = circuit_text(broken, at(broken, 0.5))
    assert "3.20 × 10⁴⁵" in told
    assert max(map(len, re.findall(r"[\d,.]+", told))) < 16


def test_table_has_a_row_for_each_block_and_the_roles_in_the_order_of_a_block():
    lines = circuit_text(result(), at(result(), 0.5)).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("kept, %"))
    assert [line.split() for line in lines[start : start + 4]] == [
        ["kept,", "%", "query", "attention-output", "down", "all"],
        ["block", "0", "50.0", "100.0", "25.0", "50.0"],
        ["block", "1", "100.0", "0.0", "0.5", "14.6"],
        ["all", "75.0", "50.0", "12.8", "32.3"],
    ]


def test_text_fits_a_hundred_columns():
    roles = ("query", "key", "value", "attention-output", "gate", "up", "down")
    whole = {role: (1000,) * 30 for role in roles}
    wide = result(kept=(whole, whole, whole))
    assert max(map(len, circuit_text(wide, at(wide, 0.5)).splitlines())) <= 100


def test_a_record_without_counts_says_so():
    for kept in (None, (WHOLE, {"down": (1, 2)}, NONE), (WHOLE, HALF | {"down": (1,)}, NONE)):
        bare = result(kept=kept)
        assert "The record has no counts by role and block" in circuit_text(bare, at(bare, 0.5))
        with pytest.raises(Sparc3Error) as refused:
            pictures(bare, at(bare, 0.5))
        assert str(refused.value).startswith("The record has no counts by role and block to draw;")


def test_what_remains_without_the_circuit_is_called_so():
    rest = result(removal="highest")
    assert circuit_text(rest, at(rest, 0.5)).startswith("What is left without the circuit of Wanda")


def test_a_circuit_that_was_looked_for_is_named():
    point = Point(
        amount=Amount(
            requested=0.75, in_scope=0.75, in_model=0.6, weights_removed=750, units_removed=750
        ),
        metrics={"perplexity": 60.0, "kl": 0.1},
        intervals={},
        samples={},
        kept=HALF,
    )
    sought = Found(metric="perplexity", at_least=0.9, title="Smallest that will do", point=point)
    whole = result(found=sought)
    told = circuit_text(whole, circuit_at(whole, None))
    assert "found     Smallest that will do" in told
    assert "0.25 kept" in told


def test_heads_are_told_by_the_sketch():
    whole = heads()
    assert membership(whole, at(whole, 0.75)) == [[False, True], [False, False]]
    assert membership(whole, at(whole, 0.5)) == [[True, True], [False, True]]
    told = circuit_text(whole, at(whole, 0.5))
    assert "block 0  ■■  2" in told
    assert "block 1  ·■  1" in told


def test_between_two_points_the_sketch_leaves_some_heads_open():
    whole = heads()
    between = whole.points[1].model_copy(
        update={"amount": whole.points[1].amount.model_copy(update={"requested": 0.6})}
    )
    told = membership(whole, MeasuredCircuit(between, None))
    assert told == [[None, True], [False, None]]
    beyond = whole.points[1].model_copy(
        update={"amount": whole.points[1].amount.model_copy(update={"requested": 0.9})}
    )
    assert membership(whole, MeasuredCircuit(beyond, None)) == [[False, None], [False, False]]


@pytest.mark.parametrize("change", [{"sketch": None}, {"kept": None}, {"unit": "neuron"}])
def test_heads_are_not_told_where_the_record_does_not_know(change):
    whole = heads(**change)
    assert membership(whole, at(whole, 0.5)) is None
    if whole.spec.unit == "head":
        told = circuit_text(whole, at(whole, 0.5))
        assert "The record has no sketch that names single heads." in told


def test_pictures_are_drawings_of_roles_and_heads():
    whole = heads()
    drawn = pictures(whole, at(whole, 0.5))
    assert sorted(drawn) == ["", "heads"]
    for text in drawn.values():
        root = ElementTree.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "in the circuit" in drawn["heads"]
    assert list(pictures(result(), at(result(), 0.5))) == [""]


def test_shares_are_empty_where_a_role_has_nothing():
    assert shares({"up": (1, 0)}, {"up": (2, 0)}) == [[0.5], [None]]


def test_unknown_roles_come_last():
    assert list(in_role_order({"zeta": (1,), "down": (1,), "alpha": (1,), "query": (1,)})) == [
        *("query", "down", "alpha", "zeta")
    ]


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0"), (1, "100.0"), (0.0095, "0.9"), (0.0004, "0.04"), (0.5, "50.0")]
)
def test_small_shares_keep_two_digits(share, text):
    assert share_text(share) == text
