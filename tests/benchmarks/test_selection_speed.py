"""What it takes to choose what to keep at five amounts of 106 million scores, beside one copy.

Run with `make benchmarks`; no model is needed. Nothing is asserted about time.
"""

from __future__ import annotations

import time

import pytest
import torch

from sparc3_bench.selection.select import choose, cuts

AMOUNTS = (0.1, 0.3, 0.5, 0.7, 0.9)
SHAPES = [(576, 576), (192, 576), (192, 576), (576, 576), (1536, 576), (1536, 576), (576, 1536)]

# With one thread the time of the processor is not that of others who use the machine.
CLOCK = time.process_time if torch.get_num_threads() == 1 else time.perf_counter


@pytest.fixture(scope="module")
def ranking() -> dict[str, torch.Tensor]:
    """Return scores of the shapes of SmolLM2-135M."""
    torch.manual_seed(0)
    return {f"{b}.{n}": torch.randn(shape) for b in range(30) for n, shape in enumerate(SHAPES)}


@pytest.mark.parametrize("group", ["row", "layer", "model"])
def test_five_amounts(benchmark, ranking, group):
    copies: list[float] = []

    def before() -> None:
        start = CLOCK()
        for values in ranking.values():
            values.clone()
        copies.append(CLOCK() - start)

    def step() -> None:
        known = cuts(ranking, AMOUNTS, group, "lowest", "fraction")
        for amount in AMOUNTS:
            choose(ranking, amount, unit="weight", group=group, known=known)

    benchmark.pedantic(step, setup=before, rounds=3)
    seconds = benchmark.stats.stats.median
    line = f"group {group}: {seconds:.2f} s, {seconds / min(copies):.1f} × a copy of the scores"
    print(f"\n{line}")  # noqa: T201  # what `make benchmarks` is for
