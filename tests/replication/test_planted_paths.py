"""Scores of single paths through the planted model are their formula, written out densely."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from replication.planted import (
    answers,
    changed,
    view_of,
)
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.lrp import Lrp
from sparc3_tasks.planted_circuit import PlantedCircuit, data
from sparc3_tasks.planted_circuit.layout import Kind, draw_layout
from torch import Tensor

from sparc3_bench import ReferenceSamples

MLP = "model.layers.1.mlp"


@torch.no_grad()
def one_path(exact, tokenizer, neuron: int, prompt: data.Prompt) -> dict[str, Tensor]:
    """Write out one neuron of the last block, from what it reads to the logit difference.

    Only the last token of this block reaches the answer. There, `x` is what the block's MLP reads,
    `y` what the last norm reads, and `u` the difference of the two names' rows of the head. LRP
    takes the root mean square `r` as constant, lets all relevance through the activation, and
    gives half of the product of gate and up to either side.
    """
    weight = {name: exact.get_submodule(f"{MLP}.{name}_proj").weight for name in ("gate", "up")}
    down = exact.get_submodule(f"{MLP}.down_proj").weight[:, neuron]
    seen: dict[str, Tensor] = {}
    handles = [
        exact.get_submodule(path).register_forward_pre_hook(
            lambda module, args, key=path: seen.update({key: args[0][0, -1].detach()})
        )
        for path in ("model.layers.1.post_attention_layernorm", "model.norm")
    ]
    exact(input_ids=torch.tensor([tokenizer(prompt.text)["input_ids"]]))
    for handle in handles:
        handle.remove()
    x, y = seen["model.layers.1.post_attention_layernorm"], seen["model.norm"]
    a = x / (x.square().mean() + 1e-6).sqrt()
    gate, up = weight["gate"][neuron] @ a, weight["up"][neuron] @ a
    io, s = (tokenizer.convert_tokens_to_ids(name) for name in (prompt.io, prompt.s))
    u, r = exact.lm_head.weight[io] - exact.lm_head.weight[s], (y.square().mean() + 1e-6).sqrt()
    ratio = torch.sigmoid(gate)
    silu = gate * ratio
    h = silu * up
    gradient = u / r - y * (u @ y) / (len(y) * r**3)
    slope = ratio * (1 + gate * (1 - ratio))
    relevance = u / r
    return {
        "written": down * h,
        "without": y - down * h,
        "gradient of down": down * h * gradient,
        "gradient of up": weight["up"][neuron] * a * silu * (down @ gradient),
        "gradient of gate": weight["gate"][neuron] * a * slope * up * (down @ gradient),
        "lrp of down": down * h * relevance,
        "lrp of up": weight["up"][neuron] * a * silu / 2 * (down @ relevance),
        "lrp of gate": weight["gate"][neuron] * a * ratio * up / 2 * (down @ relevance),
    }


def neurons_of(truth, kind: Kind) -> list[int]:
    """Return the neurons of the last block that have weights of a kind on both sides."""
    read = (truth[f"{MLP}.up_proj"] == kind).any(1) & (truth[f"{MLP}.gate_proj"] == kind).any(1)
    return (read & (truth[f"{MLP}.down_proj"] == kind).any(0)).nonzero().flatten().tolist()


@pytest.mark.parametrize("kind", [Kind.CIRCUIT, Kind.OPEN_PAIR])
@pytest.mark.parametrize("scorer", ["gradient", "lrp"])
def test_scores_of_one_path_are_its_dense_formula(exact, tokenizer, truth, scorer, kind):
    prompts = data.ioi_prompts("reference", 4, 3)
    ids = [tokenizer(prompt.text)["input_ids"] for prompt in prompts]
    targets = [tokenizer.convert_tokens_to_ids([prompt.io, prompt.s]) for prompt in prompts]
    objective = PlantedCircuit().prepare(tokenizer, "", Path(), 0).references("logit-difference")
    reference = ReferenceSamples(ids, objective["task"].objective, targets=targets)
    made = {"gradient": Gradient, "lrp": Lrp}[scorer](aggregation="signed-mean")
    scores = made.score(view_of(exact), reference)
    checked = 0
    for neuron in neurons_of(truth, kind):
        paths = [one_path(exact, tokenizer, neuron, prompt) for prompt in prompts]
        if max(path["written"].abs().max() for path in paths) < 1e-3:
            continue  # a pair that reads only zeros
        for part in ("gate", "up", "down"):
            matrix = scores[f"{MLP}.{part}_proj"]
            found = matrix[:, neuron] if part == "down" else matrix[neuron]
            expected = sum(path[f"{scorer} of {part}"] for path in paths) / len(paths)
            assert expected.abs().max() > 1e-6
            assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()
            checked += 1
    assert checked >= 12


def test_a_path_of_the_circuit_is_what_the_model_loses_without_its_neuron(exact, tokenizer, truth):
    neuron = neurons_of(truth, Kind.CIRCUIT)[0]
    prompt = data.ioi_prompts("test", 1, 3)[0]
    path = one_path(exact, tokenizer, neuron, prompt)

    def without(name: str, weight: Tensor) -> Tensor:
        weight = weight.clone()
        if name == f"{MLP}.down_proj":
            weight[:, neuron] = 0
        return weight

    ids = torch.tensor([tokenizer(prompt.text)["input_ids"]])
    found = answers(changed(exact, without), ids, torch.ones_like(ids))[0]
    y = path["without"]
    expected = exact.lm_head.weight @ (y / (y.square().mean() + 1e-6).sqrt())
    assert torch.allclose(found, expected, rtol=0, atol=1e-10)
    assert (found - answers(exact, ids, torch.ones_like(ids))[0]).abs().max() > 1e-3


def test_the_two_paths_of_a_pair_write_opposite_things(exact, tokenizer, truth):
    pair = draw_layout(0).blocks[1].neurons["open-pair"].chunk(2)
    prompt = data.ioi_prompts("test", 1, 3)[0]
    alive = set(neurons_of(truth, Kind.OPEN_PAIR))
    twins = [(a, b) for a, b in zip(*(p.tolist() for p in pair), strict=True) if a in alive]
    assert twins
    written = [[one_path(exact, tokenizer, n, prompt)["written"] for n in two] for two in twins]
    assert all(torch.equal(first, -second) for first, second in written)
    assert max(float(first.abs().max()) for first, _ in written) > 1e-3
