"""Which built-in scorers can run here, and which architectures each of them serves."""

from __future__ import annotations

import importlib.util

import pytest

from sparc3_bench import Scorer
from sparc3_bench.host import default_host

HAS_LXT = importlib.util.find_spec("lxt") is not None
needs_lxt = pytest.mark.skipif(not HAS_LXT, reason="lxt is not installed; see docs/lxt.md")

KNOWN_TO_LXT = ("gemma3_text", "gpt2", "llama", "qwen2", "qwen3")
"""Model types whose propagation lxt 2.1 knows."""


def scorers() -> dict[str, type[Scorer]]:
    """Return the built-in scorers by name, but those whose own package is not installed."""
    return {
        name: entry.cls
        for name, entry in default_host().all("scorer").items()
        if entry.origin.distribution == "sparc3-bench" and (name != "lrp-lxt" or HAS_LXT)
    }


def serves(scorer: str, architecture: str) -> bool:
    """Return whether the scorer does not refuse models of the architecture."""
    return scorer != "lrp-lxt" or architecture in KNOWN_TO_LXT
