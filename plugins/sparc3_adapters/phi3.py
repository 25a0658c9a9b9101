"""Phi-3: one matrix of queries, keys and values in unequal parts, one of gate and up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparc3_adapters.llama import Llama
from sparc3_bench import Fused, ModelAdapter, Role, hookimpl


class Phi3(Llama):
    """``Phi3ForCausalLM``."""

    name = "phi3"
    model_types = ("phi3",)

    def roles(self, config: Any) -> Mapping[str, Role | Fused]:
        """Return the modules of a decoder layer."""
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        queries, shared = config.num_attention_heads * head, config.num_key_value_heads * head
        neurons = config.intermediate_size
        return {
            "input_layernorm": Role.RMS_NORM,
            "self_attn.qkv_proj": Fused(
                ((Role.QUERY, queries), (Role.KEY, shared), (Role.VALUE, shared))
            ),
            "self_attn.o_proj": Role.ATTENTION_OUTPUT,
            "post_attention_layernorm": Role.RMS_NORM,
            "mlp.gate_up_proj": Fused(((Role.GATE, neurons), (Role.UP, neurons))),
            "mlp.activation_fn": Role.ACTIVATION,
            "mlp.down_proj": Role.DOWN,
        }


@hookimpl
def sparc3_register_adapters() -> list[type[ModelAdapter]]:
    """Register the adapter."""
    return [Phi3]
