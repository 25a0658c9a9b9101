"""GPT-2: fused queries, keys and values; `Conv1D` stores `[in, out]`, shown as `[out, in]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparc3_bench import Fused, ModelAdapter, Role, hookimpl


class Gpt2(ModelAdapter):
    """``GPT2LMHeadModel``."""

    name = "gpt2"
    model_types = ("gpt2",)
    blocks = "transformer.h"
    transposed = True
    neurons = "n_inner"

    def roles(self, config: Any) -> Mapping[str, Role | Fused]:
        """Return the modules of a block."""
        width = config.hidden_size
        return {
            "ln_1": Role.LAYER_NORM,
            "attn.c_attn": Fused(((Role.QUERY, width), (Role.KEY, width), (Role.VALUE, width))),
            "attn.c_proj": Role.ATTENTION_OUTPUT,
            "ln_2": Role.LAYER_NORM,
            "mlp.c_fc": Role.UP,
            "mlp.act": Role.ACTIVATION,
            "mlp.c_proj": Role.DOWN,
        }

    def outer_norms(self, config: Any) -> Mapping[str, Role]:
        """Return the norm behind the last block."""
        return {"transformer.ln_f": Role.LAYER_NORM}


@hookimpl
def sparc3_register_adapters() -> list[type[ModelAdapter]]:
    """Register the adapter."""
    return [Gpt2]
