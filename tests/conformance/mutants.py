"""Plugins with one fault each, by the check that must catch it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from sparc3_bench import Accumulator, Aggregation, Role, Scorer
from sparc3_bench.host import default_host
from sparc3_bench.model.weights import find_weights
from sparc3_bench.testing.tiny import CONFIGS

Llama = default_host().get("adapter", "llama").cls
Gpt2 = default_host().get("adapter", "gpt2").cls


class Sound(Scorer):
    """|W| · ‖X‖₂, as it should be."""

    name = "sound"
    title = "Sound"

    def score(self, model, reference):
        sums = Counter()

        def add(name, inputs):
            sums[name] = sums[name] + inputs.square().sum(0).double()

        with model.observe(add):
            model.run(reference)
        return self.times_norm(model, sums)

    @staticmethod
    def times_norm(model, sums):
        weights = model.weights().items()
        return {n: weight.matrix.float().abs() * sums[n].sqrt().float() for n, weight in weights}


class BadName(Sound):
    """A name with capitals and a space."""

    name = "My Scorer"


@dataclass(frozen=True)
class TupleOption(Sound):
    """An option that JSON makes a list."""

    layers: tuple[int, ...] = (1, 2)


@dataclass
class ThawedOption(Sound):
    """An option that can be set."""

    power: float = 1.0


class LlamaOnly(Sound):
    """A scorer that counts on paths of Llama."""

    def score(self, model, reference):
        if not hasattr(model.model.model, "decoder"):
            return super().score(model, reference)
        raise AttributeError("'OPTModel' has no attribute 'layers'")


class NothingReturned(Sound):
    """A scorer that forgets to return."""

    def score(self, model, reference):
        super().score(model, reference)


class ForgetsUp(Sound):
    """No score for the up-projections."""

    def score(self, model, reference):
        scores, weights = super().score(model, reference), model.weights()
        return {name: v for name, v in scores.items() if weights[name].role is not Role.UP}


class ScoresHead(Sound):
    """A score for the output embeddings too."""

    def score(self, model, reference):
        head = model.model.get_output_embeddings().weight
        return {**super().score(model, reference), "lm_head": head.detach().abs()}


class IgnoresScope(Sound):
    """Scores of all matrices, whatever the view."""

    def score(self, model, reference):
        model.run(reference)
        everything = find_weights(model.model, model.adapter, "all", model._roles)
        return {name: weight.matrix.abs() for name, weight in everything.items()}


class AsStored(Sound):
    """Scores shaped like ``module.weight``."""

    def score(self, model, reference):
        scores, weights = super().score(model, reference), model.weights()
        return {n: v.T.contiguous() if weights[n].transposed else v for n, v in scores.items()}


class OneNan(Sound):
    """A division of zero by zero in one place."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        next(iter(scores.values()))[0, 0] = float("nan")
        return scores


class Whole(Sound):
    """Scores in whole numbers."""

    def score(self, model, reference):
        return {n: (v * 1e6).long() for n, v in super().score(model, reference).items()}


class TheWeightsThemselves(Sound):
    """The weights, handed out as scores."""

    def score(self, model, reference):
        model.run(reference)
        return {name: weight.matrix for name, weight in model.weights().items()}


class ByNumpy(Sound):
    """A scorer that leaves torch for NumPy."""

    def score(self, model, reference):
        for weight in model.weights().values():
            weight.matrix.numpy()
        return super().score(model, reference)


class OverflowsInBfloat16(Sound):
    """An epsilon that vanishes in bfloat16."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        one = torch.ones((), dtype=next(iter(model.weights().values())).matrix.dtype)
        return {name: v / (one + 1e-4 - 1).float() for name, v in scores.items()}


class SaysItNeedsNoReference(Sound):
    """A declaration that is not true."""

    needs_reference = False


class OtherNoiseEveryTime(Sound):
    """Noise from a generator that is seeded by chance."""

    def score(self, model, reference):
        generator = torch.Generator()
        generator.seed()
        scores = super().score(model, reference)
        return {n: v * torch.rand(v.shape, generator=generator) for n, v in scores.items()}


class MeanOverBatches(Sound):
    """A mean of the means of batches, which gives a small last batch too much."""

    def score(self, model, reference):
        sums, count = Counter(), Counter()

        def add(name, inputs):
            sums[name] = sums[name] + inputs.square().mean(0).double()
            count[name] += 1

        with model.observe(add):
            model.run(reference)
        return self.times_norm(model, {name: sums[name] / count[name] for name in sums})


class CountsPadding(Sound):
    """Hooks of its own, which see padding too."""

    def score(self, model, reference):
        sums, handles = Counter(), []
        for name, weight in model.weights().items():

            def add(module, args, name=name):
                sums[name] = sums[name] + args[0].flatten(0, -2).square().sum(0).double()

            handles.append(weight.module.register_forward_pre_hook(add))
        try:
            model.run(reference)
        finally:
            for handle in handles:
                handle.remove()
        return self.times_norm(model, sums)


class Fading(Sound):
    """A running average over samples, in which the first ones fade."""

    def score(self, model, reference):
        sums = Counter()

        def fold(name, inputs, gradients):
            sums[name] = 0.5 * sums[name] + inputs.square().sum(0).double()

        model.attribute(reference, fold)
        return self.times_norm(model, sums)


@dataclass(frozen=True)
class SumCalledMean(Scorer):
    """A sum over samples under the name of a mean."""

    name = "sum-called-mean"
    title = "Sum called mean"
    aggregation: Aggregation = "mean-of-abs"

    def score(self, model, reference):
        accumulator = Accumulator(model.weights(), self.aggregation)
        model.attribute(reference, accumulator.fold)
        return {n: v * len(reference.samples) for n, v in accumulator.scores().items()}


class PrunesAndForgets(Sound):
    """A weight set to zero and not put back."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        next(iter(model.weights().values())).matrix[0, 0] = 0
        return scores


