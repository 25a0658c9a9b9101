"""The planted circuit is what it is said to be, and the script that made it draws it again."""

from __future__ import annotations

import copy

import pytest
import torch
from replication.planted import (
    FOLDER,
    answers,
    asked,
    changed,
)
from sparc3_tasks.planted_circuit import data
from sparc3_tasks.planted_circuit.fit import Recipe, effects, fit, ioi_answers
from sparc3_tasks.planted_circuit.layout import Kind, draw_layout
from sparc3_tasks.planted_circuit.plant import plant
from sparc3_tasks.planted_circuit.prove import prove
from sparc3_tasks.planted_circuit.train import make_model
from torch import Tensor

from sparc3_bench import Sparc3Error

# The truth.


def test_the_model_does_both_of_its_tasks(model, tokenizer):
    ids, mask, io = asked(tokenizer)
    logits = answers(model, ids, mask)
    assert (logits.argmax(-1) == io).double().mean() >= 0.95
    texts, right = zip(*data.sums(), strict=True)
    found = tokenizer(list(texts), return_tensors="pt")
    sums = answers(model, found["input_ids"], found["attention_mask"])
    right = torch.tensor(tokenizer.convert_tokens_to_ids(list(right)))
    assert (sums.argmax(-1) == right).double().mean() >= 0.95


def test_test_prompts_share_no_place_and_thing_with_reference_prompts():
    def pairs(part: str) -> set[tuple[str, str]]:
        texts = [prompt.text.split() for prompt in data.ioi_prompts(part, 500, 1)]
        return {
            (next(w for w in text if w in data.PLACES), next(w for w in text if w in data.THINGS))
            for text in texts
        }

    assert len(pairs("reference")) == 24
    assert len(pairs("test")) == 12
    assert pairs("reference").isdisjoint(pairs("test"))


def test_zero_in_place_of_all_that_is_not_the_circuit_changes_no_logit(
    model, exact, tokenizer, truth
):
    ids, mask, _ = asked(tokenizer)
    for dense, error in ((exact, 1e-9), (model, 1e-4)):
        alone = changed(dense, lambda name, weight: weight * (truth[name] == Kind.CIRCUIT))
        moved = (answers(alone, ids, mask) - answers(dense, ids, mask)).abs().max()
        assert moved <= error
    assert answers(exact, ids, mask).abs().max() > 5


@pytest.mark.parametrize("kind", [Kind.SUMS, Kind.DEAD, Kind.HIDDEN_PAIR, Kind.OPEN_PAIR])
def test_every_kind_of_noise_may_go_alone(exact, tokenizer, truth, kind):
    ids, mask, _ = asked(tokenizer, count=30)
    without = changed(exact, lambda name, weight: weight * (truth[name] != kind))
    assert (answers(without, ids, mask) - answers(exact, ids, mask)).abs().max() <= 1e-9
    assert sum(int((codes == kind).sum()) for codes in truth.values()) > 700


@pytest.mark.parametrize("kind", [Kind.SUMS, Kind.DEAD])
def test_what_never_reaches_the_output_may_have_any_value(exact, tokenizer, truth, kind):
    ids, mask, _ = asked(tokenizer, count=30)
    generator = torch.Generator().manual_seed(0)

    def drawn(name: str, weight: Tensor) -> Tensor:
        noise = 3 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        return torch.where(truth[name] == kind, noise, weight)

    moved = (answers(changed(exact, drawn), ids, mask) - answers(exact, ids, mask)).abs().max()
    assert moved <= 1e-9


@pytest.mark.parametrize("kind", [Kind.HIDDEN_PAIR, Kind.OPEN_PAIR])
def test_pairs_are_twins_that_cancel_and_may_be_other_twins(exact, tokenizer, truth, kind):
    ids, mask, _ = asked(tokenizer, count=30)
    part = {Kind.HIDDEN_PAIR: "hidden-pair", Kind.OPEN_PAIR: "open-pair"}[kind]
    other = copy.deepcopy(exact)
    for index, block in enumerate(draw_layout(0).blocks):
        layer = other.model.layers[index]
        for module, rows, writer in (
            *((getattr(layer.self_attn, f"{n}_proj"), block.heads[part], False) for n in "qkv"),
            (layer.self_attn.o_proj, block.heads[part], True),
            (layer.mlp.gate_proj, block.neurons[part], False),
            (layer.mlp.up_proj, block.neurons[part], False),
            (layer.mlp.down_proj, block.neurons[part], True),
        ):
            weight = module.weight.data.T if writer else module.weight.data
            first, second = rows.chunk(2)
            assert weight[first].abs().max() > 0
            sign = -1 if writer else 1
            assert torch.equal(weight[first], sign * weight[second])
            weight[first] *= 1.7
            weight[second] *= 1.7
    assert (answers(other, ids, mask) - answers(exact, ids, mask)).abs().max() <= 1e-9


