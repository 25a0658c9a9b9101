"""Which weights, neurons and heads are removed: exactly so many, and ties by position."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig

from sparc3_bench import ModelView, ScoreMap
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import default_host
from sparc3_bench.model.weights import PrunableWeight
from sparc3_bench.selection.select import count_to_remove, select
from sparc3_bench.testing.tiny import make_model, make_view
from sparc3_bench.types.architecture import Role
from sparc3_bench.types.masks import KeepMask

AMOUNTS = (0.0, 0.01, 0.29, 0.5, 0.7, 0.999, math.nextafter(1, 0), 1.0)


def select_weights(scores: dict[str, Tensor], amount: float, group: str) -> dict[str, Tensor]:
    """Select without a model: single weights need none."""
    return dict(select(ScoreMap(scores), amount, None, group=group).weights)


def one_row(*scores: float) -> dict[str, Tensor]:
    return {"m": torch.tensor([scores])}


def by_sorting(scores: dict[str, Tensor], amount: float, group: str) -> dict[str, Tensor]:
    """Select by a full stable sort of every comparison group."""

    def keep(values: Tensor) -> Tensor:
        count = math.floor(Fraction(str(amount)) * values.numel())
        mask = torch.ones(values.numel(), dtype=torch.bool)
        mask[values.reshape(-1).argsort(stable=True)[:count]] = False
        return mask.reshape(values.shape)

    if group == "row":
        return {name: torch.stack([keep(row) for row in v]) for name, v in scores.items()}
    if group == "layer":
        return {name: keep(values) for name, values in scores.items()}
    joined = keep(torch.cat([values.reshape(-1) for values in scores.values()]))
    parts = joined.split([values.numel() for values in scores.values()])
    return {
        name: part.reshape(scores[name].shape) for name, part in zip(scores, parts, strict=True)
    }


def random_scores(kind: str) -> dict[str, Tensor]:
    """Make matrices of several shapes, one of them stored transposed."""
    generator = torch.Generator().manual_seed(3)
    plain = {
        "a": torch.randn(7, 40, generator=generator),
        "b": torch.randn(1, 100, generator=generator),
        "c": torch.randn(33, 9, generator=generator).T,
    }
    match kind:
        case "few values":
            return {name: (values * 1.5).round() for name, values in plain.items()}
        case "half zero":
            return {name: values.clamp(min=0) for name, values in plain.items()}
        case "constant":
            return {name: torch.full_like(values, -2.5) for name, values in plain.items()}
        case "both zeros":
            return {name: values.sign() * 0.0 for name, values in plain.items()}
        case "subnormal":
            return {name: (values * 3).round() * 1e-45 for name, values in plain.items()}
    return plain


@pytest.mark.parametrize("group", ["row", "layer", "model"])
@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize(
    "kind", ["distinct", "few values", "half zero", "constant", "both zeros", "subnormal"]
)
def test_weights_removed_are_those_a_stable_sort_puts_first(kind, amount, group):
    scores = random_scores(kind)
    found = select_weights(scores, amount, group)
    expected = by_sorting(scores, amount, group)
    assert list(found) == list(scores)
    for name, mask in found.items():
        assert mask.dtype == torch.bool
        assert torch.equal(mask, expected[name]), name


@pytest.mark.parametrize(
    ("amount", "size", "count"),
    [
        (0.29, 100, 29),  # 28.999999999999996 in binary
        (0.57, 100, 57),  # 56.99999999999999 in binary
        (0.0, 100, 0),
        (0.999, 10, 9),
        (math.nextafter(1, 0), 1000, 999),
        (1e-9, 999_999_999, 0),
        (1e-9, 1_000_000_000, 1),
        (0.1, 9, 0),
        (0.7, 106_168_320, 74_317_824),
    ],
)
def test_amount_is_read_as_the_decimal_number_typed(amount, size, count):
    assert count_to_remove(amount, size) == count


def test_ties_in_a_row_remove_the_leftmost():
    keep = select_weights(one_row(5, 1, 1, 0, 1, 1), 0.5, "row")["m"]
    assert keep.tolist() == [[True, False, False, False, True, True]]


def test_ties_in_a_layer_remove_the_upper_row_first():
    keep = select_weights({"m": torch.ones(3, 2)}, 0.5, "layer")["m"]
    assert keep.tolist() == [[False, False], [False, True], [True, True]]


def test_ties_in_a_model_remove_the_earlier_matrix_first():
    scores = {"z": torch.ones(1, 3), "a": torch.ones(2, 2), "m": torch.ones(1, 3)}
    keep = select_weights(scores, 0.5, "model")
    assert keep["z"].tolist() == [[False, False, False]]
    assert keep["a"].tolist() == [[False, False], [True, True]]
    assert keep["m"].tolist() == [[True, True, True]]


def test_ties_of_a_transposed_matrix_go_by_row_and_column_not_by_memory():
    for group in ("layer", "model"):
        keep = select_weights({"m": torch.ones(3, 2).T}, 0.5, group)["m"]
        assert keep.tolist() == [[False, False, False], [True, True, True]]


def test_signed_scores_lose_the_most_negative():
    keep = select_weights(one_row(-1, 3, -5, 0, 2), 0.4, "row")["m"]
    assert keep.tolist() == [[False, True, False, True, True]]


@pytest.mark.parametrize("group", ["row", "layer", "model"])
def test_minus_zero_ties_with_zero(group):
    keep = select_weights(one_row(0.0, -0.0, 0.0, -0.0), 0.5, group)["m"]
    assert keep.tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("group", ["row", "layer", "model"])
def test_scores_are_left_as_they_are(group):
    scores = random_scores("few values")
    before = {name: values.clone() for name, values in scores.items()}
    select_weights(scores, 0.5, group)
    assert all(torch.equal(before[name], values) for name, values in scores.items())


@pytest.mark.parametrize("amount", [-0.1, 1.2, math.nan, math.inf, -math.inf])
def test_amount_outside_its_range_is_refused(amount):
    with pytest.raises(Sparc3Error, match="at least 0 and at most 1"):
        select_weights(one_row(1, 2), amount, "row")


@pytest.mark.parametrize("unit", ["neuron", "head"])
def test_units_by_row_are_refused(unit):
    view = make_view("llama")
    scores = ScoreMap({name: w.matrix for name, w in view.weights().items()})
    with pytest.raises(Sparc3Error, match="choose 'layer' or 'model'"):
        select(scores, 0.5, view, unit=unit, group="row")


@pytest.mark.parametrize(("unit", "scope"), [("neuron", "attention"), ("head", "mlp")])
def test_unit_that_the_scope_lacks_is_refused(unit, scope):
    view = make_view("llama", scope=scope)
    scores = ScoreMap({name: w.matrix for name, w in view.weights().items()})
    with pytest.raises(Sparc3Error, match=f"no unit of '{unit}'"):
        select(scores, 0.5, view, unit=unit, group="layer")


def whole_numbers(view: ModelView) -> ScoreMap:
    """Score with small whole numbers, so that sums are exact and ties many."""
    generator = torch.Generator().manual_seed(1)

    def draw(shape: torch.Size) -> Tensor:
        return torch.randint(-2, 3, tuple(shape), generator=generator).float()

    weights = view.weights()
    biases = {name: draw(w.bias.shape) for name, w in weights.items() if w.bias is not None}
    return ScoreMap({name: draw(w.matrix.shape) for name, w in weights.items()}, biases)


def units_kept(view: ModelView, scores: ScoreMap, amount: float, unit: str, group: str):
    """Return the mask of units of every block, from the definition of a unit's score."""
    sums: dict[str, Tensor] = {}
    heads = view.config.num_attention_heads
    for name, weight in view.weights().items():
        values = scores[name]
        if unit == "neuron" and weight.role in (Role.GATE, Role.UP):
            own = values.sum(1) + scores.biases.get(name, torch.zeros(len(values)))
        elif unit == "head" and weight.role is Role.ATTENTION_OUTPUT:
            own = torch.stack([part.sum() for part in values.chunk(heads, dim=1)])
        else:
            continue
        block = str(weight.block)
        sums[block] = sums.get(block, 0) + own
    return by_sorting(sums, amount, group)


