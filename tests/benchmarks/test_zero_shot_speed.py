"""What answering benchmarks costs beside the model's plain forward, and beside lm-eval's own way.

Run with `make benchmarks`. Every round times the baseline right before the step, so that a machine
whose speed drifts moves both. Nothing is asserted about time.
"""

from __future__ import annotations

import statistics
import time

import pytest
import torch
from benchmarks.rounds import ROUNDS
from lm_eval.models.huggingface import HFLM
from sparc3_tasks.texts.begin import Beginning
from sparc3_tasks.zero_shot import ZeroShot, harness

from sparc3_bench import Batch, ModelView
from sparc3_bench.host import default_host
from sparc3_bench.model.load import find_model

ITEMS = 8
"""Of every benchmark."""
WINDOW = 512

# With one thread the time of the processor is not that of others who use the machine.
CLOCK = time.process_time if torch.get_num_threads() == 1 else time.perf_counter


@pytest.fixture(scope="module")
def view(cache) -> ModelView:
    return find_model("smollm2-135m", default_host(), cache, "float32", "cpu").load("all")


@pytest.fixture(scope="module")
def requests(view, cache):
    """Return what all nine benchmarks ask."""
    prepared = ZeroShot(limit=ITEMS).prepare(view.tokenizer, "smollm2-135m", cache, 0)
    return [request for task in prepared.drawn.tasks.values() for request in task.instances]


def plain_rate(view: ModelView, tokens: int) -> float:
    """Return how many tokens a second go through the model in whole windows."""
    count = -(-tokens // WINDOW)
    ids = torch.randint(3, 40_000, (count, 1, WINDOW), generator=torch.Generator().manual_seed(0))
    start = CLOCK()
    with torch.inference_mode():
        for window in ids:
            view.forward(Batch(window, torch.ones_like(window)))
    return count * WINDOW / (CLOCK() - start)


def answered(view: ModelView, requests, model) -> tuple[float, int]:
    """Return the seconds that answers take, and the tokens that went through the model."""
    tokens, start = view.tokens, CLOCK()
    with harness.quiet():
        model.loglikelihood(requests, disable_tqdm=True)
    return CLOCK() - start, view.tokens - tokens


def test_answers_over_the_plain_forward(view, requests):
    ours = harness.InMemory(view, view.tokenizer, Beginning(), lambda done, total: None)
    plain, rates = [], []
    for _ in range(ROUNDS):
        seconds, tokens = answered(view, requests, ours)
        plain.append(plain_rate(view, tokens))
        rates.append(tokens / seconds)
    ratios = [own / other for own, other in zip(rates, plain, strict=True)]
    speeds = f"{statistics.median(rates):.0f} and {statistics.median(plain):.0f} tokens/s"
    report(f"throughput {statistics.median(ratios):.2f} of the plain forward's", ratios, speeds)


def test_answers_over_lm_evals_own(view, requests):
    ours = harness.InMemory(view, view.tokenizer, Beginning(), lambda done, total: None)
    theirs = HFLM(pretrained=view.model, tokenizer=view.tokenizer, batch_size=16)
    times = [(answered(view, requests, theirs)[0], answered(view, requests, ours)[0])]
    ratios = [own / other for other, own in times]
    speeds = f"{len(requests)} requests in {times[0][1]:.0f} and {times[0][0]:.0f} s"
    report(f"time {statistics.median(ratios):.2f} of lm-eval's", ratios, speeds)


def report(what: str, ratios, speeds: str) -> None:
    line = f"{what}  ({min(ratios):.2f} to {max(ratios):.2f}), {speeds}"
    print(f"\n{line}")  # noqa: T201  # what `make benchmarks` is for
