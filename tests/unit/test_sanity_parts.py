"""The parts of task `attribution-sanity`: similarities, labels that are permuted, a new model."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sparc3_tasks.attribution_sanity import AttributionSanity
from sparc3_tasks.attribution_sanity.alike import MOST, Comparison, Order
from sparc3_tasks.attribution_sanity.checks import CHECKS
from sparc3_tasks.attribution_sanity.prepared import middle, permuted, relabelled
from sparc3_tasks.attribution_sanity.untrained import untrained

from sparc3_bench import Batch, Sparc3Error, find_objective
from sparc3_bench.run.options import build
from sparc3_bench.testing.tiny import make_reference, make_view


def drawn(*shape: int, seed: int = 0, levels: int | None = None) -> torch.Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values if levels is None else (values * levels).round()


def correlation(one: torch.Tensor, other: torch.Tensor, group: str) -> float:
    unit = "weight" if one.dim() == 2 else "neuron"
    (found,) = Comparison({"a": one}, unit, group).correlations({"a": other}, ["a"]).values()
    return found


@pytest.mark.parametrize("levels", [None, 2])
def test_correlation_is_that_of_scipy_with_ties_and_by_row(levels):
    one, other = drawn(7, 31, seed=1, levels=levels), drawn(7, 31, seed=2, levels=levels)
    other = other + one / 2
    whole = spearmanr(one.flatten(), other.flatten()).statistic
    assert correlation(one, other, "layer") == pytest.approx(whole, abs=1e-12)
    rows = [spearmanr(*pair).statistic for pair in zip(one, other, strict=True)]
    assert correlation(one, other, "row") == pytest.approx(np.mean(rows), abs=1e-12)
    assert abs(np.mean(rows) - whole) > 1e-4
    assert correlation(one[0], other[0], "layer") == pytest.approx(rows[0], abs=1e-12)


def test_order_that_is_kept_or_turned_is_1_or_minus_1():
    values = drawn(5, 40)
    for group in ("row", "layer"):
        assert correlation(values, values.exp(), group) == pytest.approx(1)
        assert correlation(values, -values, group) == pytest.approx(-1)


def test_rows_without_an_order_count_as_zero_or_not_at_all():
    rising, flat = np.arange(4.0), np.ones(4)
    half, whole = Order(np.stack([rising, flat])), Order(np.stack([rising, rising]))
    assert half.correlation(whole) == pytest.approx(0.5)
    assert half.correlation(half) == pytest.approx(1)
    assert math.isnan(Order(flat[None]).correlation(Order(flat[None])))
    comparison = Comparison({"a": torch.ones(2, 3)}, "weight", "row")
    assert comparison.correlations({"a": torch.ones(2, 3)}, ["a"]) == {}


@pytest.mark.parametrize("group", ["row", "layer"])
def test_large_matrices_are_ranked_by_evenly_spaced_scores(group):
    one = drawn(400, 300, seed=1)
    other = one + drawn(400, 300, seed=2)
    if group == "row":
        chosen = [row * 400 // 109 for row in range(109)]
        pairs = [(one[row], other[row]) for row in chosen]
    else:
        pairs = [(one.flatten()[::5], other.flatten()[::5])]
    assert MOST * 0.7 < sum(len(left) for left, _ in pairs) <= MOST
    expected = np.mean([spearmanr(*pair).statistic for pair in pairs])
    assert correlation(one, other, group) == pytest.approx(expected, abs=1e-12)


def test_overlap_is_of_the_half_that_each_group_keeps():
    one = torch.tensor([[1.0, 2, 3, 4], [8, 7, 6, 5]])
    other = torch.tensor([[1.0, 9, 10, 4], [8, 7, 6, 5]])

    def overlap(group: str) -> float:
        (found,) = Comparison({"a": one}, "weight", group).overlaps({"a": other}, ["a"]).values()
        return found

    # Of the first row the last two and the middle two; of both together, all of the second row and
    # half of it with the middle two.
    assert overlap("row") == pytest.approx(3 / 5)
    assert overlap("layer") == pytest.approx(2 / 6)
    half = torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0]])
    empty = Comparison({"a": half[:1], "b": half[1:]}, "weight", "model")
    assert empty.overlaps({"a": half[:1], "b": half[1:]}, ["a", "b"]) == {"a": 1.0}


def test_chance_is_zero_and_a_third():
    comparison = Comparison({"a": drawn(200, 200, seed=1)}, "weight", "row")
    other = {"a": drawn(200, 200, seed=2)}
    assert comparison.correlations(other, ["a"])["a"] == pytest.approx(0, abs=0.02)
    assert comparison.overlaps(other, ["a"])["a"] == pytest.approx(1 / 3, abs=0.01)


# Labels.


def test_permuted_labels_are_the_same_ones_elsewhere():
    windows = [list(range(10, 30)), list(range(40, 60))]
    labels = permuted(windows)
    assert [len(row) for row in labels] == [19, 19]
    expected = Counter(token for window in windows for token in window[1:])
    assert Counter(token for row in labels for token in row) == expected
    assert set(labels[0]) & set(range(40, 60))
    assert labels == permuted(windows)


@pytest.mark.parametrize("name", ["label-log-probability", "label-logit", "loss"])
def test_objective_reads_the_targets_for_labels(name):
    (batch,) = make_reference(2, batch_size=2).batches()
    logits = drawn(2, 12, 96)
    own = Batch(batch.input_ids, batch.attention_mask, targets=batch.input_ids[:, 1:])
    other = Batch(batch.input_ids, batch.attention_mask, targets=batch.input_ids[:, 1:].flip(1))
    objective = find_objective(name)
    assert relabelled(objective)(logits, own) == objective(logits, batch)
    assert relabelled(objective)(logits, other) != objective(logits, batch)
    reread = torch.cat([batch.input_ids[:, :1], batch.input_ids[:, 1:].flip(1)], 1)
    expected = objective(logits, Batch(reread, batch.attention_mask))
    assert relabelled(objective)(logits, other) == expected


# A new model.


def state(view) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in view.model.state_dict().items()}


def is_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_model_is_new_inside_and_itself_to_the_last_bit_outside(architecture, dtype):
    view = make_view(architecture, dtype)
    before, places = state(view), [p.data_ptr() for p in view.model.parameters()]
    parameters = [id(p) for p in view.model.parameters()]
    chance = torch.get_rng_state()
    with untrained(view):
        new = state(view)
    assert is_equal(before, state(view))
    assert places == [p.data_ptr() for p in view.model.parameters()]
    assert parameters == [id(p) for p in view.model.parameters()]
    assert torch.equal(chance, torch.get_rng_state())
    for name, weight in view.weights().items():
        key = next(k for k in new if k.startswith(f"{name}.weight"))
        assert new[key].dtype == dtype
        # GPT-2 divides what goes back into the stream by the root of twice its number of blocks.
        scale = 0.01 if name.endswith("c_proj") else 0.02
        assert new[key].std().item() == pytest.approx(scale, rel=0.2), name
        pair = torch.stack([new[key].flatten(), weight.parameter.flatten()]).float()
        assert abs(torch.corrcoef(pair)[0, 1]) < 0.1, name
    with untrained(view):
        assert is_equal(new, state(view))


def test_only_later_blocks_are_new_and_earlier_inputs_the_same():
    view = make_view("llama")
    before = state(view)
    assert middle(view) == 1
    with untrained(view, middle(view)):
        new = state(view)
    for name, value in before.items():
        later = name.startswith(("model.layers.1.", "model.layers.2."))
        assert torch.equal(value, new[name]) != later, name


def test_model_is_itself_again_after_an_interruption():
    view = make_view("gpt2")
    before = state(view)
    with pytest.raises(KeyboardInterrupt), untrained(view):
        raise KeyboardInterrupt
    assert is_equal(before, state(view))


def test_model_that_cannot_be_made_anew_is_refused():
    view = make_view("llama")
    view.model.extra = torch.nn.Parameter(torch.ones(2))
    before = state(view)
    refused = pytest.raises(Sparc3Error, match="A new 'LlamaForCausalLM' of this configuration")
    with refused, untrained(view):
        raise AssertionError
    assert is_equal(before, state(view))


# The task.


def test_every_check_has_two_metrics_and_a_direction():
    names = [metric.name for metric in AttributionSanity().curve_metrics]
    assert len(set(names)) == 2 * len(CHECKS) == 10
    directions = {metric.name: metric.direction for metric in AttributionSanity().curve_metrics}
    assert directions["references_spearman"] == "higher"
    assert directions["objective_overlap"] == "neither"
    assert {directions[f"{n}_spearman"] for n in ("later", "model", "labels")} == {"lower"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluation_windows": "0"}, "must be greater than or equal to 1, got '0'."),
        ({"evaluation_length": "1"}, "must be greater than or equal to 2, got '1'."),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(Sparc3Error, match=message):
        build("task", AttributionSanity, options)
