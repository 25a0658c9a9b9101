"""Gemma 3, text: norms on both sides of each half of a block, scaled by one plus their weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparc3_bench import ModelAdapter, Role, hookimpl


class Gemma3(ModelAdapter):
    """``Gemma3ForCausalLM``, the model of text; type `gemma3`, which sees images, is another."""

    name = "gemma3"
    model_types = ("gemma3_text",)
    blocks = "model.layers"

    def roles(self, config: Any) -> Mapping[str, Role]:
        """Return the modules of a decoder layer."""
        return {
            "input_layernorm": Role.OFFSET_RMS_NORM,
            "self_attn.q_proj": Role.QUERY,
            "self_attn.q_norm": Role.OFFSET_RMS_NORM,
            "self_attn.k_proj": Role.KEY,
            "self_attn.k_norm": Role.OFFSET_RMS_NORM,
            "self_attn.v_proj": Role.VALUE,
            "self_attn.o_proj": Role.ATTENTION_OUTPUT,
            "post_attention_layernorm": Role.OFFSET_RMS_NORM,
            "pre_feedforward_layernorm": Role.OFFSET_RMS_NORM,
            "mlp.gate_proj": Role.GATE,
            "mlp.act_fn": Role.ACTIVATION,
            "mlp.up_proj": Role.UP,
            "mlp.down_proj": Role.DOWN,
            "post_feedforward_layernorm": Role.OFFSET_RMS_NORM,
        }

    def outer_norms(self, config: Any) -> Mapping[str, Role]:
        """Return the norm behind the last block, and the soft-cap of the logits if there is one."""
        norm = {"model.norm": Role.OFFSET_RMS_NORM}
        return norm if config.final_logit_softcapping is None else norm | {"lm_head": Role.SOFT_CAP}


@hookimpl
def sparc3_register_adapters() -> list[type[ModelAdapter]]:
    """Register the adapter."""
    return [Gemma3]
