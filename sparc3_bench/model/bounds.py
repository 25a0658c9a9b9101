"""Bounds: what the numbers of a configuration may be, looked at before anything is built of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sparc3_bench.errors import ModelError
from sparc3_bench.printable import abridged

_MOST = (
    (re.compile(r"(^|_)(layers?|blocks?|block_count|depth)$"), 1_000),
    (re.compile(r"(^|_)(heads?|head_count|experts?)$"), 10_000),
    (re.compile(r"(size|dim|embd|inner|width|rank|positions?|embeddings|length)$"), 100_000_000),
    (re.compile(r"theta|base|freq|seed"), 2**63),
    (re.compile(""), 2**31),
)
"""By what a name ends in, the largest integer; the first that fits counts. Every layer is hundreds
of objects in memory, even without its weights, and no model has a tenth of any of these."""

_FINITE = re.compile(r"rope|eps|theta|factor")
"""Numbers that are divided by or multiplied with, and so must be finite."""

_POSITIVE = re.compile(r"(theta|(^|_)factor)$")

_COUNTED = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
"""Without one of each there is no language model."""


def check_numbers(content: Mapping[str, Any], what: str) -> None:
    """Refuse a ``config.json``, or what stands for it, with a number that no model has."""
    for path, value in _numbers("", content):
        name = re.sub(r"(\.\d+)+$", "", path).rpartition(".")[2]
        wrong = ""
        if isinstance(value, int):
            most = next(limit for pattern, limit in _MOST if pattern.search(name))
            if abs(value) > most:
                wrong = f"which is more than the {most:,} that any model has"
        elif math.isnan(value) or (math.isinf(value) and _FINITE.search(path)):
            wrong = "which is not finite"
        if _POSITIVE.search(name) and value <= 0:
            wrong = "which must be above 0"
        if wrong:
            raise _absurd(path, value, wrong, what)


def check_counts(config: Any, model_id: str) -> None:
    """Refuse a configuration of transformers without layers, heads, words or width."""
    inner = config.get_text_config()
    for name in _COUNTED:
        value = getattr(inner, name, None)
        if isinstance(value, int) and value < 1:
            told = "which must be 1 or more"
            raise _absurd(name, value, told, f"config.json of {model_id}")


def _numbers(path: str, value: Any) -> Iterator[tuple[str, int | float]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(f"{path}.{name}" if path else str(name), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _numbers(f"{path}.{index}", inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def _absurd(path: str, value: float, wrong: str, what: str) -> ModelError:
    return ModelError(
        f"The {what} has {abridged(path, 100)} {abridged(str(value), 40)}, "
        f"{wrong}; give the configuration that belongs to the weights."
    )
