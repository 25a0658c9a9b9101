"""Adapters with one fault each, by the check that must catch it."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from sparc3_bench import Fused, Role
from sparc3_bench.host import default_host
from sparc3_bench.testing.tiny import CONFIGS

Gemma3 = default_host().get("adapter", "gemma3").cls
GptNeoX = default_host().get("adapter", "gpt-neox").cls
Phi3 = default_host().get("adapter", "phi3").cls


class Llama(default_host().get("adapter", "llama").cls):
    """The built-in one, for one of its model types."""

    model_types: ClassVar = ("llama",)


class Shouting(Llama):
    """A name with a capital."""

    name = "Llama"


class NoTypes(Llama):
    """Model types as a text, which would be read letter by letter."""

    model_types: ClassVar = ""


def _with(roles, **changes):
    return {**roles, **{path.replace("__", "."): role for path, role in changes.items()}}


class WrongPath(Llama):
    """A module that is not there."""

    def roles(self, config):
        return _with(super().roles(config), mlp__fc1=Role.UP)


class TurnedRound(Llama):
    """`Linear` taken for `Conv1D`."""

    transposed = True


class SpareConfig(LlamaConfig):
    model_type = "tiny-spare"


class SpareModel(LlamaForCausalLM):
    """Llama with a matrix in every block that the forward never runs."""

    config_class = SpareConfig

    def __init__(self, config):
        super().__init__(config)
        for layer in self.model.layers:
            layer.mlp.spare = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)


AutoConfig.register("tiny-spare", SpareConfig)
AutoModelForCausalLM.register(SpareConfig, SpareModel)


class NamesSpare(Llama):
    """A matrix that is never run."""

    model_types = ("tiny-spare",)

    def roles(self, config):
        return _with(super().roles(config), mlp__spare=Role.UP)

    def tiny_config(self, model_type):
        return SpareConfig.from_dict({**CONFIGS["llama"].to_dict(), "model_type": model_type})


class LeavesOutUp(Llama):
    """A matrix without a role."""

    def roles(self, config):
        found = dict(super().roles(config))
        del found["mlp.up_proj"]
        return found


class NoActivation(Llama):
    """An activation without a role."""

    def roles(self, config):
        found = dict(super().roles(config))
        del found["mlp.act_fn"]
        return found


class NoOuterNorm(Llama):
    """A last norm without a role."""

    def outer_norms(self, config):
        return {}


class OtherNorm(Llama):
    """RMSNorm taken for LayerNorm."""

    def roles(self, config):
        return _with(super().roles(config), input_layernorm=Role.LAYER_NORM)


class GateIsUp(Llama):
    """Gate and up exchanged."""

    def roles(self, config):
        found = super().roles(config)
        return _with(found, mlp__gate_proj=Role.UP, mlp__up_proj=Role.GATE)


class PlainNorm(Gemma3):
    """A norm that scales by one plus its weight taken for one that scales by its weight."""

    def roles(self, config):
        return _with(super().roles(config), self_attn__q_norm=Role.RMS_NORM)


class UpIsFirst(Phi3):
    """Gate and up exchanged in the matrix that is fused of them."""

    def roles(self, config):
        size = config.intermediate_size
        layout = Fused(((Role.UP, size), (Role.GATE, size)))
        return _with(super().roles(config), mlp__gate_up_proj=layout)


class KeyIsQuery(Llama):
    """Queries and keys exchanged."""

    def roles(self, config):
        exchanged = {"self_attn__q_proj": Role.KEY, "self_attn__k_proj": Role.QUERY}
        return _with(super().roles(config), **exchanged)


class ValueIsKey(Llama):
    """Keys and values exchanged."""

    def roles(self, config):
        exchanged = {"self_attn__v_proj": Role.KEY, "self_attn__k_proj": Role.VALUE}
        return _with(super().roles(config), **exchanged)


class InThirds(GptNeoX):
    """Queries, keys and values taken to be one below the other, not side by side by heads."""

    def roles(self, config):
        size = config.hidden_size
        layout = Fused(((Role.QUERY, size), (Role.KEY, size), (Role.VALUE, size)))
        return _with(super().roles(config), attention__query_key_value=layout)


class FewerQueries(Phi3):
    """Rows of queries taken for keys."""

    def roles(self, config):
        layout = Fused(((Role.QUERY, 28), (Role.KEY, 20), (Role.VALUE, 16)))
        return _with(super().roles(config), self_attn__qkv_proj=layout)


class BoundedConfig(LlamaConfig):
    model_type = "tiny-bounded"


class BoundedModel(LlamaForCausalLM):
    """Llama whose attention returns nothing beyond one, by a step that is no module."""

    config_class = BoundedConfig

    def __init__(self, config):
        super().__init__(config)
        for layer in self.model.layers:
            layer.self_attn.register_forward_hook(
                lambda module, args, output: (output[0].clamp(-1, 1), *output[1:])
            )


AutoConfig.register("tiny-bounded", BoundedConfig)
AutoModelForCausalLM.register(BoundedConfig, BoundedModel)


class HidesBound(Llama):
    """A step that is no module and not linear."""

    model_types = ("tiny-bounded",)

    def tiny_config(self, model_type):
        return BoundedConfig.from_dict({**CONFIGS["llama"].to_dict(), "model_type": model_type})


class CountsBlocks(Llama):
    """The number of blocks for that of heads."""

    def heads(self, config):
        return config.num_hidden_layers


ADAPTERS = {
    Shouting: "check_describes_itself",
    NoTypes: "check_describes_itself",
    WrongPath: "check_finds_its_modules",
    TurnedRound: "check_matrices_are_out_by_in",
    NamesSpare: "check_every_matrix_is_run",
    LeavesOutUp: "check_matrices_of_blocks_are_covered",
    NoActivation: "check_norms_and_activations_are_named",
    NoOuterNorm: "check_outer_norms_are_named",
    OtherNorm: "check_norms_are_of_their_kind",
    GateIsUp: "check_roles_of_matrices_fit",
    PlainNorm: "check_norms_are_of_their_kind",
    UpIsFirst: "check_roles_of_matrices_fit",
    KeyIsQuery: "check_attention_treats_rows_as_named",
    ValueIsKey: "check_attention_treats_rows_as_named",
    InThirds: "check_attention_treats_rows_as_named",
    FewerQueries: "check_attention_treats_rows_as_named",
    HidesBound: "check_the_rest_is_linear",
    CountsBlocks: "check_heads_divide_the_attention_output",
}
