"""Tiny random models of every adapted architecture, a tokenizer and a text for them."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
)

from sparc3_bench import ModelView, ReferenceSamples, find_objective
from sparc3_bench.host import default_host

VOCABULARY = 96

CONFIGS = {
    "llama": LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    ),
    "opt": OPTConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        dropout=0.1,
    ),
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=32,
        n_inner=64,
        n_layer=2,
        n_head=4,
        n_positions=64,
        bos_token_id=1,
        eos_token_id=2,
    ),
}
ARCHITECTURES = tuple(CONFIGS)


def make_model(architecture: str, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """Make a random model; weights are larger than at initialisation, so that layers matter."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(copy.deepcopy(CONFIGS[architecture]))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(8)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.to(dtype).eval()


def make_view(architecture: str, dtype: torch.dtype = torch.float32, **options) -> ModelView:
    adapter = default_host().get("adapter", architecture).cls()
    return ModelView(make_model(architecture, dtype), adapter, **options)


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
    make_model(architecture).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def save_text(path: Path, words: int, seed: int) -> Path:
    """Save a text of random words."""
    generator = random.Random(seed)
    path.write_text(" ".join(f"w{generator.randrange(3, VOCABULARY)}" for _ in range(words)))
    return path
