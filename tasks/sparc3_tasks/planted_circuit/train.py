"""Make the planted model: train both parts, plant noise, prove it idle, save.

Run as ``python -m sparc3_tasks.planted_circuit.train [FOLDER]``; some four minutes of one core.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sparc3_tasks.planted_circuit import data
from sparc3_tasks.planted_circuit.fit import Recipe, fit, ioi_examples, sum_examples
from sparc3_tasks.planted_circuit.layout import (
    BLOCKS,
    HEAD_COUNT,
    HEAD_SIZE,
    HIDDEN_SIZE,
    NEURON_COUNT,
    draw_layout,
)
from sparc3_tasks.planted_circuit.plant import plant
from sparc3_tasks.planted_circuit.prove import Facts, prove

FOLDER = Path(__file__).with_name("model")


def make(folder: Path, recipe: Recipe, seed: int = 0) -> Facts:
    """Save the model, its tokenizer and the truth in `folder`, and return what was proved.

    The same recipe and seed give the same bytes on the same machine and version of torch.
    """
    layout = draw_layout(seed)
    model, tokenizer = make_model(), data.make_tokenizer()
    masks = fit(model, tokenizer, layout, recipe, seed, say)
    # What is saved is what is proved.
    model.to(torch.bfloat16).float()
    truth = plant(model, layout, masks, seed)
    facts = prove(
        model, truth, layout, ioi_examples(tokenizer, "test", 600, seed), sum_examples(tokenizer)
    )
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file(truth, folder / "truth.safetensors")
    return facts


def make_model() -> Any:
    """Return the model with every matrix zero."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(data.vocabulary()),
        hidden_size=HIDDEN_SIZE,
        intermediate_size=NEURON_COUNT,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEAD_COUNT,
        head_dim=HEAD_SIZE,
        max_position_embeddings=32,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=1,
    )
    model = LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.detach().zero_()
        else:  # both parts go through the norms; neither may move them
            parameter.requires_grad_(False)
    return model


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    say(json.dumps(make(target, Recipe()), indent=2))
