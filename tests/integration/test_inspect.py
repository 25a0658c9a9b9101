"""`sparc3 inspect`: blocks, roles, weights, units and rules of a model, from its configuration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest
import torch
from transformers import AutoConfig
from typer.testing import CliRunner

from sparc3_bench import ModelSource, Sparc3Error
from sparc3_bench.cli import app
from sparc3_bench.contracts import Scorer
from sparc3_bench.errors import ModelError
from sparc3_bench.host import Origin, Registered, default_host
from sparc3_bench.selection.units import count_units
from sparc3_bench.testing.tiny import CONFIGS, make_config, make_view
from sparc3_bench.types.conventions import Unit


def inspect(*arguments: object, columns: int = 200) -> str:
    done = CliRunner().invoke(
        app,
        ["inspect", *map(str, arguments)],
        env={"COLUMNS": str(columns)},
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    return done.output


def facts(*arguments: object) -> dict:
    return json.loads(inspect(*arguments, "--json"))


def saved(folder: Path, config) -> Path:
    """Save a configuration alone, without weights."""
    config.save_pretrained(folder)
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    return folder


def olmo2():
    return AutoConfig.for_model(
        "olmo2",
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        pad_token_id=0,
    )


@pytest.mark.parametrize("model_type", CONFIGS)
def test_it_tells_what_the_view_of_a_loaded_model_has(model_type, tmp_path):
    view = make_view(model_type)
    told = facts(saved(tmp_path / "model", make_config(model_type)))
    assert (told["model_type"], told["inferred"]) == (model_type, False)
    assert told["adapter"] == view.adapter.name
    assert told["blocks"] == {"path": view.adapter.blocks, "count": len(view.blocks)}
    assert told["parameters"] == view.parameters
    shapes = {part["name"]: part["shape"] for part in told["modules"] if part["shape"]}
    assert shapes == {name: list(w.matrix.shape) for name, w in view.weights().items()}
    roles = {part["name"]: part["role"] for part in told["modules"]}
    assert roles == {name: str(role) for name, (_, role) in view.roles().items()}
    units = {unit: count_units(view, unit) for unit in get_args(Unit)}
    assert told["units"] == units
    for scope, count in told["scopes"].items():
        weights = make_view(model_type, scope=scope).weights().values()
        assert count == sum(weight.matrix.numel() for weight in weights)
    head = view.model.get_output_embeddings().weight
    assert bool(told["tied"]) == (head is view.model.get_input_embeddings().weight)
    assert told["warnings"] == []


RMS = "RMSNorm, 1/rms constant"
OFFSET = "RMSNorm scaled by 1 + w, 1/rms constant"
LAYER = "LayerNorm, 1/std constant, mean subtraction kept"
IDENTITY = "Element-wise function, identity rule"
QUARTER, HALF = "output gradient × 0.25", "output gradient × 0.5"
LLAMA = {
    "input_layernorm": RMS,
    "self_attn.q_proj": QUARTER,
    "self_attn.k_proj": QUARTER,
    "self_attn.v_proj": HALF,
    "post_attention_layernorm": RMS,
    "mlp.act_fn": IDENTITY,
    "mlp.down_proj": "input gradient × 0.5",
    "model.norm": RMS,
}
NEOX = {
    "input_layernorm": LAYER,
    "attention.query_key_value": "output gradient × 0.25, 0.25, 0.5",
    "post_attention_layernorm": LAYER,
    "mlp.act": IDENTITY,
    "gpt_neox.final_layer_norm": LAYER,
}
PHI3 = {
    "input_layernorm": RMS,
    "self_attn.qkv_proj": "output gradient × 0.25, 0.25, 0.5",
    "post_attention_layernorm": RMS,
    "mlp.activation_fn": IDENTITY,
    "mlp.down_proj": "input gradient × 0.5",
    "model.norm": RMS,
}
GEMMA3 = {path: OFFSET if rule == RMS else rule for path, rule in LLAMA.items()} | {
    "self_attn.q_norm": OFFSET,
    "self_attn.k_norm": OFFSET,
    "pre_feedforward_layernorm": OFFSET,
    "post_feedforward_layernorm": OFFSET,
}
CONSTANT = ("self_attn.q_proj", "self_attn.k_proj", "mlp.gate_proj")
CP = {
    path: rule for path, rule in LLAMA.items() if path not in ("self_attn.v_proj", "mlp.down_proj")
}
TABLE = {
    ("attnlrp", "mistral"): LLAMA,
    ("attnlrp", "qwen2"): LLAMA,
    ("attnlrp", "qwen3"): LLAMA | {"self_attn.q_norm": RMS, "self_attn.k_norm": RMS},
    ("attnlrp", "gemma3_text"): GEMMA3,
    ("attnlrp", "gpt_neox"): NEOX,
    ("attnlrp", "phi3"): PHI3,
    ("cp-lrp", "qwen2"): CP | dict.fromkeys(CONSTANT, "output gradient × 0"),
    ("cp-lrp", "gpt_neox"): NEOX | {"attention.query_key_value": "output gradient × 0, 0, 1"},
    ("cp-lrp", "phi3"): {
        **{path: rule for path, rule in PHI3.items() if path != "mlp.down_proj"},
        "self_attn.qkv_proj": "output gradient × 0, 0, 1",
        "mlp.gate_up_proj": "output gradient × 0, 1",
    },
}


@pytest.mark.parametrize("case", TABLE, ids=" ".join)
def test_the_rules_of_lrp_are_those_of_the_roles(case, tmp_path):
    variant, model_type = case
    folder = saved(tmp_path / "model", make_config(model_type))
    told = facts(folder, "--scorer", "lrp", "--scorer-option", f"variant={variant}")
    prefix = told["blocks"]["path"]
    for index in range(told["blocks"]["count"]):
        rules = {
            part["name"].removeprefix(f"{prefix}.{index}."): part["rules"]["lrp"]
            for part in told["modules"]
            if part["rules"] and part["block"] in (None, index)
        }
        assert rules == TABLE[case]


def test_what_was_inferred_and_what_is_refused_is_told(tmp_path):
    config = AutoConfig.for_model(
        "gemma2",
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
    )
    folder = saved(tmp_path / "model", config)
    told = facts(folder)
    assert (told["adapter"], told["inferred"]) == ("generic", True)
    assert told["refusals"]["lrp"].startswith("LRP has no rule for what `lm_head` does")
    text = inspect(folder)
    assert f"{folder}: type gemma2, adapter generic, inferred\n" in text
    assert "\nscorer lrp refuses: LRP has no rule for what `lm_head` does (role 'soft-cap')" in text
    assert "\nwarning: No adapter knows models of type 'gemma2'; what the modules of" in text


def test_the_text_has_a_line_for_what_is_alike_in_all_blocks(tmp_path):
    lines = inspect(saved(tmp_path / "model", olmo2()), columns=80).splitlines()
    rows = [line.split() for line in lines]
    assert ["self_attn.q_proj", "query", "3", "32", "×", "32", "3,072"] in rows
    assert ["mlp.down_proj", "down", "3", "32", "×", "48", "4,608"] in rows
    assert ["model.norm", "rms-norm", "1"] in rows
    assert "units: weight 26,112, neuron 144, head 12, block 3" in lines
    assert "lrp: output gradient × 0.25: self_attn.q_proj, self_attn.k_proj" in lines
    [scope] = [line for line in lines if line.startswith("scope all")]
    assert scope == "scope all: 26,112 weights, 79.9% of the parameters"


def test_it_runs_the_size_of_a_real_model_without_its_weights(tmp_path):
    config = AutoConfig.for_model("llama", num_hidden_layers=80, hidden_size=8192)
    told = facts(saved(tmp_path / "model", config))
    assert told["parameters"] > 30e9
    assert told["blocks"]["count"] == 80


def test_a_named_model_is_found_with_its_label(tmp_path, monkeypatch):
    class Named(ModelSource):
        name, title, label, licence = "named", "Named", "made up", "none"

        def fetch(self, cache):
            shutil.copytree(saved(tmp_path / "source", make_config("llama")), cache / "model")
            return cache / "model"

    models = default_host()._registered["model"]
    origin = Origin("named", "guest", "1")
    monkeypatch.setitem(models, "named", Registered(Named, origin))
    (tmp_path / "cache").mkdir()
    assert facts("named", "--cache", tmp_path / "cache")["label"] == "made up"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such-model", "Model 'no/such-model' is neither a named model"),
        ("{folder}", "The folder .* has no config.json; give a folder"),
    ],
)
def test_a_model_that_is_not_there_is_told_in_one_sentence(name, message, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=message):
        inspect(name.format(folder=tmp_path), "--cache", tmp_path)


def test_a_scorer_that_is_not_there_is_told(tmp_path):
    folder = saved(tmp_path / "model", make_config("llama"))
    with pytest.raises(Sparc3Error, match=r"Unknown scorer 'lpr'\. Did you mean 'lrp'"):
        inspect(folder, "--scorer", "lpr")
    with pytest.raises(Sparc3Error, match="Option `variant` of scorer 'lrp' must be"):
        inspect(folder, "--scorer", "lrp", "--scorer-option", "lrp.variant=none")
    with pytest.raises(Sparc3Error, match="Unknown scorer option 'varient'"):
        inspect(folder, "--scorer", "lrp", "--scorer-option", "varient=cp-lrp")


def test_a_scorer_without_rules_has_none():
    class Plain(Scorer):
        name, title = "plain", "Plain"

        def score(self, model, reference):
            return {}

    assert Plain().rules(make_view("llama")) == {}


def test_the_tiny_model_is_on_no_device_that_holds_numbers(tmp_path, monkeypatch):
    """Nothing but meta tensors is made for a model whose type an adapter names."""
    import sparc3_bench.model.load as load

    seen = []
    real = load.ModelView

    def watched(model, *arguments, **options):
        seen.append({parameter.device for parameter in model.parameters()})
        return real(model, *arguments, **options)

    monkeypatch.setattr(load, "ModelView", watched)
    inspect(saved(tmp_path / "model", make_config("phi3")))
    assert seen == [{torch.device("meta")}]
