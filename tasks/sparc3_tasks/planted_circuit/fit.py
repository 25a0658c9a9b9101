"""Train the two parts of the planted model, each in its own region, and remove small weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparc3_tasks.planted_circuit import data
from sparc3_tasks.planted_circuit.layout import Layout

OUTER = ("model.embed_tokens", "lm_head")
WORDS = {"circuit": data.IOI_WORDS, "sums": data.SUM_WORDS}

Masks = dict[str, dict[str, Tensor]]
"""Part to name of a matrix to the entries that the part uses, bool like the matrix."""

Examples = tuple[Tensor, Tensor, Tensor]
"""Token ids and attention mask, ``[samples, tokens]``, and the token that is asked for."""

Answers = tuple[Tensor, Tensor, Tensor, Tensor]
"""The same with the right name and the wrong one."""


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train."""

    steps: int = 500
    """Steps before anything is removed."""
    rounds: int = 20
    round_steps: int = 60
    """How often the smallest weights are removed, and how many steps follow each time."""
    last_steps: int = 500
    """Steps at the end, at a falling rate."""
    density: float = 0.12
    """Fraction of the weights of each part's blocks that stays."""
    least: float = 0.01
    """A circuit weight whose removal moves logit(IO) - logit(S) by less on average is no circuit
    weight, and is removed in the end."""
    prompts: int = 20_000
    """How many IOI prompts to train on."""
    batch_size: int = 64
    """Examples of each part in a step."""
    rate: float = 3e-3
    decay: float = 0.05
    """Learning rate and weight decay of AdamW."""


