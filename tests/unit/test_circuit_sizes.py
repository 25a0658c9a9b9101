"""Sizes of circuits: exactly as typed, found in a result, refused in one sentence."""

from __future__ import annotations

from fractions import Fraction

import pytest
from unit.results import make_result

from sparc3_bench import Sparc3Error
from sparc3_bench.circuit.sizes import (
    circuit_at,
    common,
    measured_circuits,
    parse_amount,
    require_amount,
    size_text,
    usual,
)
from sparc3_bench.record.parts import Found

AMOUNTS = (0.0, 0.5, 0.9, 0.99, 1.0)


def curve(**changes):
    given = {"amounts": AMOUNTS, "values": [float(n) for n in range(len(AMOUNTS))], **changes}
    return make_result(given.pop("scorer", "wanda"), given.pop("values"), **given)


def found(amount: float) -> Found:
    point = make_result(values=(1.0, 2.0), amounts=(0.0, amount)).points[1]
    return Found(metric="perplexity", at_least=0.9, title="Smallest that will do", point=point)


@pytest.mark.parametrize("text", ["0.05", "0.3", "0.001", "1e-3", "0.7", "0", "1", "0.123456"])
def test_what_is_removed_is_the_exact_rest_of_what_was_typed(text):
    amount = parse_amount(text, None, "fraction")
    assert Fraction(repr(amount)) == 1 - Fraction(text)
    assert Fraction(size_text(amount, "fraction")) == Fraction(text)


def test_counts_are_taken_as_they_are():
    assert parse_amount(None, 12, "count") == 12
    assert size_text(12.0, "count") == "12"
    assert parse_amount(None, None, "count") is None


@pytest.mark.parametrize(
    ("size", "remove", "kind", "expected"),
    [
        ("abc", None, "fraction", "must be a number from 0 to 1, the fraction that is kept, got"),
        ("1.5", None, "fraction", "got '1.5'."),
        ("-0.1", None, "fraction", "got '-0.1'."),
        ("nan", None, "fraction", "got 'nan'."),
        ("inf", None, "fraction", "got 'inf'."),
        ("", None, "fraction", "got ''."),
        ("0.5", 3, "fraction", "both name the size; give one of them."),
        ("0.5", None, "count", "give `--remove` with the number of units removed."),
        (None, 3, "fraction", "give `--size` with the fraction kept."),
    ],
)
def test_what_is_no_size_is_refused(size, remove, kind, expected):
    with pytest.raises(Sparc3Error) as refused:
        parse_amount(size, remove, kind)
    assert expected in str(refused.value)


def test_circuits_of_a_result_are_listed_from_the_smallest():
    result = curve(found=found(0.95))
    assert [at.amount for at in measured_circuits(result)] == [1.0, 0.99, 0.95, 0.9, 0.5, 0.0]
    assert [at.index for at in measured_circuits(result)] == [4, 3, None, 2, 1, 0]


def test_what_was_found_at_a_point_of_the_curve_is_listed_once():
    assert len(measured_circuits(curve(found=found(0.9)))) == len(AMOUNTS)


def test_by_default_the_circuit_nearest_to_a_tenth_is_shown_or_the_one_found():
    assert circuit_at(curve(), None).amount == 0.9
    assert circuit_at(curve(found=found(0.95)), None).amount == 0.95
    assert circuit_at(curve(found=found(0.99)), None).index == 3
    assert circuit_at(curve(), 0.5).index == 1


@pytest.mark.parametrize("amounts", [(0.0, 0.5, 1.0), (0.0, 0.3, 0.5, 0.7, 1.0), (0.0, 0.05, 1.0)])
def test_by_default_neither_the_dense_nor_the_empty_model_is_shown(amounts):
    values = tuple(map(float, range(len(amounts))))
    made = curve(amounts=amounts, values=values)
    assert circuit_at(made, None).amount == amounts[-2]
    kept = curve(amounts=amounts, values=values, found=found(0.0))
    assert circuit_at(kept, None).amount == amounts[-2]
    assert circuit_at(made, 1.0).amount == 1.0
    only = curve(amounts=(0.0, 1.0), values=(1.0, 2.0))
    with pytest.raises(Sparc3Error, match="The result has no circuit, as it has nothing between"):
        circuit_at(only, None)


def test_a_size_that_was_not_measured_is_refused_with_those_that_were():
    with pytest.raises(Sparc3Error) as refused:
        circuit_at(curve(), 0.7)
    assert str(refused.value) == (
        "The result has no circuit of `--size 0.3`; it has 0, 0.01, 0.1, 0.5, 1."
    )


def test_a_size_is_needed_where_one_is_computed():
    assert require_amount(curve(), 0.2) == 0.2
    with pytest.raises(Sparc3Error) as refused:
        require_amount(curve(), None)
    assert str(refused.value) == (
        "A circuit has a size: give `--size`, the fraction kept; measured were 0, 0.01, 0.1, 0.5, "
        "1."
    )


def test_common_sizes_leave_out_the_whole_and_the_empty_model():
    other = curve(amounts=(0.0, 0.5, 0.9, 1.0), values=(1.0, 2.0, 3.0, 4.0))
    assert common([curve(), other]) == [0.9, 0.5]
    counted = {"amount_kind": "count", "group": "model"}
    whole = curve(amounts=(0.0, 500.0, 1000.0), values=(1.0, 2.0, 3.0), **counted)
    assert common([whole, whole]) == [500.0]
    alone = curve(amounts=(0.0,), values=(1.0,))
    assert common([curve(), alone]) == [0.0]


def test_fractions_are_not_compared_with_counts():
    counted = curve(amounts=(0.0, 5.0), values=(1.0, 2.0), amount_kind="count", group="model")
    with pytest.raises(Sparc3Error, match="compare those of one kind"):
        common([curve(), counted])


def test_one_size_stands_for_all():
    assert usual([0.99, 0.9, 0.5], "fraction") == 0.9
    assert usual([3.0, 9.0], "count") == 9.0
