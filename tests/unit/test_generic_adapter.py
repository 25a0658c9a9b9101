"""The generic adapter infers what the built-in ones say, serves others, and refuses the rest."""

from __future__ import annotations

import circuits
import pytest
import torch
from replication.precise import make_precise, relevance_at
from sparc3_adapters.generic import Generic
from sparc3_scorers.lrp import Lrp
from transformers import AutoConfig

from sparc3_bench import Fused, ModelError, ModelView, Role, Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.model.load import choose_adapter, find_model
from sparc3_bench.record.files import read_result
from sparc3_bench.testing.tiny import (
    CONFIGS,
    make_config,
    make_model,
    make_reference,
    make_tokenizer,
    save_text,
)

SIZES = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
Q, K, V = Role.QUERY, Role.KEY, Role.VALUE


def config_of(model_type, **changes):
    return AutoConfig.for_model(model_type, **{**SIZES, **TOKENS, **changes})


@pytest.mark.parametrize("model_type", CONFIGS)
def test_it_infers_what_the_adapter_of_the_architecture_says(model_type):
    config = make_config(model_type)
    told = choose_adapter(config, model_type, default_host())
    found = Generic.for_config(config)
    assert found.roles(config) == told.roles(config)
    assert found.outer_norms(config) == told.outer_norms(config)
    assert found.heads(config) == told.heads(config)
    assert (found.blocks, found.transposed) == (told.blocks, told.transposed)


