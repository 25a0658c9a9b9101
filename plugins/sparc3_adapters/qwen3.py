"""Qwen3: the modules of Llama, and a norm of each head's queries and keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparc3_adapters.llama import Llama
from sparc3_bench import Fused, ModelAdapter, Role, hookimpl


class Qwen3(Llama):
    """``Qwen3ForCausalLM``."""

    name = "qwen3"
    model_types = ("qwen3",)

    def roles(self, config: Any) -> Mapping[str, Role | Fused]:
        """Return the modules of a decoder layer."""
        norms = {"self_attn.q_norm": Role.RMS_NORM, "self_attn.k_norm": Role.RMS_NORM}
        return {**super().roles(config), **norms}


@hookimpl
def sparc3_register_adapters() -> list[type[ModelAdapter]]:
    """Register the adapter."""
    return [Qwen3]
