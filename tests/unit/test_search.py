"""The search: the crossing of a bar, within a factor, with few evaluations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sparc3_bench.graph.drive import Recipe, drive
from sparc3_bench.run.search import largest_amount


def found_by(passes: Callable[[float], bool]) -> float:
    """Look by what is known of an amount at once."""

    def known(amount: float) -> Recipe[bool]:
        yield []
        return passes(amount)

    return drive(largest_amount(known, 1.05), lambda wanted: wanted)


def searched(smallest: float) -> tuple[float, list[float]]:
    """Look for the crossing where circuits of at least the fraction `smallest` pass."""
    tried: list[float] = []

    def passes(amount: float) -> bool:
        tried.append(amount)
        return 1 - amount >= smallest - 1e-9

    return found_by(passes), tried


@pytest.mark.parametrize("smallest", [0.0015, 0.01, 0.03, 0.1, 0.25, 0.5, 0.77, 0.96, 0.999])
def test_what_is_found_passes_and_is_within_five_percent_of_the_smallest(smallest):
    found, tried = searched(smallest)
    assert found in (*tried, 0.0)
    assert smallest - 1e-6 <= 1 - found <= smallest * 1.0501


@pytest.mark.parametrize("smallest", [0.0, 0.0005, 0.001])
def test_the_smallest_circuit_is_taken_where_all_pass(smallest):
    assert searched(smallest)[0] == 0.999


def test_nothing_that_passes_gives_the_whole_model():
    assert found_by(lambda amount: False) == 0.0


def test_few_models_are_evaluated():
    assert all(len(searched(n / 200)[1]) <= 8 for n in range(1, 201))


def test_amounts_are_short_decimals_between_zero_and_one():
    for n in range(1, 50):
        for amount in searched(n / 50)[1]:
            assert 0 <= amount <= 1
            assert amount == round(amount, 6)


def test_curve_that_crosses_more_than_once_gives_one_of_its_crossings():
    def passes(amount: float) -> bool:
        return amount < 0.3 or 0.5 < amount < 0.6

    found = found_by(passes)
    assert passes(found)
    assert min(abs((1 - found) / (1 - crossing) - 1) for crossing in (0.3, 0.6)) < 0.0501