LAYOUTS = {
    "falcon, one key for all": (
        config_of("falcon"),
        "self_attention.query_key_value",
        ((Q, 32), (K, 8), (V, 8)),
    ),
    "falcon, by heads": (
        config_of("falcon", multi_query=False, parallel_attn=False, alibi=True),
        "self_attention.query_key_value",
        ((Q, 8), (K, 8), (V, 8)),
    ),
    "falcon, by groups of heads": (
        config_of("falcon", new_decoder_architecture=True, num_kv_heads=2),
        "self_attention.query_key_value",
        ((Q, 16), (K, 8), (V, 8)),
    ),
    "codegen, values before keys": (
        config_of("codegen", rotary_dim=4),
        "attn.qkv_proj",
        ((Q, 8), (V, 8), (K, 8)),
    ),
    "bloom, by heads": (
        config_of("bloom"),
        "self_attention.query_key_value",
        ((Q, 8), (K, 8), (V, 8)),
    ),
    "glm, gate and up": (
        config_of("glm", num_key_value_heads=2, head_dim=8, intermediate_size=48),
        "mlp.gate_up_proj",
        ((Role.GATE, 48), (Role.UP, 48)),
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_it_infers_the_layout_of_fused_matrices(case):
    config, path, runs = LAYOUTS[case]
    assert Generic.for_config(config).roles(config)[path] == Fused(runs)


def test_it_tells_norms_before_and_behind_apart_from_those_of_queries():
    config = config_of("olmo2", intermediate_size=48)
    found = Generic.for_config(config)
    norms = [path for path, role in found.roles(config).items() if role is Role.RMS_NORM]
    assert norms == [
        "self_attn.q_norm",
        "self_attn.k_norm",
        "post_attention_layernorm",
        "post_feedforward_layernorm",
    ]


RELEVANT = {
    **{case: config for case, (config, _, _) in LAYOUTS.items()},
    "olmo2, norms behind": config_of("olmo2", intermediate_size=48),
    "cohere, attention beside the mlp": config_of("cohere", intermediate_size=48),
    "gptj, attention beside the mlp": config_of("gptj", rotary_dim=4),
}


@pytest.mark.parametrize("case", RELEVANT)
def test_relevance_by_the_inferred_roles_is_conserved(case):
    """It would not be, were a norm, an activation, a gate or a value taken for something else."""
    config = RELEVANT[case]
    model = make_model(config.model_type, torch.float64, config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
    view = ModelView(model, Generic.for_config(config))
    make_precise(view)
    found, objective = relevance_at(view, "cp-lrp", view.blocks[0])
    assert abs(found - objective) <= 1e-6 * abs(objective) > 0


REFUSED = {
    "an encoder": (AutoConfig.for_model("t5"), "it has an encoder"),
    "images": (
        AutoConfig.for_model("gemma3"),
        "it is more than a model of text; its text model alone may be served",
    ),
    "experts": (
        config_of("mixtral", intermediate_size=48, num_key_value_heads=2),
        "the parameter `mlp.experts.gate_up_proj` of its blocks has 3 dimensions, like experts or "
        "a convolution",
    ),
    "a state space": (
        AutoConfig.for_model("mamba", vocab_size=96, hidden_size=32, num_hidden_layers=2),
        "the parameter `mixer.conv1d.weight` of its blocks has 3 dimensions, like experts or a "
        "convolution",
    ),
    "layers of two kinds": (
        config_of("jamba", intermediate_size=48, num_key_value_heads=2, use_mamba_kernels=False),
        "its blocks are not alike: `model.layers.1` has other modules than `model.layers.0`",
    ),
    "both directions": (config_of("bert"), "its tokens see those behind them"),
    "a difference of attentions": (
        config_of("diffllama", intermediate_size=48, num_key_value_heads=2),
        "the parameter `self_attn.lambda_q1` of its blocks belongs to no matrix, norm or "
        "activation",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_cannot_infer_is_refused_with_the_reason(case):
    config, reason = REFUSED[case]
    with pytest.raises(ModelError) as caught:
        Generic.for_config(config)
    assert str(caught.value) == reason


def test_a_low_rank_attention_is_refused():
    config = config_of(
        "deepseek_v3",
        intermediate_size=48,
        num_key_value_heads=4,
        q_lora_rank=8,
        kv_lora_rank=8,
        qk_rope_head_dim=4,
        qk_nope_head_dim=4,
        v_head_dim=8,
        first_k_dense_replace=2,
    )
    with pytest.raises(ModelError, match="through another matrix"):
        Generic.for_config(config)


CAPPED = {
    "caps of scores and logits": (
        config_of("gemma2", intermediate_size=48, num_key_value_heads=2, head_dim=8),
        {"self_attn": Role.SOFT_CAP, "lm_head": Role.SOFT_CAP},
    ),
    "a cap of logits": (
        config_of(
            "gemma2",
            intermediate_size=48,
            num_key_value_heads=2,
            head_dim=8,
            attn_logit_softcapping=None,
        ),
        {"lm_head": Role.SOFT_CAP},
    ),
    "queries, keys and values clipped": (
        config_of("mpt", d_model=32, attn_config={"clip_qkv": 8.0}),
        {"attn": Role.UNKNOWN},
    ),
    "a norm without a known epsilon": (
        config_of("olmo", intermediate_size=48),
        {
            "input_layernorm": Role.UNKNOWN,
            "post_attention_layernorm": Role.UNKNOWN,
            "model.norm": Role.UNKNOWN,
        },
    ),
}


@pytest.mark.parametrize("case", CAPPED)
def test_what_bends_without_a_rule_is_told_and_lrp_refuses_it(case):
    config, expected = CAPPED[case]
    adapter = Generic.for_config(config)
    roles = {**adapter.roles(config), **adapter.outer_norms(config)}
    told = {p: r for p, r in roles.items() if r in (Role.SOFT_CAP, Role.UNKNOWN)}
    assert told == expected
    view = ModelView(make_model(config.model_type, config=config), adapter)
    with pytest.raises(Sparc3Error, match=r"LRP has no rule for what `.*` does \(role '") as caught:
        Lrp().score(view, make_reference(2))
    assert str(caught.value).endswith("choose another scorer.")
    scores = default_host().get("scorer", "wanda").cls().score(view, make_reference(2))
    assert set(scores) == set(view.weights())


def test_without_caps_gemma2_has_none():
    config = config_of(
        "gemma2",
        intermediate_size=48,
        num_key_value_heads=2,
        head_dim=8,
        attn_logit_softcapping=None,
        final_logit_softcapping=None,
    )
    adapter = Generic.for_config(config)
    found = {*adapter.roles(config).values(), *adapter.outer_norms(config).values()}
    assert not found & {Role.SOFT_CAP, Role.UNKNOWN}
    assert Role.OFFSET_RMS_NORM in found


def test_the_head_of_gemma3_is_soft_capped_when_its_configuration_says_so():
    config = make_config("gemma3_text")
    config.final_logit_softcapping = 30.0
    told = choose_adapter(config, "", default_host())
    assert told.outer_norms(config)["lm_head"] is Role.SOFT_CAP
    assert Generic.for_config(config).outer_norms(config) == told.outer_norms(config)


def test_what_it_infers_is_a_warning_of_the_model(tmp_path):
    config = config_of("stablelm", intermediate_size=48, num_key_value_heads=2)
    make_model("stablelm", config=config).save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    found = find_model(str(tmp_path / "model"), default_host(), tmp_path, "float32", "cpu")
    assert found.ref.adapter == "generic"
    [warning] = found.adapter.warnings
    assert warning.startswith("No adapter knows models of type 'stablelm'; what the modules of")
    assert "self_attn.q_proj = query" in warning
    assert "mlp.act_fn = activation" in warning


def test_a_run_on_an_inferred_model_says_so_in_its_result(tmp_path):
    config = LAYOUTS["falcon, by groups of heads"][0]
    folder = tmp_path / "in/falcon"
    make_model("falcon", config=config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    save_text(tmp_path / "in/reference.txt", 400, 1)
    save_text(tmp_path / "in/evaluation.txt", 400, 2)
    path = circuits.run(tmp_path, "lrp", "falcon", unit="neuron", group="layer")
    result = read_result(path)
    assert (result.status, result.spec.model.adapter) == ("ok", "generic")
    assert "No adapter knows models of type 'falcon'" in result.warnings[0]


def test_inference_leaves_random_states_and_the_configuration():
    config = config_of("olmo2", intermediate_size=48)
    before, text = torch.get_rng_state(), config.to_json_string()
    Generic.for_config(config)
    assert torch.equal(torch.get_rng_state(), before)
    assert config.to_json_string() == text
