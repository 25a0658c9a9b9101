"""Models and masks for the tests of ablation."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from sparc3_bench import Batch, ModelView
from sparc3_bench.host import default_host
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.testing.tiny import CONFIGS, VOCABULARY, make_reference
from sparc3_bench.types.masks import KeepMask

# Architecture, what its configuration changes, its blocks, and what reads heads and neurons.
VARIANTS = {
    "llama": ("llama", {}, "model.layers", "self_attn.o_proj", "mlp.down_proj"),
    "llama with biases": (
        *("llama", {"attention_bias": True, "mlp_bias": True}),
        *("model.layers", "self_attn.o_proj", "mlp.down_proj"),
    ),
    "opt": ("opt", {}, "model.decoder.layers", "self_attn.out_proj", "fc2"),
    "opt without biases": (
        *("opt", {"enable_bias": False}),
        *("model.decoder.layers", "self_attn.out_proj", "fc2"),
    ),
    "gpt2": ("gpt2", {}, "transformer.h", "attn.c_proj", "mlp.c_proj"),
}
ABLATIONS = ("zero", "mean", "resample")
REFERENCE = make_reference(5, (12, 7, 9), batch_size=2)


def view_of(variant: str) -> ModelView:
    """Make a model in float64; its biases are random and far from zero."""
    architecture, changes, *_ = VARIANTS[variant]
    config = copy.deepcopy(CONFIGS[architecture])
    for name, value in changes.items():
        setattr(config, name, value)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(8)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.5)
    return ModelView(model, default_host().get("adapter", architecture).cls())


def batch_of(lengths: tuple[int, ...] = (8, 8), seed: int = 3) -> Batch:
    """Make random samples with random counterparts, padded on the right."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    ids, other = (torch.randint(3, VOCABULARY, shape, generator=generator) for _ in range(2))
    mask = (torch.arange(shape[1])[None] < torch.tensor(lengths)[:, None]).long()
    return Batch(ids * mask, mask, counterpart=other * mask)


def ablated(view: ModelView, keep: KeepMask, ablation: str) -> AbstractContextManager[None]:
    match ablation:
        case "zero":
            return view.masked(keep)
        case "mean":
            return view.mean_ablated(keep, mean_inputs(view, REFERENCE))
    return view.resample_ablated(keep)


def logits_of(view: ModelView, batch: Batch) -> Tensor:
    with torch.no_grad():
        return view.forward(batch)


def random_mask(view: ModelView, seed: int = 1) -> KeepMask:
    generator = torch.Generator().manual_seed(seed)
    weights = view.weights().items()
    return KeepMask({n: torch.rand(w.matrix.shape, generator=generator) < 0.6 for n, w in weights})


def with_a_shared_matrix() -> ModelView:
    """Make a llama whose first two blocks read their neurons with one parameter."""
    view = view_of("llama")
    first, second = (view.model.model.layers[index].mlp for index in (0, 1))
    second.down_proj.weight = first.down_proj.weight
    return ModelView(view.model, view.adapter)
