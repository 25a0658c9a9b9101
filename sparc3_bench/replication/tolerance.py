"""Tolerances: by how much two runs of one spec may differ on different machines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc3_bench.types.values import Scale


@dataclass(frozen=True)
class Tolerance:
    """What rounding explains; how wide an interval is has no part in it.

    Differences are those of `distance`.
    """

    units: float
    """The share of the sampled units that may be kept in one run and removed in the other: scores
    that are as good as equal change places."""
    sample: float
    """How far a measurement of one sample may be off."""
    samples: float
    """The share of the samples of a kind that may be off by more: a choice between two words, or a
    written text, turns where both are as good as equal."""
    number: float
    """How far any number that follows from all samples may be off."""


_WRITTEN = "bfloat16, answers that a model wrote"

TOLERANCES = {
    "float32": Tolerance(units=0.001, sample=0.001, samples=0.01, number=0.001),
    "bfloat16": Tolerance(units=0.01, sample=0.25, samples=0.05, number=0.02),
    _WRITTEN: Tolerance(units=0.01, sample=0.25, samples=0.6, number=0.1),
}
"""By the number format that the model ran in; other formats are taken for bfloat16.

A logit between 16 and 32 is a multiple of 1/8 there, and a difference of two may be off by two of
these steps. Of answers of 48 tokens about half turn on another processor.
"""


def tolerance_of(dtype: str, *, written: bool = False) -> Tolerance:
    """Return what runs in a number format may differ by, where a model `written` answers or not."""
    if dtype == "float32":
        return TOLERANCES[dtype]
    return TOLERANCES[_WRITTEN if written else "bfloat16"]


def distance(one: float, other: float, scale: Scale = "linear") -> float:
    """Return how far two numbers are apart.

    On a log scale that is the logarithm of their ratio; else the difference as a share of the
    larger one, of numbers below 1 the difference itself.
    """
    if scale == "log" and one > 0 and other > 0:
        return abs(math.log(one) - math.log(other))
    return abs(one - other) / max(1.0, abs(one), abs(other))
