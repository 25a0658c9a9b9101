"""Allocations and repairs in the kit: those that are built in pass, those with a fault do not."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from sparc3_bench import Allocation, NewValues, Repair
from sparc3_bench.host import default_host
from sparc3_bench.testing import CHECKS, parametrize_with_checks
from sparc3_bench.testing.kit import check_plugin

BUILT_IN = [e.cls for kind in ("allocation", "repair") for e in default_host().all(kind).values()]


@parametrize_with_checks(BUILT_IN)
def test_built_ins_conform(plugin, check):
    check(plugin)


class Halves(Allocation):
    """Of every group half of what was asked for."""

    name, title = "halves", "Halves"

    def shares(self, asked):
        return dict.fromkeys(asked.scores, asked.amount / 2)


class Forgets(Halves):
    """Says nothing of the first matrix."""

    def shares(self, asked):
        return dict.fromkeys([*asked.scores][1:], asked.amount)


class Moody(Halves):
    """Other shares every time."""

    drawn: ClassVar = torch.Generator()

    def shares(self, asked):
        return {n: torch.rand(len(v), generator=self.drawn) for n, v in asked.scores.items()}


class Zeroes(Repair):
    """Prunes the model that it is given, and leaves it so."""

    name, title = "zeroes", "Zeroes"

    def repair(self, model, keep, reference):
        for name, mask in keep.weights.items():
            model.weights()[name].matrix.mul_(mask)
        return NewValues()


class Divides(Zeroes):
    """Divides by nothing."""

    def repair(self, model, keep, reference):
        return NewValues({n: w.matrix / 0 for n, w in model.weights().items()})


class Turned(Zeroes):
    """Returns matrices the wrong way round."""

    def repair(self, model, keep, reference):
        return NewValues({n: w.matrix.T for n, w in model.weights().items()})


class Noisy(Zeroes):
    """Other values every time."""

    def repair(self, model, keep, reference):
        drawn = Moody.drawn
        every = model.weights().items()
        return NewValues({n: torch.randn(w.matrix.shape, generator=drawn) for n, w in every})


@pytest.mark.parametrize(
    ("plugin", "caught"),
    [
        (Halves, "0.250 goes where 0.5 was asked for, on the tiny"),
        (Forgets, "no share in [0, 1]"),
        (Moody, "Other shares come of the same scores"),
        (Zeroes, "It left other bits in"),
        (Divides, "do not fit the model or are not finite"),
        (Turned, "do not fit the model or are not finite"),
        (Noisy, "Other values come of the same model"),
    ],
)
def test_a_fault_is_caught_and_told(plugin, caught):
    kind = "allocation" if issubclass(plugin, Allocation) else "repair"
    report = check_plugin(kind, plugin)
    assert [one.check for one in report.outcomes] == [one.__name__ for one in CHECKS[kind]]
    assert caught in str(report)
    assert all("allots" in one or "repairs" in one for one in report.failed)
