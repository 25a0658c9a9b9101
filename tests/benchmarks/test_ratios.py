"""What each step costs, as a ratio to the model's own forward or forward + backward, interleaved.

Run with `make benchmarks`. Every round times the baseline right before the step, so that a machine
whose speed drifts moves both. Nothing is asserted about time.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import pytest
import torch

from sparc3_bench import ModelView, ReferenceSamples
from sparc3_bench.host import default_host
from sparc3_bench.model.load import computes_in_bfloat16, find_model, product_dtype
from sparc3_bench.selection.select import select

ROUNDS = 9
DTYPES = ["float32"] + (["bfloat16"] if computes_in_bfloat16() else [])


@pytest.fixture(scope="module", params=DTYPES)
def view(request, cache) -> ModelView:
    return find_model("smollm2-135m", default_host(), cache, request.param, "cpu").load("all")


@pytest.fixture(scope="module")
def reference(view, cache) -> ReferenceSamples:
    task = default_host().get("task", "compression").cls(reference_windows=1)
    prepared = task.prepare(view.tokenizer, "smollm2-135m", cache, seed=0)
    reference = prepared.references(task.default_objective)["task"]
    dtype = str(next(view.model.parameters()).dtype).removeprefix("torch.")
    return dataclasses.replace(reference, product_dtype=product_dtype(dtype, "cpu"))


def forward(view: ModelView, reference: ReferenceSamples) -> None:
    view.run(reference)


def forward_and_backward(view: ModelView, reference: ReferenceSamples) -> None:
    """Do what a training step does: form the gradient of every prunable weight."""
    parameters = {weight.parameter for weight in view.weights().values()}
    for parameter in view.model.parameters():
        parameter.requires_grad_(parameter in parameters)
        parameter.grad = None
    for batch in reference.batches():
        reference.objective(view.forward(batch), batch).backward()
    for parameter in parameters:
        parameter.grad = None


def compare(benchmark, step: Callable[[], object], baseline: Callable[[], object]) -> None:
    """Time `step`, with `baseline` timed right before each round."""
    baselines: list[float] = []

    def before() -> None:
        start = time.perf_counter()
        baseline()
        baselines.append(time.perf_counter() - start)

    benchmark.pedantic(step, setup=before, rounds=ROUNDS, warmup_rounds=1)
    steps = benchmark.stats.stats.data
    ratios = [b / a for a, b in zip(baselines[-len(steps) :], steps, strict=True)]
    ratio = statistics.median(ratios)
    benchmark.extra_info["ratio"] = ratio
    line = f"ratio {ratio:.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"\n{line}")  # noqa: T201  # what `make benchmarks` is for


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lrp", {}),
        ("gradient", {}),
        ("fisher", {}),
        ("gblm", {}),
        ("integrated-gradients", {"steps": 1}),
        ("integrated-gradients", {"steps": 1, "aggregation": "signed-mean"}),
    ],
)
def test_attribution_over_forward_and_backward(benchmark, view, reference, name, options):
    scorer = default_host().get("scorer", name).cls(**options)
    compare(
        benchmark,
        lambda: scorer.score(view, reference),
        lambda: forward_and_backward(view, reference),
    )


@pytest.mark.parametrize("name", ["wanda", "sparsegpt"])
def test_attribution_over_forward(benchmark, view, reference, name):
    scorer = default_host().get("scorer", name).cls()
    compare(benchmark, lambda: scorer.score(view, reference), lambda: forward(view, reference))


@pytest.mark.parametrize("group", ["row", "layer", "model"])
def test_select_over_forward(benchmark, view, reference, group):
    from sparc3_bench.attribution.scores import checked

    with torch.no_grad():
        scorer = default_host().get("scorer", "wanda").cls()
        scores = checked(scorer.score(view, reference), view.weights(), "wanda")
    compare(
        benchmark,
        lambda: select(scores, 0.5, view, group=group),
        lambda: forward(view, reference),
    )