def test_without_the_circuit_ioi_is_lost_and_the_sums_are_not(exact, tokenizer, truth):
    ids, mask, io = asked(tokenizer)
    without = changed(exact, lambda name, weight: weight * (truth[name] != Kind.CIRCUIT))
    assert (answers(without, ids, mask).argmax(-1) == io).double().mean() <= 0.2
    found = tokenizer([text for text, _ in data.sums()], return_tensors="pt")
    both = (answers(m, found["input_ids"], found["attention_mask"]) for m in (without, exact))
    assert (next(both) - next(both)).abs().max() <= 1e-9


def test_every_weight_of_the_circuit_matters_alone(model, tokenizer, truth):
    """A sample of them; the script that made the model went through all."""
    masks = {name: codes == Kind.CIRCUIT for name, codes in truth.items()}
    for index, mask in enumerate(masks.values()):
        places = mask.nonzero()[index % 7 :: 7]
        mask.zero_()
        mask[places[:, 0], places[:, 1]] = True
    moved = torch.cat(list(effects(model, masks, ioi_answers(tokenizer, 48, 0)).values()))
    assert len(moved) > 150
    assert moved.min() > 0.005


def test_the_proof_refuses_another_truth(model, tokenizer, truth):
    from sparc3_tasks.planted_circuit.fit import ioi_examples, sum_examples

    layout, ioi = draw_layout(0), ioi_examples(tokenizer, "test", 40, 0)
    facts = prove(model, truth, layout, ioi, sum_examples(tokenizer))
    assert facts["largest_change_by_other_noise"] <= 1e-9
    wrong = {name: codes.clone() for name, codes in truth.items()}
    codes = wrong["model.layers.0.mlp.up_proj"]
    codes[tuple((codes == Kind.CIRCUIT).nonzero()[0])] = Kind.DEAD
    with pytest.raises(Sparc3Error, match="largest_change_by_zeroing"):
        prove(model, wrong, layout, ioi, sum_examples(tokenizer))


# The script.


def test_the_noise_of_the_checkpoint_is_what_the_script_draws(model, truth):
    masks = {
        part: {name: codes == kind for name, codes in truth.items()}
        for part, kind in (("circuit", Kind.CIRCUIT), ("sums", Kind.SUMS))
    }
    again = changed(
        model,
        lambda name, weight: weight * (masks["circuit"][name] | masks["sums"][name]),
    )
    kinds = plant(again, draw_layout(0), masks, 0)
    assert kinds.keys() == truth.keys()
    for name, codes in kinds.items():
        assert torch.equal(codes, truth[name])
        assert torch.equal(again.get_submodule(name).weight, model.get_submodule(name).weight)


def test_training_is_deterministic():
    recipe = Recipe(
        steps=3, rounds=2, round_steps=2, last_steps=2, density=0.003, least=0.0, prompts=60
    )
    made = []
    for seed in (0, 0, 1):
        model, layout = make_model(), draw_layout(seed)
        masks = fit(model, data.make_tokenizer(), layout, recipe, seed, lambda text: None)
        kinds = plant(model, layout, masks, seed)
        made.append((model.state_dict(), kinds))
    (weights, kinds), (same_weights, same_kinds), (other_weights, _) = made
    assert all(torch.equal(weights[name], same_weights[name]) for name in weights)
    assert all(torch.equal(kinds[name], same_kinds[name]) for name in kinds)
    assert not all(torch.equal(weights[name], other_weights[name]) for name in weights)


def test_the_checkpoint_is_small_and_bfloat16(model):
    files = list(FOLDER.iterdir())
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {f.name for f in files}
    assert sum(file.stat().st_size for file in files) < 1_000_000
    assert all(torch.equal(p, p.bfloat16().float()) for p in model.parameters())
