"""OPT: LayerNorm, ReLU, biases everywhere; norms before or (350M) after each half of a block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparc3_bench import ModelAdapter, Role, hookimpl


class Opt(ModelAdapter):
    """``OPTForCausalLM``."""

    name = "opt"
    model_types = ("opt",)
    blocks = "model.decoder.layers"
    neurons = "ffn_dim"

    def roles(self, config: Any) -> Mapping[str, Role]:
        """Return the modules of a decoder layer."""
        return {
            "self_attn_layer_norm": Role.LAYER_NORM,
            "self_attn.q_proj": Role.QUERY,
            "self_attn.k_proj": Role.KEY,
            "self_attn.v_proj": Role.VALUE,
            "self_attn.out_proj": Role.ATTENTION_OUTPUT,
            "final_layer_norm": Role.LAYER_NORM,
            "fc1": Role.UP,
            "activation_fn": Role.ACTIVATION,
            "fc2": Role.DOWN,
        }

    def outer_norms(self, config: Any) -> Mapping[str, Role]:
        """Return the norm behind the last block, which only the pre-norm variants have."""
        last = config.do_layer_norm_before and not config._remove_final_layer_norm
        return {"model.decoder.final_layer_norm": Role.LAYER_NORM} if last else {}


@hookimpl
def sparc3_register_adapters() -> list[type[ModelAdapter]]:
    """Register the adapter."""
    return [Opt]
