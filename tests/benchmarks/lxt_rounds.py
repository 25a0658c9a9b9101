"""A process with lxt in it: a round of its own use a line that it reads, and how long it took.

Its arguments are the number format, the threads, and whether one window is read or several.

The package changes classes of the whole process. What is timed is its published way: gradients of
the weights under its patches, each times its weight.
"""

from __future__ import annotations

import json
import sys

import torch
from benchmarks.rounds import seconds
from benchmarks.steps import Bench
from sparc3_scorers import lxt_worker

from sparc3_bench import ReferenceSamples
from sparc3_bench.graph.cost import metered


def score(bench: Bench, reference: ReferenceSamples) -> dict[str, torch.Tensor]:
    model, embed = bench.view.model, bench.view.model.get_input_embeddings()
    with bench.training() as parameters:
        for batch in reference.batches():
            inputs = embed(batch.input_ids).detach().requires_grad_()
            logits = model(inputs_embeds=inputs, use_cache=False).logits
            reference.objective(logits, batch).backward()
        scores = {}
        for name, parameter in zip(bench.view.weights(), parameters, strict=True):
            scores[name] = parameter.detach().float() * parameter.grad
            parameter.grad = None
    return scores


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    bench = Bench.load(sys.argv[1])
    lxt_worker.patch(type(bench.view.model).__module__, bench.view.config.model_type)
    reference = bench.several if sys.argv[3] == "several" else bench.reference
    score(bench, reference)
    for _ in sys.stdin:
        with metered() as meter:
            taken = seconds(lambda: score(bench, reference))
        print(json.dumps([taken, meter.phase.peak_bytes]), flush=True)  # noqa: T201  # the answer
