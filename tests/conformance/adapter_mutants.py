"""Adapters with one fault each, by the check that must catch it."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from sparc3_bench import Role
from sparc3_bench.host import default_host
from sparc3_bench.testing.tiny import CONFIGS

Llama = default_host().get("adapter", "llama").cls
Gpt2 = default_host().get("adapter", "gpt2").cls


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


class TurnedRound(Gpt2):
    """`Conv1D` taken for `Linear`."""

    transposed = False


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
    CountsBlocks: "check_heads_divide_the_attention_output",
}
