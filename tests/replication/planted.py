"""The planted model, its truth, and ways to change and ask it, for the tests of its task."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors.torch import load_file
from sparc3_tasks.planted_circuit import PlantedIoi, data
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from sparc3_bench import ModelView
from sparc3_bench.host import default_host

FOLDER = PlantedIoi().fetch(Path())


def load_model() -> nn.Module:
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


def load_tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


def load_truth() -> dict[str, Tensor]:
    """Return for every matrix the `Kind` of each weight, as a code."""
    return load_file(FOLDER / "truth.safetensors")


def view_of(model: nn.Module, **options) -> ModelView:
    return ModelView(model, default_host().get("adapter", "llama").cls(), **options)


def asked(tokenizer, count: int = 120) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, mask and the right name of test prompts."""
    prompts = data.ioi_prompts("test", count, 7)
    found = tokenizer([prompt.text for prompt in prompts], padding=True, return_tensors="pt")
    names = tokenizer.convert_tokens_to_ids([prompt.io for prompt in prompts])
    return found["input_ids"], found["attention_mask"], torch.tensor(names)


def answers(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits
    return torch.stack([row[int(m.sum()) - 1] for row, m in zip(logits, mask, strict=True)])


def changed(model: nn.Module, change) -> nn.Module:
    """Return a copy whose matrices are what `change` makes of name and matrix."""
    other = copy.deepcopy(model)
    for name, module in other.named_modules():
        if name.endswith("_proj"):
            module.weight.data = change(name, module.weight.data)
    return other