def fit(
    model: Any,
    tokenizer: Any,
    layout: Layout,
    recipe: Recipe,
    seed: int,
    progress: Callable[[str], None],
) -> Masks:
    """Train both parts and return the entries that they use in the end.

    The parts share no token, dimension, head or neuron, so that training them at once is training
    each alone. Weights are removed by size, which favours no method of attribution.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {name: model.get_submodule(name).weight for name in matrices(layout)}
    masks = regions(weights, layout)
    prunable = {
        part: {name: mask for name, mask in found.items() if name not in OUTER}
        for part, found in masks.items()
    }
    sizes = {part: sum(int(m.sum()) for m in found.values()) for part, found in prunable.items()}
    start(weights, masks, generator)
    examples = {
        "circuit": ioi_examples(tokenizer, "reference", recipe.prompts, seed),
        "sums": sum_examples(tokenizer),
    }
    optimizer = torch.optim.AdamW(list(weights.values()), lr=recipe.rate, weight_decay=recipe.decay)
    pruning = range(recipe.steps, recipe.steps + recipe.rounds * recipe.round_steps)
    end = pruning.stop + recipe.last_steps
    for step in range(end):
        if step in pruning and (step - recipe.steps) % recipe.round_steps == 0:
            share = (1 + (step - recipe.steps) // recipe.round_steps) / recipe.rounds
            for part, found in prunable.items():
                keep_largest(weights, found, round(sizes[part] * recipe.density**share))
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * min(1, (step + 1) / 100, (end - step) / recipe.last_steps)
        losses = {}
        for part, (ids, mask, answers) in examples.items():
            rows = torch.randint(len(ids), (recipe.batch_size,), generator=generator)
            logits = last_logits(model, ids[rows], mask[rows])
            losses[part] = functional.cross_entropy(logits, answers[rows])
        optimizer.zero_grad()
        torch.autograd.backward(list(losses.values()))
        optimizer.step()
        with torch.no_grad():
            for name, weight in weights.items():
                weight.mul_(masks["circuit"][name] | masks["sums"][name])
        if (step + 1) % 500 == 0 or step + 1 == end:
            told = ", ".join(f"{part} {loss.item():.4f}" for part, loss in losses.items())
            progress(f"step {step + 1}/{end}: loss {told}")
    asked = ioi_answers(tokenizer, 48, seed)
    while drop_idle(model, prunable["circuit"], asked, recipe.least, progress):
        pass
    return prunable


def matrices(layout: Layout) -> list[str]:
    """Return the names of all matrices."""
    return [*OUTER, *(name for name, _, _ in layout.trained("circuit"))]


def regions(weights: Mapping[str, Tensor], layout: Layout) -> Masks:
    """Return the entries that each part may use."""
    ids = data.vocabulary()
    masks: Masks = {}
    for part, words in WORDS.items():
        tokens = torch.tensor([ids[word] for word in words])
        outer = [(name, tokens, layout.dimensions[part]) for name in OUTER]
        masks[part] = {}
        for name, rows, columns in (*outer, *layout.trained(part)):
            mask = torch.zeros_like(weights[name], dtype=torch.bool)
            mask[rows[:, None], columns] = True
            masks[part][name] = mask
    return masks


def start(weights: Mapping[str, Tensor], masks: Masks, generator: torch.Generator) -> None:
    """Draw the first values."""
    with torch.no_grad():
        for name, weight in weights.items():
            noise = torch.randn(weight.shape, generator=generator)
            for found in masks.values():
                inputs = int(found[name].any(0).sum())
                scale = 0.5 if name in OUTER else inputs**-0.5 / 2
                weight.add_(noise * found[name] * scale)


def keep_largest(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], count: int) -> None:
    """Take all but the `count` largest weights of a part out of its masks."""
    values = torch.cat([weights[name].detach()[mask].abs() for name, mask in masks.items()])
    threshold = values.topk(count).values[-1]
    for name, mask in masks.items():
        mask.logical_and_(weights[name].detach().abs() >= threshold)


def drop_idle(
    model: Any,
    masks: Mapping[str, Tensor],
    answers: Answers,
    least: float,
    progress: Callable[[str], None],
) -> int:
    """Remove the weights that alone move the logit difference by less than `least`; count them."""
    count = 0
    for name, found in effects(model, masks, answers).items():
        idle = masks[name].clone()
        idle[masks[name]] = found < least
        model.get_submodule(name).weight.detach()[idle] = 0
        masks[name].logical_and_(~idle)
        count += int(idle.sum())
    progress(f"{count} weights of the circuit do nothing alone and are removed")
    return count


def effects(model: Any, masks: Mapping[str, Tensor], answers: Answers) -> dict[str, Tensor]:
    """Return the mean absolute change of the logit difference as each weight alone is zeroed.

    By matrix, one number an entry of its mask, row by row.
    """
    ids, attention, right, wrong = answers
    rows = torch.arange(len(ids))

    def differences() -> Tensor:
        with torch.no_grad():
            logits = last_logits(model, ids, attention)
        return logits[rows, right] - logits[rows, wrong]

    dense = differences()
    found = {}
    for name, mask in masks.items():
        weight, moved = model.get_submodule(name).weight.detach(), []
        for row, column in mask.nonzero().tolist():
            before = weight[row, column].item()
            weight[row, column] = 0
            moved.append((differences() - dense).abs().mean())
            weight[row, column] = before
        found[name] = torch.stack(moved) if moved else torch.zeros(0)
    return found


def last_logits(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the logits behind the last token of every sample."""
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    found = logits[torch.arange(len(ids)), mask.sum(1) - 1]
    assert isinstance(found, Tensor)
    return found


def ioi_examples(tokenizer: Any, part: str, count: int, seed: int) -> Examples:
    """Return IOI prompts in tokens."""
    prompts = data.ioi_prompts(part, count, seed)
    return _examples(tokenizer, [(prompt.text, prompt.io) for prompt in prompts])


def ioi_answers(tokenizer: Any, count: int, seed: int) -> Answers:
    """Return reference prompts in tokens, with the right name and the wrong one."""
    prompts = data.ioi_prompts("reference", count, seed)
    ids, mask, right = _examples(tokenizer, [(prompt.text, prompt.io) for prompt in prompts])
    wrong = tokenizer.convert_tokens_to_ids([prompt.s for prompt in prompts])
    return ids, mask, right, torch.tensor(wrong)


def sum_examples(tokenizer: Any) -> Examples:
    """Return all sums in tokens."""
    return _examples(tokenizer, data.sums())


def _examples(tokenizer: Any, pairs: list[tuple[str, str]]) -> Examples:
    found = tokenizer([text for text, _ in pairs], padding=True, return_tensors="pt")
    answers = tokenizer.convert_tokens_to_ids([answer for _, answer in pairs])
    return found["input_ids"], found["attention_mask"], torch.tensor(answers)