class LeavesGradients(Sound):
    """Gradients that stay on the parameters."""

    def score(self, model, reference):
        for parameter in model.model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        return super().score(model, reference)


class LeavesHook(Sound):
    """A hook without a handle."""

    def score(self, model, reference):
        model.blocks[0].register_forward_hook(lambda *_: None)
        return super().score(model, reference)


class TurnsTrainingOn(Sound):
    """A mode that is not set back."""

    def score(self, model, reference):
        scores = super().score(model, reference)
        model.model.train()
        return scores


class TurnsGradientsOn(Sound):
    """A flag that is not set back."""

    def score(self, model, reference):
        model.model.requires_grad_(True)
        return super().score(model, reference)


class PatchesForward(Sound):
    """A forward of its own on one module."""

    def score(self, model, reference):
        block = model.blocks[0]
        block.forward = block.forward
        return super().score(model, reference)


class PatchesClass(Sound):
    """A forward of its own on a class."""

    def score(self, model, reference):
        kind = type(model.blocks[0])
        plain = kind.forward
        kind.forward = lambda self, *args, **options: plain(self, *args, **options)
        return super().score(model, reference)


class PatchesFunction(Sound):
    """A function replaced that every model calls."""

    def score(self, model, reference):
        plain = nn.functional.silu
        nn.functional.silu = lambda *args, **options: plain(*args, **options)
        return super().score(model, reference)


class SeedsTorch(Sound):
    """The seed of the process set."""

    def score(self, model, reference):
        torch.manual_seed(reference.seed)
        return super().score(model, reference)


class CleansUpIfAllGoesWell(Sound):
    """A hook that is removed, but for errors."""

    def score(self, model, reference):
        handle = model.blocks[0].register_forward_hook(lambda *_: None)
        scores = super().score(model, reference)
        handle.remove()
        return scores


class SwallowsInterruptions(Sound):
    """Scores of half a reference when control-C comes."""

    def score(self, model, reference):
        try:
            return super().score(model, reference)
        except BaseException:
            return {name: weight.matrix.abs() for name, weight in model.weights().items()}


SCORERS = {
    BadName: "check_describes_itself",
    TupleOption: "check_options_are_json",
    ThawedOption: "check_options_are_frozen",
    LlamaOnly: "check_runs_on_every_architecture",
    NothingReturned: "check_runs_on_every_architecture",
    ForgetsUp: "check_scores_every_weight",
    ScoresHead: "check_scores_every_weight",
    IgnoresScope: "check_scope_narrows_scores",
    AsStored: "check_shape_is_out_by_in",
    OneNan: "check_scores_are_finite",
    Whole: "check_scores_are_floats",
    TheWeightsThemselves: "check_scores_are_no_views",
    ByNumpy: "check_works_in_bfloat16",
    OverflowsInBfloat16: "check_works_in_bfloat16",
    SaysItNeedsNoReference: "check_says_whether_it_runs_the_model",
    OtherNoiseEveryTime: "check_is_deterministic",
    MeanOverBatches: "check_batching_does_not_matter",
    CountsPadding: "check_batching_does_not_matter",
    Fading: "check_order_of_samples_does_not_matter",
    SumCalledMean: "check_halves_make_up_the_whole",
    PrunesAndForgets: "check_leaves_weights_unchanged",
    LeavesGradients: "check_leaves_no_gradient",
    LeavesHook: "check_leaves_no_hook",
    TurnsTrainingOn: "check_leaves_flags_unchanged",
    TurnsGradientsOn: "check_leaves_flags_unchanged",
    PatchesForward: "check_leaves_no_patch_on_modules",
    PatchesClass: "check_leaves_no_patch_on_classes",
    PatchesFunction: "check_leaves_no_patch_on_classes",
    SeedsTorch: "check_leaves_process_unchanged",
    CleansUpIfAllGoesWell: "check_cleans_up_when_interrupted",
    SwallowsInterruptions: "check_cleans_up_when_interrupted",
}


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
