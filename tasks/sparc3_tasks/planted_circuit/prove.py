"""Prove the truth of the planted model: what is not the circuit is idle, what is matters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sparc3_bench import Sparc3Error
from sparc3_tasks.planted_circuit.fit import Examples, last_logits
from sparc3_tasks.planted_circuit.layout import Kind, Layout
from sparc3_tasks.planted_circuit.plant import plant

SEEDS = (101, 102, 103)
"""Of the other noise that must give the same logits."""

Facts = dict[str, float]


def prove(
    model: Any, truth: Mapping[str, Tensor], layout: Layout, ioi: Examples, sums: Examples
) -> Facts:
    """Return what was measured of the planted model, in float64, given the kind of every weight."""
    exact = in_float64(model)
    logits = answered(exact, ioi)
    alone = only(exact, truth, Kind.CIRCUIT)
    others = [replanted(exact, truth, layout, seed) for seed in SEEDS]
    moved = [(answered(other, ioi) - logits).abs().max().item() for other in (alone, *others)]
    without = only(exact, truth, *set(Kind) - {Kind.CIRCUIT})
    facts = {
        "ioi_accuracy": accuracy(exact, ioi),
        "sums_accuracy": accuracy(exact, sums),
        "ioi_accuracy_without_circuit": accuracy(without, ioi),
        "sums_accuracy_without_circuit": accuracy(without, sums),
        "largest_logit": logits.abs().max().item(),
        "largest_change_by_zeroing": moved[0],
        "largest_change_by_other_noise": max(moved[1:]),
    }
    for name, holds in (
        ("ioi_accuracy", facts["ioi_accuracy"] >= 0.95),
        ("sums_accuracy", facts["sums_accuracy"] >= 0.95),
        ("ioi_accuracy_without_circuit", facts["ioi_accuracy_without_circuit"] <= 0.2),
        ("largest_change_by_zeroing", moved[0] <= 1e-9),
        ("largest_change_by_other_noise", max(moved[1:]) <= 1e-9),
    ):
        if not holds:
            raise Sparc3Error(
                f"The planted model is not what it must be: {name} is {facts[name]:.3g}; change "
                "the recipe."
            )
    return facts


def in_float64(model: Any) -> Any:
    """Return a copy that computes in float64; the norms of transformers round to float32."""
    exact = copy.deepcopy(model).double().eval()
    for name, module in model.named_modules():
        if hasattr(module, "variance_epsilon"):
            norm = nn.RMSNorm(module.weight.shape, eps=module.variance_epsilon).double()
            exact.set_submodule(name, norm)
    return exact


def only(model: Any, truth: Mapping[str, Tensor], *kinds: Kind) -> Any:
    """Return a copy with all weights of other kinds at zero."""
    kept = copy.deepcopy(model)
    for name, codes in truth.items():
        keep = torch.isin(codes, torch.tensor(kinds, dtype=torch.uint8))
        kept.get_submodule(name).weight.detach().mul_(keep)
    return kept


def replanted(model: Any, truth: Mapping[str, Tensor], layout: Layout, seed: int) -> Any:
    """Return a copy with the circuit as it is, and everything else drawn anew."""
    other = only(model, truth, Kind.CIRCUIT)
    plant(other, layout, {}, seed)
    generator = torch.Generator().manual_seed(seed)
    for name, rows, columns in layout.trained("sums"):
        weight = other.get_submodule(name).weight.detach()
        noise = torch.randn(len(rows), len(columns), generator=generator)
        weight[rows[:, None], columns] = noise.to(weight.dtype)
    return other


def answered(model: Any, examples: Examples) -> Tensor:
    """Return the logits behind the last token of every example."""
    with torch.no_grad():
        return last_logits(model, *examples[:2])


def accuracy(model: Any, examples: Examples) -> float:
    """Return how often the right token has the largest logit."""
    right = answered(model, examples).argmax(-1) == examples[2]
    return right.double().mean().item()
