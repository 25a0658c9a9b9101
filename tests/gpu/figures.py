"""Times scoring, removing and selecting on random models of some shapes, beside the model alone."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from sparc3_bench.attribution.objectives import find_objective
from sparc3_bench.attribution.scores import checked
from sparc3_bench.graph.cost import metered
from sparc3_bench.host import default_host
from sparc3_bench.model.load import choose_adapter
from sparc3_bench.model.view import ModelView
from sparc3_bench.run.environment import describe_environment
from sparc3_bench.selection.select import as_mask, choose
from sparc3_bench.types.samples import ReferenceSamples

SHAPES = {
    "tiny": (64, 176, 2, 4, 4, 512, 32),
    "1B": (2048, 5632, 22, 32, 4, 32_000, 512),
    "7B": (4096, 11_008, 32, 32, 32, 32_000, 512),
}
"""Width, hidden units, blocks, heads, heads of keys, words, and tokens of a window."""
ROUNDS = 5


def made(shape: str, device: str) -> tuple[ModelView, ReferenceSamples]:
    width, inner, blocks, heads, keys, words, length = SHAPES[shape]
    config = AutoConfig.for_model(
        "llama",
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        vocab_size=words,
        max_position_embeddings=2048,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    view = ModelView(model, choose_adapter(config, shape, default_host()))
    drawn = random.Random(0)
    samples = [[drawn.randrange(words) for _ in range(length)] for _ in range(2)]
    return view, ReferenceSamples(samples, find_objective("label-log-probability"))


def forward_and_backward(view: ModelView, reference: ReferenceSamples) -> None:
    """Do what a training step does: form the gradient of every prunable weight."""
    parameters = [weight.parameter for weight in view.weights().values()]
    for parameter in view.model.parameters():
        parameter.requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)
    for batch in reference.batches(view.device):
        reference.objective(view.forward(batch), batch).backward()
    for parameter in parameters:
        parameter.grad = None


def steps(view: ModelView, reference: ReferenceSamples) -> dict[str, tuple[str, Callable]]:
    """Return by name what is timed, and beside which of the others."""

    def scored(name: str) -> Callable:
        return lambda: default_host().get("scorer", name).cls().score(view, reference)

    scores = checked(scored("wanda")(), view.weights(), "wanda").weights

    def removed(group: str) -> Callable:
        def measured() -> None:
            keep = choose(scores, 0.5, unit="weight", group=group)
            with view.masked(as_mask(keep, view, "weight")):
                view.run(reference)

        return measured

    found = {
        "forward": ("", lambda: view.run(reference)),
        "forward and backward": ("", lambda: forward_and_backward(view, reference)),
        "wanda": ("forward", scored("wanda")),
        "removed by row, and forward": ("forward", removed("row")),
        "removed by model, and forward": ("forward", removed("model")),
    }
    both = {name: ("forward and backward", scored(name)) for name in ("lrp", "gradient", "fisher")}
    return found | both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True)
    parser.add_argument("--shapes", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    end, rows = time.monotonic() + given.seconds, []
    for shape in given.shapes.split(","):
        view, reference = made(shape, given.device)
        timed = steps(view, reference)
        for name, (beside, step) in timed.items():
            if time.monotonic() > end:
                print(f"{shape}: {name} is left out, as the time is up")
                continue
            step()  # the first of anything takes longer
            ratios, seconds, peaks = [], [], []
            for _ in range(ROUNDS):
                with metered() as base:
                    timed[beside][1]() if beside else None
                with metered() as own:
                    step()
                if beside and base.phase.seconds:
                    ratios.append(own.phase.seconds / base.phase.seconds)
                seconds.append(own.phase.seconds)
                peaks.append(own.phase.device_bytes or own.phase.peak_bytes)
            rows.append(
                {
                    "shape": shape,
                    "weights": view.parameters,
                    "step": name,
                    "seconds": statistics.median(seconds),
                    "beside": beside or None,
                    "ratio": statistics.median(ratios) if ratios else None,
                    "peak_bytes": max(peaks),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
        del view, timed
    about = describe_environment(given.device).model_dump(mode="json")
    given.out.write_text(json.dumps({"environment": about, "figures": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
