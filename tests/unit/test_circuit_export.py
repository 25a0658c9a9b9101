"""The folder of a circuit: masks named as the model names parameters, replaced whole or not."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM
from unit.results import make_result

from sparc3_bench import ModelView, Sparc3Error
from sparc3_bench.circuit.export import check_exportable
from sparc3_bench.circuit.folder import replacing
from sparc3_bench.circuit.writer import parameter_masks, write_model
from sparc3_bench.host import default_host
from sparc3_bench.selection.units import unit_mask
from sparc3_bench.testing.tiny import ARCHITECTURES, make_model, make_view
from sparc3_bench.types.masks import KeepMask

IDS = torch.arange(3, 15)[None]


def random_keep(view: ModelView) -> KeepMask:
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.rand(weight.matrix.shape, generator=generator) > 0.4
        for name, weight in view.weights().items()
    }
    biases = {
        name: torch.rand(len(weight.bias), generator=generator) > 0.4
        for name, weight in view.weights().items()
        if weight.bias is not None
    }
    return KeepMask(weights, biases)


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_masks_have_the_names_and_shapes_of_the_parameters(architecture):
    view = make_view(architecture)
    keep = random_keep(view)
    masks = parameter_masks(view, keep)
    assert len(masks) == len(keep.weights) + len(keep.biases)
    parameters = dict(view.model.named_parameters())
    assert all(parameters[name].shape == mask.shape for name, mask in masks.items())
    with view.masked(keep):
        pruned = {name: p.detach().clone() for name, p in parameters.items()}
    for name, parameter in parameters.items():
        own = parameter.detach().clone()
        own[~masks.get(name, torch.ones_like(own, dtype=torch.bool))] = 0
        assert torch.equal(own.view(torch.int32), pruned[name].view(torch.int32)), name


def test_only_parameters_that_lose_something_are_named():
    view = make_view("gpt2")
    kept = {str(block): torch.ones(64, dtype=torch.bool) for block in range(2)}
    kept["1"][3] = False
    masks = parameter_masks(view, unit_mask(kept, view, "neuron"))
    assert sorted(masks) == [
        "transformer.h.1.mlp.c_fc.bias",
        "transformer.h.1.mlp.c_fc.weight",
        "transformer.h.1.mlp.c_proj.weight",
    ]
    assert masks["transformer.h.1.mlp.c_fc.weight"].shape == (32, 64)


def shared_view() -> ModelView:
    model = make_model("llama")
    first, second = model.model.layers[0].mlp, model.model.layers[1].mlp
    second.down_proj.weight = first.down_proj.weight
    return ModelView(model, default_host().get("adapter", "llama").cls())


def test_a_shared_parameter_is_named_once_and_saved_for_both_modules(tmp_path):
    view = shared_view()
    keep = random_keep(view)
    masks = parameter_masks(view, keep)
    assert "model.layers.0.mlp.down_proj.weight" in masks
    assert "model.layers.1.mlp.down_proj.weight" not in masks
    with view.masked(keep):
        write_model(view.model, tmp_path)
        expected = logits(view.model)
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path).eval()), expected)


def test_saving_leaves_the_model_as_it_was(tmp_path):
    view = make_view("llama")
    before = logits(view.model)
    with view.masked(random_keep(view)):
        write_model(view.model, tmp_path)
    assert torch.equal(logits(view.model), before)


@pytest.mark.parametrize("ablation", ["mean", "resample"])
def test_there_is_no_pruned_model_where_inputs_are_replaced(tmp_path, ablation):
    result = make_result(ablation=ablation)
    with pytest.raises(Sparc3Error) as refused:
        check_exportable(result, tmp_path / "out")
    assert str(refused.value) == (
        f"Ablation '{ablation}' replaces inputs and prunes no weights, so there is no pruned model "
        "to save; add `--no-model` to export the mask alone."
    )
    check_exportable(result, tmp_path / "out", model=False)


def test_folders_that_hold_other_things_are_refused(tmp_path):
    for n, (name, text) in enumerate(
        [("notes.txt", ""), ("circuit.json", "{}"), ("circuit.json", "[1")]
    ):
        folder = tmp_path / str(n)
        folder.mkdir()
        check_exportable(make_result(), folder)
        (folder / "circuit.json").write_text(json.dumps({"format": "sparc3-circuit"}))
        check_exportable(make_result(), folder)
        (folder / name).write_text(text)
        with pytest.raises(Sparc3Error) as refused:
            check_exportable(make_result(), folder)
        assert str(refused.value) == (
            f"The folder {folder} is not empty and holds other things than an exported circuit; "
            "choose another for `--out`."
        )


def interrupted(folder):
    with replacing(folder) as part:
        (part / "mask.safetensors").write_text("half")
        raise KeyboardInterrupt


def test_an_interruption_leaves_what_was_there(tmp_path):
    for name in ("new", "old"):
        folder = tmp_path / name
        if name == "old":
            folder.mkdir()
            (folder / "circuit.json").write_text("before")
        with pytest.raises(KeyboardInterrupt):
            interrupted(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old/circuit.json").read_text() == "before"


def test_an_earlier_export_is_replaced_whole(tmp_path):
    folder = tmp_path / "deep" / "out"
    for content in ("one", "two"):
        with replacing(folder) as part:
            (part / content).write_text(content)
    assert [path.name for path in folder.iterdir()] == ["two"]
    assert [path.name for path in folder.parent.iterdir()] == ["out"]
