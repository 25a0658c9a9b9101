"""What holds for views through the built-in adapters, beyond the checks of the kit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from installed import scorers, serves
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, OPTConfig, T5Config

from sparc3_bench import Fused, ModelView
from sparc3_bench.attribution.scores import checked
from sparc3_bench.errors import ModelError
from sparc3_bench.host import default_host
from sparc3_bench.model.blockwise import walk
from sparc3_bench.model.load import find_model
from sparc3_bench.selection.select import select
from sparc3_bench.testing.tiny import (
    CONFIGS,
    make_model,
    make_reference,
    make_view,
    save_model,
)
from sparc3_bench.types.architecture import Role
from sparc3_bench.types.masks import KeepMask

LENGTHS = (12, 5, 9)
NORMS_OF_A_BLOCK = {"qwen3": 4, "gemma3_text": 6}
QKV = {Role.QUERY, Role.KEY, Role.VALUE}
NORMS = {Role.RMS_NORM, Role.OFFSET_RMS_NORM, Role.LAYER_NORM}


def post_norm_opt() -> ModelView:
    """Make the 350M variant: norms behind each half of a block, embeddings of another width."""
    config = OPTConfig.from_dict(
        {**CONFIGS["opt"].to_dict(), "do_layer_norm_before": False, "word_embed_proj_dim": 16}
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return ModelView(model, default_host().get("adapter", "opt").cls())


VIEWS = {name: (lambda name=name: make_view(name)) for name in CONFIGS}
VIEWS["opt, norms behind"] = post_norm_opt


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> ModelView:
    return VIEWS[request.param]()


def logits(view: ModelView) -> list[Tensor]:
    with torch.no_grad():
        return [view.forward(batch) for batch in make_reference(3, LENGTHS, 3).batches()]


def keep_everything(view: ModelView) -> KeepMask:
    shapes = {name: weight.matrix.shape for name, weight in view.weights().items()}
    return KeepMask({name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()})


def state_bytes(view: ModelView) -> dict[str, bytes]:
    return {name: values.numpy().tobytes() for name, values in view.model.state_dict().items()}


def test_a_mask_that_keeps_everything_changes_nothing(view):
    plain, before = logits(view), state_bytes(view)
    with view.masked(keep_everything(view)):
        assert state_bytes(view) == before
        assert all(torch.equal(a, b) for a, b in zip(logits(view), plain, strict=True))
    assert state_bytes(view) == before


def test_a_mask_is_taken_off_even_after_an_error(view):
    plain, before = logits(view), state_bytes(view)
    keep = keep_everything(view)
    for mask in keep.weights.values():
        mask[:, ::2] = False

    def fail() -> None:
        assert not torch.allclose(logits(view)[0], plain[0])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), view.masked(keep):
        fail()
    assert state_bytes(view) == before


def test_a_removed_row_silences_one_output(view):
    for name, weight in view.weights().items():
        mask = torch.ones(weight.matrix.shape, dtype=torch.bool)
        mask[3] = False
        probe = torch.randn(4, weight.matrix.shape[1])
        with torch.no_grad():
            plain = weight.module(probe)
            with view.masked(KeepMask({name: mask})):
                pruned = weight.module(probe)
        expected = weight.bias[3] if weight.bias is not None else torch.tensor(0.0)
        assert (pruned[:, 3] == expected).all(), name
        assert (plain[:, 3] != expected).all(), name
        others = torch.arange(len(mask)) != 3
        torch.testing.assert_close(pruned[:, others], plain[:, others], msg=name)


def test_weights_are_the_matrices_of_the_blocks_each_once(view):
    for index, block in enumerate(view.blocks):
        listed = [id(w.parameter) for w in view.weights().values() if w.block == index]
        matrices = [id(p) for p in block.parameters() if p.dim() == 2]
        assert sorted(listed) == sorted(matrices)
    assert {weight.block for weight in view.weights().values()} == set(range(len(view.blocks)))
    names = dict(view.model.named_modules())
    assert all(names[name] is weight.module for name, weight in view.weights().items())


def test_weights_come_in_the_order_of_the_blocks(view):
    order = [weight.block for weight in view.weights().values()]
    assert order == sorted(order)


def test_observe_sees_every_input_without_padding(view):
    seen: dict[str, list[Tensor]] = {name: [] for name in view.weights()}
    plain: dict[str, list[Tensor]] = {name: [] for name in view.weights()}
    for name, weight in view.weights().items():
        weight.module.register_forward_pre_hook(
            lambda module, args, name=name: plain[name].append(args[0].flatten(0, -2))
        )
    reference = make_reference(5, LENGTHS, batch_size=2)
    with view.observe(lambda name, inputs: seen[name].append(inputs)):
        view.run(reference)
    masks = [batch.attention_mask.flatten().bool() for batch in reference.batches()]
    assert not all(mask.all() for mask in masks)
    for name, weight in view.weights().items():
        assert len(seen[name]) == len(masks) == 3, name
        for inputs, everything, mask in zip(seen[name], plain[name], masks, strict=True):
            assert torch.equal(inputs, everything[mask]), name
            assert inputs.shape == (int(mask.sum()), weight.matrix.shape[1])
    count = len(plain[name])
    view.run(reference)  # no longer observed
    assert all(len(values) == 3 for values in seen.values())
    assert len(plain[name]) > count


def test_roles_cover_the_blocks(view):
    roles, model_type = view.roles(), view.config.model_type
    for index in range(len(view.blocks)):
        prefix = f"{view.adapter.blocks}.{index}."
        inside = {name: found for name, found in roles.items() if name.startswith(prefix)}
        kinds = [
            part
            for _, role in inside.values()
            for part in (role.roles if isinstance(role, Fused) else (role,))
        ]
        for role in (*QKV, Role.ATTENTION_OUTPUT, Role.UP, Role.DOWN, Role.ACTIVATION):
            assert kinds.count(role) == 1
        assert sum(role in NORMS for role in kinds) == NORMS_OF_A_BLOCK.get(model_type, 2)


def test_heads_are_those_of_the_configuration(view):
    assert view.adapter.heads(view.config) == 4


def test_a_shared_matrix_is_listed_and_counted_once(view):
    first, second = (
        [
            (name, w)
            for name, w in view.weights().items()
            if w.block == block and w.role is Role.DOWN
        ]
        for block in (0, 1)
    )
    [(kept, weight)], [(dropped, other)] = first, second
    before, size = view.parameters, weight.parameter.numel()
    other.module.weight = weight.module.weight
    tied = ModelView(view.model, view.adapter)
    assert kept in tied.weights()
    assert dropped not in tied.weights()
    assert len(tied.weights()) == len(view.weights()) - 1
    assert tied.parameters == before - size


@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2", "gemma3_text", "qwen3"])
def test_a_head_tied_to_the_embeddings_is_counted_once(architecture):
    view, model = make_view(architecture), make_model(architecture)
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    assert head.weight is embeddings.weight
    untied = nn.Parameter(head.weight.detach().clone())
    head.weight = untied
    assert ModelView(model, view.adapter).parameters == view.parameters + untied.numel()


NAMES = {
    "gemma3_text": "gemma3",
    "gpt_neox": "gpt-neox",
    "mistral": "llama",
    "qwen2": "llama",
}


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_saved_model_is_found_with_its_adapter(architecture, tmp_path):
    folder = save_model(architecture, tmp_path / "model")
    found = find_model(str(folder), default_host(), tmp_path / "cache", "float32", "cpu")
    assert found.ref.adapter == NAMES.get(architecture, architecture)
    assert found.ref.model_type in type(found.adapter).model_types
    assert found.adapter.warnings == ()
    loaded, made = found.load("all"), make_view(architecture)
    assert all(torch.equal(a, b) for a, b in zip(logits(loaded), logits(made), strict=True))


def save_config(folder: Path, config: dict[str, object]) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").touch()
    return folder


def test_an_unserved_model_type_is_refused_with_one_sentence(tmp_path):
    folder = save_config(tmp_path / "model", T5Config().to_dict())
    with pytest.raises(ModelError) as caught:
        find_model(str(folder), default_host(), tmp_path, "float32", "cpu")
    assert str(caught.value) == (
        f"Model '{folder}' is of type 't5', which no adapter names, and adapter 'generic' cannot "
        "infer it, as it has an encoder; choose a decoder-only language model, e.g. of the types "
        "gemma3_text, gpt2, gpt_neox, llama, mistral, opt, phi3, qwen2, qwen3, or write an adapter."
    )


def test_a_model_type_nobody_knows_is_refused_with_one_line(tmp_path):
    folder = save_config(tmp_path / "model", {"model_type": "no-such-type"})
    with pytest.raises(ModelError, match="no-such-type") as caught:
        find_model(str(folder), default_host(), tmp_path, "float32", "cpu")
    assert "\n" not in str(caught.value)


def test_opt_with_norms_behind_can_be_scored_and_pruned():
    view = post_norm_opt()
    assert all("model.decoder.layers" in name for name in view.roles())  # no norm outside
    dense = logits(view)
    for name, cls in scorers().items():
        if not serves(name, "opt"):
            continue
        scorer, reference = cls(), make_reference(3, LENGTHS, 2)
        scores = checked(scorer.score(view, reference), view.weights(), name)
        with view.masked(select(scores, 0.5, view)):
            assert not torch.allclose(logits(view)[0], dense[0])
        for block in walk(view, reference):
            checked(scorer.score(block, reference), block.weights(), name)
    assert all(torch.equal(a, b) for a, b in zip(logits(view), dense, strict=True))
