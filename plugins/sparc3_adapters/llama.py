"""Llama and its like (TinyLlama, SmolLM2, Mistral, Qwen2): RMSNorm, gated MLP, grouped keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sparc3_bench import Fused, ModelAdapter, Role, hookimpl


class Llama(ModelAdapter):
    """Llama, Mistral, Qwen2 and Qwen2.5, whose blocks have the same modules.

    They differ in biases and in which layers attend to a window only, neither of which has a role.
    """

    name = "llama"
    model_types: ClassVar[tuple[str, ...]] = ("llama", "mistral", "qwen2")
    blocks = "model.layers"

    def roles(self, config: Any) -> Mapping[str, Role | Fused]:
        """Return the modules of a decoder layer."""
        return {
            "input_layernorm": Role.RMS_NORM,
            "self_attn.q_proj": Role.QUERY,
            "self_attn.k_proj": Role.KEY,
            "self_attn.v_proj": Role.VALUE,
            "self_attn.o_proj": Role.ATTENTION_OUTPUT,
            "post_attention_layernorm": Role.RMS_NORM,
            "mlp.gate_proj": Role.GATE,
            "mlp.act_fn": Role.ACTIVATION,
            "mlp.up_proj": Role.UP,
            "mlp.down_proj": Role.DOWN,
        }

    def outer_norms(self, config: Any) -> Mapping[str, Role]:
        """Return the norm behind the last block."""
        return {"model.norm": Role.RMS_NORM}


@hookimpl
def sparc3_register_adapters() -> list[type[ModelAdapter]]:
    """Register the adapter."""
    return [Llama]