def mask_of(keep: KeepMask, weight: PrunableWeight) -> Tensor:
    """Return the mask of a matrix; one that is not named is kept whole."""
    whole = torch.ones(weight.matrix.shape, dtype=torch.bool)
    return keep.weights.get(weight.name, whole)


def with_biases() -> ModelView:
    """Make a llama whose MLP has biases: a gate, and something to lose beside the weights."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        mlp_bias=True,
    )
    adapter = default_host().get("adapter", "llama").cls()
    return ModelView(AutoModelForCausalLM.from_config(config), adapter)


@pytest.mark.parametrize("group", ["layer", "model"])
@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2", "llama with biases"])
def test_neuron_takes_its_row_its_bias_and_the_column_that_reads_it(architecture, amount, group):
    view = with_biases() if " " in architecture else make_view(architecture)
    scores = whole_numbers(view)
    keep = select(scores, amount, view, unit="neuron", group=group)
    kept = units_kept(view, scores, amount, "neuron", group)
    for name, weight in view.weights().items():
        units, expected = kept[str(weight.block)], torch.ones(weight.matrix.shape).bool()
        if weight.role in (Role.UP, Role.GATE):
            expected[~units] = False
        elif weight.role is Role.DOWN:
            expected[:, ~units] = False
        assert torch.equal(mask_of(keep, weight), expected), name
        if weight.bias is not None and weight.role in (Role.UP, Role.GATE):
            assert torch.equal(keep.biases[name], units), name
        else:
            assert name not in keep.biases


@pytest.mark.parametrize("group", ["layer", "model"])
@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
def test_head_takes_the_output_columns_that_read_it(architecture, amount, group):
    view = make_view(architecture)
    scores = whole_numbers(view)
    keep = select(scores, amount, view, unit="head", group=group)
    kept = units_kept(view, scores, amount, "head", group)
    assert not keep.biases
    for name, weight in view.weights().items():
        expected = torch.ones(weight.matrix.shape, dtype=torch.bool)
        if weight.role is Role.ATTENTION_OUTPUT:
            width = weight.matrix.shape[1] // 4
            for head in (~kept[str(weight.block)]).nonzero().flatten().tolist():
                expected[:, head * width : (head + 1) * width] = False
        assert torch.equal(mask_of(keep, weight), expected), name


def removed_columns(view: ModelView, keep: KeepMask, role: Role) -> list[list[int]]:
    masks = [keep.weights[name] for name, w in view.weights().items() if w.role is role]
    return [(~mask).all(0).nonzero().flatten().tolist() for mask in masks]


def test_tied_neurons_and_heads_go_lower_position_first():
    view = make_view("opt")
    scores = ScoreMap({name: torch.ones_like(w.matrix) for name, w in view.weights().items()})
    by_layer = select(scores, 0.5, view, unit="head", group="layer")
    two, four = list(range(2 * 8)), list(range(4 * 8))  # heads are eight columns wide
    assert removed_columns(view, by_layer, Role.ATTENTION_OUTPUT) == [two, two]
    together = select(scores, 0.75, view, unit="head", group="model")
    assert removed_columns(view, together, Role.ATTENTION_OUTPUT) == [four, two]
    neurons = select(scores, 0.29, view, unit="neuron", group="model")  # 37 of 128
    assert removed_columns(view, neurons, Role.DOWN) == [list(range(37)), []]


def test_removing_a_neuron_removes_all_it_says_to_the_block():
    """The output of an MLP without a neuron is that of the MLP with its activation at zero."""
    view = make_view("opt")
    keep = select(whole_numbers(view), 0.5, view, unit="neuron", group="layer")
    block, dead = view.blocks[0], removed_columns(view, keep, Role.DOWN)[0]
    x = torch.randn(5, 32, generator=torch.Generator().manual_seed(0))

    def mlp(module: nn.Module, zeroed: list[int]) -> Tensor:
        hidden = module.fc1(x).relu()
        hidden[:, zeroed] = 0
        return module.fc2(hidden)

    with torch.no_grad():
        expected = mlp(make_model("opt").model.decoder.layers[0], dead)
        with view.masked(keep):
            torch.testing.assert_close(mlp(block, []), expected, rtol=1e-5, atol=1e-5)
