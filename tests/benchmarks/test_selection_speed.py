"""What it takes to choose what to keep at five amounts of 106 million scores, beside one copy.

Run with `make benchmarks`; no model is needed. Nothing is asserted about time.
"""

from __future__ import annotations

import statistics

import pytest
import torch
from benchmarks.rounds import ROUNDS, report, seconds

from sparc3_bench.selection.select import choose, cuts

AMOUNTS = (0.1, 0.3, 0.5, 0.7, 0.9)
SHAPES = [(576, 576), (192, 576), (192, 576), (576, 576), (1536, 576), (1536, 576), (576, 1536)]

LIMITS = {"row": 0.8, "layer": None, "model": 1.0}
"""Seconds."""


@pytest.fixture(scope="module")
def ranking() -> dict[str, torch.Tensor]:
    """Return scores of the shapes of SmolLM2-135M."""
    torch.manual_seed(0)
    return {f"{b}.{n}": torch.randn(shape) for b in range(30) for n, shape in enumerate(SHAPES)}


@pytest.mark.parametrize("group", LIMITS)
def test_five_amounts(benchmark, threads, ranking, group):
    taken: list[float] = []

    def step() -> None:
        known = cuts(ranking, AMOUNTS, group, "lowest", "fraction")
        for amount in AMOUNTS:
            choose(ranking, amount, unit="weight", group=group, known=known)

    benchmark.pedantic(lambda: taken.append(seconds(step)), rounds=ROUNDS)
    about = {"step": f"selection by {group}", "threads": threads, "limit": LIMITS[group]}
    found = {"seconds": statistics.median(taken)}
    report(benchmark, about, found, min(taken), max(taken))
