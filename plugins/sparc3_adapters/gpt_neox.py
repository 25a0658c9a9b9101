"""GPT-NeoX (Pythia): queries, keys and values of each head side by side, biases, LayerNorm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparc3_bench import Fused, ModelAdapter, Role, hookimpl


class GptNeoX(ModelAdapter):
    """``GPTNeoXForCausalLM``, with attention and MLP one after the other or side by side."""

    name = "gpt-neox"
    model_types = ("gpt_neox",)
    blocks = "gpt_neox.layers"

    def roles(self, config: Any) -> Mapping[str, Role | Fused]:
        """Return the modules of a layer."""
        head = config.hidden_size // config.num_attention_heads
        return {
            "input_layernorm": Role.LAYER_NORM,
            "attention.query_key_value": Fused(
                ((Role.QUERY, head), (Role.KEY, head), (Role.VALUE, head))
            ),
            "attention.dense": Role.ATTENTION_OUTPUT,
            "post_attention_layernorm": Role.LAYER_NORM,
            "mlp.dense_h_to_4h": Role.UP,
            "mlp.act": Role.ACTIVATION,
            "mlp.dense_4h_to_h": Role.DOWN,
        }

    def outer_norms(self, config: Any) -> Mapping[str, Role]:
        """Return the norm behind the last layer."""
        return {"gpt_neox.final_layer_norm": Role.LAYER_NORM}


@hookimpl
def sparc3_register_adapters() -> list[type[ModelAdapter]]:
    """Register the adapter."""
    return [GptNeoX]
