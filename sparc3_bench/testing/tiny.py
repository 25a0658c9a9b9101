"""Tiny random models of every adapted architecture, a tokenizer and a text for them."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from sparc3_bench.attribution.objectives import find_objective
from sparc3_bench.host import default_host
from sparc3_bench.model.load import choose_adapter
from sparc3_bench.model.view import ModelView
from sparc3_bench.types.samples import ReferenceSamples

VOCABULARY = 96
"""Number of tokens; the first three are special."""

_USUAL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
"""The names of sizes that most architectures share."""

CONFIGS: dict[str, Any] = {
    "llama": AutoConfig.for_model(
        "llama",
        **{**_USUAL, "num_hidden_layers": 3, "pad_token_id": None},
        tie_word_embeddings=True,
    ),
    "opt": AutoConfig.for_model(
        "opt",
        vocab_size=VOCABULARY,
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        dropout=0.1,
    ),
    "gpt2": AutoConfig.for_model(
        "gpt2",
        vocab_size=VOCABULARY,
        n_embd=32,
        n_inner=64,
        n_layer=2,
        n_head=4,
        n_positions=64,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "gemma3_text": AutoConfig.for_model(
        "gemma3_text",
        **_USUAL,
        sliding_window=4,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "gpt_neox": AutoConfig.for_model("gpt_neox", **_USUAL),
    "mistral": AutoConfig.for_model("mistral", **_USUAL, sliding_window=6),
    "phi3": AutoConfig.for_model("phi3", **_USUAL),
    "qwen2": AutoConfig.for_model("qwen2", **_USUAL),
    "qwen3": AutoConfig.for_model("qwen3", **_USUAL, tie_word_embeddings=True),
}
"""Configurations by `model_type`."""

ARCHITECTURES = ("llama", "opt", "gpt2")
"""The model types that most checks of scorers run on: few, and of different kinds."""


def make_config(model_type: str) -> Any:
    """Make a tiny configuration of any architecture that transformers knows.

    Those not in `CONFIGS` get the names that most of them share; where an architecture has others,
    give a configuration of your own to the checks.
    """
    if model_type in CONFIGS:
        return copy.deepcopy(CONFIGS[model_type])
    return AutoConfig.for_model(model_type, **_USUAL)


def make_model(
    architecture: str, dtype: torch.dtype = torch.float32, config: Any = None
) -> torch.nn.Module:
    """Make a random model; weights are larger than at initialisation, so that layers matter.

    It sets the seed of torch, so that what a test draws next is the same every time.
    """
    torch.manual_seed(0)
    chosen = make_config(architecture) if config is None else copy.deepcopy(config)
    model: torch.nn.Module = AutoModelForCausalLM.from_config(chosen)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(8)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.to(dtype)
    return model.eval()


def make_view(architecture: str, dtype: torch.dtype = torch.float32, **options: Any) -> ModelView:
    """Make a view of a random model through the installed adapter; `options` are the view's."""
    model: Any = make_model(architecture, dtype)
    adapter = choose_adapter(model.config, architecture, default_host())
    return ModelView(model, adapter, **options)


def make_reference(
    count: int = 5, lengths: tuple[int, ...] = (12,), batch_size: int = 1, seed: int = 0
) -> ReferenceSamples:
    """Make random token sequences, of the given lengths in turn."""
    generator = random.Random(seed)
    samples = [
        [generator.randrange(3, VOCABULARY) for _ in range(lengths[index % len(lengths)])]
        for index in range(count)
    ]
    objective = find_objective("label-log-probability")
    return ReferenceSamples(samples, objective, seed=seed, batch_size=batch_size)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer with one token a word: w3, w4, … after three special ones."""
    special = ["<unk>", "<s>", "</s>"]
    words = {word: index for index, word in enumerate(special)}
    words |= {f"w{index}": index for index in range(len(special), VOCABULARY)}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
    )


def save_model(architecture: str, folder: Path) -> Path:
    """Save a tiny model with its tokenizer as a folder that `--model` takes."""
    model: Any = make_model(architecture)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def save_text(path: Path, words: int, seed: int) -> Path:
    """Save a text of random words."""
    generator = random.Random(seed)
    path.write_text(" ".join(f"w{generator.randrange(3, VOCABULARY)}" for _ in range(words)))
    return path
