"""What a function or class given in a call is known by: all that it uses, with a file or not."""

from __future__ import annotations

import functools
import sys
from types import ModuleType

import pytest
import torch

from sparc3_bench.api.code import code_at_hand

CELL = """
import torch
from dataclasses import dataclass
from sparc3_bench import Scorer

FACTOR = {factor}
TABLE = torch.tensor([1.0, {factor}])

def helper(values):
    return values * {helper}

def scored(view, reference):
    return {{name: helper(w.matrix) * FACTOR for name, w in view.weights().items()}}

def by_table(view, reference):
    return TABLE

@dataclass(frozen=True)
class Own(Scorer):
    name, title = "own", "Own"
    power: float = 1.0

    def score(self, model, reference):
        return scored(model, reference)
"""


def cell(factor: float = 2.0, helper: float = 1.0) -> ModuleType:
    """Run a cell of a notebook, which has no file."""
    module = ModuleType("cell")
    sys.modules["cell"] = module  # where dataclasses look
    exec(compile(CELL.format(factor=factor, helper=helper), "<cell>", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", ["scored", "by_table", "Own"])
def test_the_same_cell_run_again_is_the_same(name):
    assert code_at_hand(getattr(cell(), name)) == code_at_hand(getattr(cell(), name))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("scored", {"factor": 3.0}),
        ("scored", {"helper": 3.0}),
        ("by_table", {"factor": 3.0}),
        ("Own", {"helper": 3.0}),
        ("Own", {"factor": 3.0}),
    ],
)
def test_whatever_it_uses_makes_it_another(name, change):
    assert code_at_hand(getattr(cell(), name)) != code_at_hand(getattr(cell(**change), name))


def made(power: float, shift: torch.Tensor | None = None):
    def scored(view, reference):
        return {n: w.matrix.abs() ** power + (shift or 0) for n, w in view.weights().items()}

    return scored


def test_functions_of_one_file_that_hold_other_values_are_others():
    assert code_at_hand(made(1.0)) == code_at_hand(made(1.0))
    assert code_at_hand(made(1.0)) != code_at_hand(made(2.0))
    assert code_at_hand(made(1.0, torch.ones(1))) != code_at_hand(made(1.0, torch.zeros(1)))
    assert code_at_hand(made(1.0, torch.ones(1))) == code_at_hand(made(1.0, torch.ones(1)))
    partial = functools.partial(made, 1.0)
    assert code_at_hand(partial) == code_at_hand(functools.partial(made, 1.0))
    assert code_at_hand(partial) != code_at_hand(functools.partial(made, 2.0))


def test_what_cannot_be_told_is_never_the_same_again():
    unknown = object()

    def scored(view, reference):
        return unknown

    assert code_at_hand(scored) != code_at_hand(scored)


def test_a_class_of_a_file_is_known_by_it():
    class Local:
        value = 1

    class Other:
        value = 2

    Other.__qualname__ = Local.__qualname__
    assert code_at_hand(Local) == code_at_hand(Local)
    assert code_at_hand(Local) != code_at_hand(Other)
