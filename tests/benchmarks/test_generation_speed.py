"""How many times more tokens a second batches make than one prompt at a time, in one run.

Run with `make benchmarks`. Every round times prompts one by one right before the batches, so that a
machine whose speed drifts moves both. Nothing is asserted about time.
"""

from __future__ import annotations

import statistics
import time

import pytest
from benchmarks.rounds import ROUNDS
from sparc3_tasks.correction.generation import Sampling, respond

from sparc3_bench import ModelView
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model
from sparc3_bench.model.products import computes_in_bfloat16

ALONE = 4
NEW = 20
DTYPES = ["float32"] + (["bfloat16"] if computes_in_bfloat16() else [])
SAMPLINGS = {"greedy": Sampling(NEW), "sampled": Sampling(NEW, greedy=False)}


@pytest.fixture(scope="module", params=DTYPES)
def view(request, cache) -> ModelView:
    return find_model("smollm2-135m", default_host(), cache, request.param, "cpu").load("all")


@pytest.fixture(scope="module")
def prompts(view, cache) -> list[list[int]]:
    """Return 256 beginnings of real text, of 8 to 16 tokens."""
    task = (
        default_host()
        .get("task", "compression")
        .cls(reference_windows=1, evaluation_windows=256, evaluation_length=16)
    )
    windows = task.prepare(view.tokenizer, "smollm2-135m", cache, seed=0).evaluation.rows
    return [list(window[: 8 + index % 9]) for index, window in enumerate(windows)]


def tokens_a_second(view: ModelView, prompts, sampling: Sampling, batch_size: int) -> float:
    start = time.perf_counter()
    found = respond(view, prompts, sampling, lambda done, total: None, batch_size)
    seconds = time.perf_counter() - start
    return sum(len(text) for texts in found for text in texts) / seconds


@pytest.mark.parametrize("batch_size", [32])
@pytest.mark.parametrize("name", SAMPLINGS)
def test_batches_over_one_by_one(benchmark, view, prompts, name, batch_size):
    alone: list[float] = []
    batched: list[float] = []

    def before() -> None:
        alone.append(tokens_a_second(view, prompts[:ALONE], SAMPLINGS[name], 1))

    def step() -> None:
        batched.append(tokens_a_second(view, prompts[:batch_size], SAMPLINGS[name], batch_size))

    benchmark.pedantic(step, setup=before, rounds=ROUNDS)
    ratios = [b / a for a, b in zip(alone, batched, strict=True)]
    ratio = statistics.median(ratios)
    benchmark.extra_info["ratio"] = ratio
    speeds = f"{statistics.median(alone):.0f} and {statistics.median(batched):.0f} tokens/s"
    line = f"ratio {ratio:.1f}  ({min(ratios):.1f} to {max(ratios):.1f}), {speeds}"
    print(f"\n{line}")  # noqa: T201  # what `make benchmarks` is for
