"""Aggregations of contributions: each equals its formula over the products of every token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from sparc3_bench import Accumulator
from sparc3_bench.attribution.accumulator import AGGREGATIONS
from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.model.weights import PrunableWeight
from sparc3_bench.testing.tiny import make_reference, make_view
from sparc3_bench.types.architecture import Role

OUT, IN = 6, 5
LENGTHS = (3, 1, 7, 4)  # samples of unlike length: a mean over tokens would differ

Pairs = list[tuple[Tensor, Tensor]]


def make_weight(
    bias: bool = True, transposed: bool = False, dtype: torch.dtype = torch.float32
) -> dict[str, PrunableWeight]:
    torch.manual_seed(0)
    module = Conv1D(OUT, IN) if transposed else nn.Linear(IN, OUT, bias=bias)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return {"m": PrunableWeight("m", module.to(dtype), Role.UP, 0, transposed)}


def make_pairs() -> Pairs:
    """Make inputs and output gradients of four samples."""
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(n, IN, generator=generator), torch.randn(n, OUT, generator=generator))
        for n in LENGTHS
    ]


def products(pairs: Pairs) -> list[np.ndarray]:
    """Return of every sample the contribution of each token to each weight, ``[t, out, in]``."""
    return [np.einsum("to,ti->toi", g.double().numpy(), a.double().numpy()) for a, g in pairs]


def per_sample(parts: list[np.ndarray], aggregation: str) -> np.ndarray:
    """Return what the aggregation takes the mean of, ``[samples, …]``."""
    one = {
        "signed-mean": lambda p: p.sum(0),
        "abs-of-mean": lambda p: p.sum(0),
        "mean-of-abs": lambda p: np.abs(p.sum(0)),
        "token-abs": lambda p: np.abs(p).sum(0),
        "token-rms": lambda p: (p**2).sum(0),
    }[aggregation]
    return np.stack([one(part) for part in parts])


def dense(parts: list[np.ndarray], aggregation: str) -> np.ndarray:
    """Return the score before it is multiplied by the weight."""
    mean = per_sample(parts, aggregation).mean(0)
    match aggregation:
        case "abs-of-mean":
            return np.abs(mean)
        case "token-rms":
            return np.sqrt(mean)
    return mean


def factor(values: Tensor, aggregation: str) -> np.ndarray:
    wide = values.double().numpy()
    return wide if aggregation == "signed-mean" else np.abs(wide)


def assert_equals(found: Tensor, expected: np.ndarray) -> None:
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), rtol=2e-6, atol=2e-6)


def folded(accumulator: Accumulator, pairs: Pairs) -> Accumulator:
    for inputs, gradients in pairs:
        accumulator.fold("m", inputs, gradients)
    return accumulator


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("times_weight", [True, False])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_scores_equal_the_formula_over_tokens(aggregation, times_weight, transposed):
    weights, pairs = make_weight(transposed=transposed), make_pairs()
    accumulator = Accumulator(weights, aggregation, times_weight=times_weight)
    scores = folded(accumulator, pairs).scores()
    expected = dense(products(pairs), aggregation)
    if times_weight:
        expected = expected * factor(weights["m"].matrix, aggregation)
    assert_equals(scores["m"], expected)


@pytest.mark.parametrize("times_weight", [True, False])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_scores_of_biases_equal_the_formula_with_inputs_of_one(aggregation, times_weight):
    weights, pairs = make_weight(), make_pairs()
    accumulator = Accumulator(weights, aggregation, times_weight=times_weight)
    scores = folded(accumulator, pairs).scores()
    ones = [(torch.ones(len(g), 1), g) for _, g in pairs]
    expected = dense(products(ones), aggregation)[:, 0]
    if times_weight:
        expected = expected * factor(weights["m"].bias, aggregation)
    assert_equals(scores.biases["m"], expected)


def test_matrix_without_a_bias_gets_no_score_of_one():
    scores = folded(Accumulator(make_weight(bias=False), "token-abs"), make_pairs()).scores()
    assert dict(scores.biases) == {}


@pytest.mark.parametrize("times_weight", [True, False])
@pytest.mark.parametrize("aggregation", [a for a in AGGREGATIONS if a != "token-rms"])
def test_standard_errors_are_those_of_the_mean_over_samples(aggregation, times_weight):
    weights, pairs = make_weight(), make_pairs()
    accumulator = Accumulator(weights, aggregation, times_weight=times_weight, second_moment=True)
    scores = folded(accumulator, pairs).scores()
    values = per_sample(products(pairs), aggregation)
    expected = values.std(0, ddof=1) / np.sqrt(len(values))
    if times_weight:
        expected = expected * np.abs(weights["m"].matrix.double().numpy())
    assert_equals(scores.standard_errors["m"], expected)


def test_standard_errors_survive_a_large_mean():
    """The difference of two large squares would leave nothing of a small spread."""
    generator = torch.Generator().manual_seed(0)
    pairs = [(torch.ones(1, IN), 1000 + torch.randn(1, OUT, generator=generator)) for _ in range(8)]
    accumulator = Accumulator(make_weight(), "signed-mean", times_weight=False, second_moment=True)
    found = folded(accumulator, pairs).scores().standard_errors["m"].double()
    values = per_sample(products(pairs), "signed-mean")
    expected = torch.from_numpy(values.std(0, ddof=1) / np.sqrt(8))
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0)


@pytest.mark.parametrize("aggregation", [a for a in AGGREGATIONS if a != "token-rms"])
def test_keeping_the_second_moment_moves_no_score(aggregation):
    pairs = make_pairs()
    plain = folded(Accumulator(make_weight(), aggregation), pairs).scores()
    kept = folded(Accumulator(make_weight(), aggregation, second_moment=True), pairs).scores()
    torch.testing.assert_close(plain["m"], kept["m"], rtol=1e-6, atol=1e-6)
    assert not plain.standard_errors


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_inputs_gradients_and_weights_are_left_as_they_are(aggregation):
    weights, pairs = make_weight(), make_pairs()
    before = [(a.clone(), g.clone()) for a, g in pairs]
    matrix, bias = weights["m"].matrix.clone(), weights["m"].bias.clone()
    folded(Accumulator(weights, aggregation), pairs).scores()
    for (a, g), (old_a, old_g) in zip(pairs, before, strict=True):
        assert torch.equal(a, old_a)
        assert torch.equal(g, old_g)
    assert torch.equal(weights["m"].matrix, matrix)
    assert torch.equal(weights["m"].bias, bias)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_sums_of_a_bfloat16_model_are_kept_in_float32(aggregation):
    """In bfloat16, 256 + 1 is 256: the small contributions would be lost."""
    pairs = [(torch.ones(1, IN), torch.full((1, OUT), 256.0))]
    pairs += [(torch.ones(1, IN), torch.ones(1, OUT))] * 255
    weights = make_weight(dtype=torch.bfloat16)
    scores = folded(Accumulator(weights, aggregation), pairs).scores()
    mean = (256 + 255) / 256 if aggregation != "token-rms" else np.sqrt((256**2 + 255) / 256)
    assert_equals(scores["m"], mean * factor(weights["m"].matrix, aggregation))
    assert_equals(scores.biases["m"], mean * factor(weights["m"].bias, aggregation))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_model_hands_over_statistics_in_float32(dtype):
    view = make_view("opt", dtype)
    accumulator = Accumulator(view.weights(), "signed-mean", second_moment=True)
    seen: set[torch.dtype] = set()

    def fold(name: str, inputs: Tensor, gradients: Tensor) -> None:
        seen.update((inputs.dtype, gradients.dtype))
        accumulator.fold(name, inputs, gradients)

    view.attribute(make_reference(2), fold)
    scores = accumulator.scores()
    kinds = (scores.weights, scores.biases, scores.standard_errors)
    assert seen == {torch.float32}
    assert {values.dtype for kind in kinds for values in kind.values()} == {torch.float32}


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_signed_mean_over_a_model_is_the_weight_times_the_gradient(architecture):
    view, reference = make_view(architecture), make_reference(3, (12, 7))
    accumulator = Accumulator(view.weights(), "signed-mean")
    view.attribute(reference, accumulator.fold)
    scores = accumulator.scores()
    for batch in reference.batches():
        reference.objective(view.forward(batch), batch).backward()
    for name, weight in view.weights().items():
        gradient = weight.parameter.grad.T if weight.transposed else weight.parameter.grad
        expected = weight.matrix * gradient / 3
        torch.testing.assert_close(scores[name], expected, rtol=1e-3, atol=1e-4)


def test_unknown_aggregation_is_refused_with_the_closest():
    with pytest.raises(UnknownNameError, match="Did you mean 'token-abs'"):
        Accumulator(make_weight(), "tokens-abs")


def test_second_moment_of_a_root_mean_square_is_refused():
    with pytest.raises(Sparc3Error, match="not go with aggregation 'token-rms'"):
        Accumulator(make_weight(), "token-rms", second_moment=True)


def test_second_moment_of_one_sample_is_refused():
    accumulator = Accumulator(make_weight(), "token-abs", second_moment=True)
    with pytest.raises(Sparc3Error, match="at least two reference samples"):
        folded(accumulator, make_pairs()[:1]).scores()


def test_weight_that_received_nothing_is_named():
    with pytest.raises(Sparc3Error, match="No gradient reached 'm'"):
        Accumulator(make_weight(), "token-abs").scores()
