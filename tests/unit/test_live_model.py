"""Models in memory: what each is known by, and what of them is refused, by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sparc3_bench import ModelError
from sparc3_bench.host import default_host
from sparc3_bench.model.live import live_digest, live_model, modes_kept, tokenizer_digest
from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_tokenizer


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_is_known_by_every_number_in_it(architecture):
    model = make_model(architecture)
    first = live_digest(model)
    with torch.no_grad():
        model(torch.arange(3, 12)[None])
    assert live_digest(model) == live_digest(make_model(architecture)) == first
    seen = {first}
    for values in [*model.parameters(), *model.buffers()]:
        flat = values.data.view(-1)
        before = flat[-1].clone()
        flat[-1] += 1
        seen.add(live_digest(model))
        flat[-1] = before
    assert len(seen) == 1 + len([*model.parameters(), *model.buffers()])
    assert live_digest(model) == first
    model.config.rope_scaling_of_another_kind = 2
    assert live_digest(model) != first


def test_what_hooks_and_replaced_methods_do_is_never_known_again():
    model = make_model("llama")
    layer = model.model.layers[0].mlp
    handle = layer.register_forward_hook(lambda *args: None)
    assert live_digest(model) != live_digest(model)
    handle.remove()
    assert live_digest(model) == live_digest(model)
    layer.forward = layer.forward
    assert live_digest(model) != live_digest(model)


def test_number_formats_are_told_apart_and_not_converted():
    whole, half = make_model("llama"), make_model("llama", torch.bfloat16)
    assert live_digest(whole) != live_digest(half)
    found = live_model(half, None, default_host())
    assert found.ref.dtype == "bfloat16"
    assert found.dtype == found.stored_dtype == torch.bfloat16
    assert found.load("all").model is half
    with pytest.raises(ModelError, match=r"in memory in bfloat16 and is not converted"):
        found.load("all", torch.float32)


def evaluated(model) -> None:
    with modes_kept(model):
        model.eval()
        raise KeyboardInterrupt


def test_modes_are_put_back():
    model = make_model("opt").train()
    model.model.decoder.layers[0].eval()
    before = [module.training for module in model.modules()]
    with pytest.raises(KeyboardInterrupt):
        evaluated(model)
    assert [module.training for module in model.modules()] == before


def test_a_tokenizer_is_known_by_its_vocabulary():
    first, other = make_tokenizer(), make_tokenizer()
    assert tokenizer_digest(first) == tokenizer_digest(other)
    other.add_tokens(["new"])
    assert tokenizer_digest(first) != tokenizer_digest(other)
    assert tokenizer_digest(None) == ""


def eight_bit():
    model = make_model("llama")
    linear = model.model.layers[1].self_attn.q_proj
    linear.weight = nn.Parameter(linear.weight.data.to(torch.int8), requires_grad=False)
    return model


def quantised():
    model = make_model("llama")
    model.is_quantized, model.quantization_method = True, "gptq"
    return model


def offloaded():
    model = make_model("llama")
    model.model.layers[1].mlp.to("meta")
    return model


def adapted():
    model = make_model("llama")
    model.merge_and_unload = lambda: None
    return model


class Subclass(torch.Tensor):
    pass


def sharded():
    model = make_model("llama")
    linear = model.model.layers[0].mlp.up_proj
    linear.weight = nn.Parameter(linear.weight.data.as_subclass(Subclass))
    return model


def broken():
    model = make_model("llama")
    model.model.layers[0].mlp.up_proj.weight.data[0, 0] = float("nan")
    return model


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (eight_bit, "`model.layers.1.self_attn.q_proj.weight` is stored as int8; load it without"),
        (quantised, "is quantised (gptq), and quantised weights cannot be pruned; load it without"),
        (offloaded, "`model.layers.1.mlp.gate_proj.weight` has no numbers (it is offloaded,"),
        (adapted, "holds adapters such as LoRA's; merge them first with"),
        (sharded, "`model.layers.0.mlp.up_proj.weight` is a Subclass, not a plain tensor; gather"),
        (lambda: make_model("llama").model, "must be a causal language model of transformers"),
        (lambda: nn.Linear(2, 2), "must be a causal language model of transformers, got Linear"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(make, said):
    with pytest.raises(ModelError) as refused:
        live_model(make(), None, default_host())
    assert said in str(refused.value)
    assert str(refused.value).endswith(".")


def test_numbers_that_are_not_finite_are_refused_by_name():
    with pytest.raises(ModelError, match=r"`model.layers.0.mlp.up_proj.weight` of LlamaForCausal"):
        live_model(broken(), None, default_host()).load("all")
