"""A tokenizer of words that frames a text: tokens before it and behind it."""

from __future__ import annotations

from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from sparc3_bench.testing.tiny import make_tokenizer


def framed(before: str = "", after: str = "") -> PreTrainedTokenizerFast:
    """Make a tokenizer of words that puts tokens before a text and behind it."""
    tokenizer = make_tokenizer()
    template = " ".join(filter(None, [before, "$A", after]))
    names = [*before.split(), *after.split()]
    ids = [(name, tokenizer.convert_tokens_to_ids(name)) for name in dict.fromkeys(names)]
    inner = tokenizer.backend_tokenizer
    inner.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    return tokenizer
