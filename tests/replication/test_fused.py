"""A model with fused matrices is scored and pruned as the same model with separate ones is."""

from __future__ import annotations

import copy

import pytest
import torch
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.lrp import Lrp
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from sparc3_bench import Fused, ModelView, Role
from sparc3_bench.attribution.scores import checked
from sparc3_bench.errors import ModelError
from sparc3_bench.host import default_host
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.selection.select import select
from sparc3_bench.selection.units import count_units, ranked, unit_scores
from sparc3_bench.testing.tiny import make_reference, make_view
from sparc3_bench.types.conventions import Scope
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.scores import ScoreMap

LENGTHS = (12, 5, 9)
PARTS = {
    "self_attn.qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "mlp.gate_up_proj": ("mlp.gate_proj", "mlp.up_proj"),
}
ROWS = {"self_attn.qkv_proj": [32, 16, 16], "mlp.gate_up_proj": [48, 48]}
UNITS = ["neuron", "head"]
Scored = dict[str, Tensor]


def pair(scope: Scope = "all") -> tuple[ModelView, ModelView]:
    """Make a Phi-3 and the Llama that computes the same."""
    fused = make_view("phi3", scope=scope)
    sizes = {name: getattr(fused.config, name) for name in ("vocab_size", "hidden_size")}
    config = LlamaConfig(
        **sizes,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        rms_norm_eps=fused.config.rms_norm_eps,
        tie_word_embeddings=False,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    state = {}
    for name, values in fused.model.state_dict().items():
        state |= separate(name.removesuffix(".weight"), values, ".weight")
    model.load_state_dict(state)
    view = ModelView(model, default_host().get("adapter", "llama").cls(), scope=scope)
    return fused, view


def separate(name: str, values: Tensor, suffix: str = "") -> Scored:
    """Return the rows of a fused matrix, or of a vector by its rows, under the separate names."""
    for path, parts in PARTS.items():
        if name.endswith(path):
            prefix = name.removesuffix(path)
            runs = values.split(ROWS[path])
            return {f"{prefix}{part}{suffix}": run for part, run in zip(parts, runs, strict=True)}
    return {f"{name}{suffix}": values}


def separated(scores: dict[str, Tensor]) -> Scored:
    return {k: v for name, values in scores.items() for k, v in separate(name, values).items()}


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    assert found
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=1e-4, atol=1e-5 * values.abs().max())


def logits(view: ModelView) -> dict[str, Tensor]:
    with torch.no_grad():
        batches = make_reference(3, LENGTHS, 3).batches()
        return {str(i): view.forward(batch) for i, batch in enumerate(batches)}


def scored(scorer, view: ModelView) -> ScoreMap:
    return checked(scorer.score(view, make_reference(4, LENGTHS, 2)), view.weights(), "")


def test_the_two_models_compute_the_same():
    fused, plain = pair()
    same(logits(fused), logits(plain))


SCORERS = {
    # A control, a package that does not know the fused architectures, and one that looks at whole
    # columns of a matrix.
    name: entry.cls()
    for name, entry in default_host().all("scorer").items()
    if name not in ("random", "lrp-lxt", "ria")
}
SCORERS["lrp, CP"] = Lrp("cp-lrp", "signed-mean")
SCORERS["lrp, signed"] = Lrp("attnlrp", "signed-mean")


@pytest.mark.parametrize("name", SCORERS)
def test_scores_of_a_fused_matrix_are_those_of_its_parts(name):
    fused, plain = pair()
    same(separated(dict(scored(SCORERS[name], fused))), dict(scored(SCORERS[name], plain)))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("scorer", [Gradient("signed-mean"), SCORERS["activation"]])
def test_units_of_a_fused_matrix_are_those_of_its_parts(unit, scorer):
    views = pair()
    found, expected = (unit_scores(scored(scorer, view), view, unit) for view in views)
    same(found, expected)
    assert len({count_units(view, unit) for view in views}) == 1


@pytest.mark.parametrize("unit", UNITS)
def test_what_each_sample_gives_to_a_unit_is_the_same(unit):
    scorer = Lrp("attnlrp", "signed-mean", by_sample=True)
    found, expected = (ranked(scored(scorer, view), view, unit) for view in pair())
    same(dict(found.samples), dict(expected.samples))
    same(dict(found.errors), dict(expected.errors))
    assert found.samples["0"].shape == (4, {"neuron": 48, "head": 4}[unit])


@pytest.mark.parametrize("scope", ["all", "mlp", "mlp-in", "attention"])
def test_scopes_of_a_fused_model_hold_the_same_weights(scope):
    fused, plain = pair(scope)
    shapes = {name: weight.matrix for name, weight in fused.weights().items()}
    expected = {name: weight.matrix for name, weight in plain.weights().items()}
    same(separated(shapes), expected)


def test_removing_units_removes_the_same_weights_and_leaves_the_same_model():
    for unit in UNITS:
        fused, plain = pair()
        masks = []
        for view in (fused, plain):
            scores = scored(Gradient("signed-mean"), view)
            masks.append(select(scores, 0.5, view, unit=unit, group="layer"))
        found, expected = masks
        same(separated(as_numbers(found)), as_numbers(expected))
        assert found.removed == expected.removed > 0
        with fused.masked(found), plain.masked(expected):
            pruned = logits(fused)
            same(pruned, logits(plain))
        means = [mean_inputs(view, make_reference(4, LENGTHS)) for view in (fused, plain)]
        with fused.mean_ablated(found, means[0]), plain.mean_ablated(expected, means[1]):
            ablated = logits(fused)
            same(ablated, logits(plain))
        assert not torch.allclose(pruned["0"], ablated["0"])


def as_numbers(keep: KeepMask) -> Scored:
    return {name: mask.float() for name, mask in keep.weights.items()}


def test_interleaved_rows_of_gate_and_up_are_told_apart():
    """The layout of some: a row of gate, a row of up, and so on."""
    fused, plain = pair()
    order = torch.stack([torch.arange(48), torch.arange(48, 96)], 1).flatten()
    interleaved = copy.deepcopy(fused.model)
    for block in interleaved.model.layers:
        matrix = block.mlp.gate_up_proj
        matrix.weight.data = matrix.weight.data[order]
        matrix.register_forward_hook(lambda module, args, output: output[..., order.argsort()])

    class Interleaved(default_host().get("adapter", "phi3").cls):
        def roles(self, config):
            layout = Fused(((Role.GATE, 1), (Role.UP, 1)))
            return {**super().roles(config), "mlp.gate_up_proj": layout}

    view = ModelView(interleaved, Interleaved())
    scores = scored(SCORERS["magnitude"], view)
    same(
        unit_scores(scores, view, "neuron"),
        unit_scores(scored(SCORERS["magnitude"], plain), plain, "neuron"),
    )
    keep = select(scores, 0.5, view, unit="neuron", group="layer")
    mask = keep.weights["model.layers.0.mlp.gate_up_proj"]
    assert torch.equal(mask[::2], mask[1::2])
    assert not mask.all()


def test_runs_that_do_not_fit_the_rows_are_refused():
    class Wrong(default_host().get("adapter", "phi3").cls):
        def roles(self, config):
            return {
                **super().roles(config),
                "mlp.gate_up_proj": Fused(((Role.GATE, 40), (Role.UP, 40))),
            }

    with pytest.raises(ModelError) as caught:
        ModelView(make_view("phi3").model, Wrong())
    assert str(caught.value) == (
        "Adapter 'phi3' divides the rows of `model.layers.0.mlp.gate_up_proj` into runs of 80 in "
        "all, but it has 96; correct the numbers of rows."
    )
