"""Every propagation rule of LRP equals its dense formula, written out with messages R_{i←j}."""

from __future__ import annotations

import pytest
import torch
from replication.layers import every_variant, matrix, messages, near, one_layer, through, watched
from torch import Tensor, nn

from sparc3_bench import Sparc3Error
from sparc3_bench.testing.tiny import CONFIGS, make_view
from sparc3_bench.types.architecture import Role

EXACT = {"rtol": 1e-8, "atol": 1e-12}


@pytest.mark.parametrize("architecture", CONFIGS)
@every_variant
def test_linear_hands_messages_to_inputs_and_to_weights(architecture, variant):
    view = one_layer(architecture)
    seen, scores = watched(view, variant)
    to_inputs: dict[int, Tensor] = {}
    for name, score in scores.items():
        sent = messages(
            seen.inputs[name], matrix(view, name), seen.outputs[name], seen.relevance(name)
        )
        assert torch.allclose(score, sent.sum(0), **EXACT), name  # summed over tokens
        source = seen.sources[name]
        to_inputs[source] = to_inputs.get(source, 0) + sent.sum(1)
    for name in scores:
        arrived = seen.inputs[name] * seen.input_gradients[name]
        near(arrived, to_inputs[seen.sources[name]])


@pytest.mark.parametrize("architecture", ["opt", "gpt2", "gpt_neox"])
def test_a_bias_absorbs_its_share_of_the_relevance(architecture):
    view = one_layer(architecture)
    seen, scores = watched(view, "attnlrp")
    for name, weight in view.weights().items():
        gradients = seen.output_gradients[name]
        absorbed = (weight.bias * gradients).sum(0)
        assert absorbed.abs().max() > 0, name
        near(scores[name].sum(1) + absorbed, seen.relevance(name).sum(0))


@pytest.mark.parametrize("own_class", [True, False])
@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_rms_norm_passes_relevance_unchanged(architecture, own_class):
    if own_class:  # computes in float32
        view, error = make_view(architecture, torch.float64), 1e-6
    else:
        view, error = one_layer(architecture), 1e-12
    norm, role = view.roles()["model.norm"]
    x, g = torch.randn(2, 7, 32, dtype=torch.float64), torch.randn(2, 7, 32, dtype=torch.float64)
    y, found = through(norm, role, x, g)
    assert torch.allclose(x * found, y * g, rtol=error, atol=1e-12)
    plain = x.clone().requires_grad_()
    norm(plain).backward(g)
    assert not torch.allclose(plain.grad, found, rtol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rms_norm_reads_its_scale_in_float32(dtype):
    view = make_view("gemma3_text", dtype)
    norm, role = view.roles()["model.norm"]
    x, g = torch.randn(9, 32, dtype=dtype), torch.randn(9, 32, dtype=dtype)
    _, found = through(norm, role, x, g)
    scale = (1 + norm.weight.detach().float()) * (x.float().square().mean(-1, True) + 1e-6).rsqrt()
    assert torch.equal(found, (g.float() * scale).to(dtype)) or dtype == torch.float32
    torch.testing.assert_close(found, (g.float() * scale).to(dtype))


def test_rms_norm_without_a_weight_scales_by_one():
    norm = nn.RMSNorm(12, eps=1e-6, elementwise_affine=False)
    x, g = torch.randn(9, 12, dtype=torch.float64), torch.randn(9, 12, dtype=torch.float64)
    y, found = through(norm, Role.RMS_NORM, x, g)
    near(x * found, y * g)


def test_a_norm_whose_epsilon_is_not_known_is_refused_in_one_sentence():
    class Plain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / x.square().mean(-1, keepdim=True).sqrt()

    with pytest.raises(Sparc3Error) as caught:
        through(Plain(), Role.RMS_NORM, torch.randn(2, 4), torch.randn(2, 4))
    assert str(caught.value) == (
        "LRP cannot read the epsilon of a norm of class Plain, which has neither "
        "`variance_epsilon` nor `eps`; choose another scorer."
    )


@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm_subtracts_the_mean_by_the_epsilon_rule(affine):
    width = 12
    norm = nn.LayerNorm(width, elementwise_affine=affine, dtype=torch.float64)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(9, width, dtype=torch.float64) * 3 + 1
    y, gradient = through(norm, Role.LAYER_NORM, x, g := torch.randn_like(x))
    # y_j = w_j · z_j / std + b_j with z = C x, and the std a constant.
    centring = torch.eye(width, dtype=torch.float64) - 1 / width
    z = x @ centring.T
    std = (z.square().mean(-1, keepdim=True) + norm.eps).sqrt()
    scaled = z / std * (norm.weight.detach() if affine else 1)
    at_z = scaled / y * (y * g)  # the rest of y is the bias, which absorbs
    sent = messages(x, centring, z, at_z)
    near(x * gradient, sent.sum(1))


@pytest.mark.parametrize(("architecture", "act"), [("llama", "SiLU"), ("gpt2", "GELU")])
def test_activation_passes_all_relevance(architecture, act):
    view = make_view(architecture)
    [module, *_] = [m for m, role in view.roles().values() if role is Role.ACTIVATION]
    assert act in type(module).__name__
    x = torch.randn(3, 5, 11, dtype=torch.float64) * 3
    y, found = through(module, Role.ACTIVATION, x, g := torch.randn_like(x))
    assert torch.allclose(x * found, y * g, **EXACT)


def test_relu_is_the_ordinary_derivative():
    view = make_view("opt")
    [module, *_] = [m for m, role in view.roles().values() if role is Role.ACTIVATION]
    assert isinstance(module, nn.ReLU)
    x = torch.randn(4, 50)
    x[0, :10], x[1, :10] = 0.0, -0.0
    y, found = through(module, Role.ACTIVATION, x, g := torch.randn_like(x))
    plain = x.clone().requires_grad_()
    module(plain).backward(g)
    assert torch.equal(found, plain.grad)
    assert torch.equal(x * found, y * g)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2", "gemma3_text"])
def test_activation_at_zero_sends_nothing_and_stays_finite(architecture, dtype):
    view = make_view(architecture)
    [module, *_] = [m for m, role in view.roles().values() if role is Role.ACTIVATION]
    x = torch.tensor([0.0, -0.0, 1e-7, -1e-7, 1.0], dtype=dtype)
    _, found = through(module, Role.ACTIVATION, x, torch.ones_like(x))
    assert found.dtype == dtype
    assert torch.isfinite(found).all()
    assert (found[:2] == 0).all()


@every_variant
def test_gate_product_divides_relevance_between_gate_and_up(variant):
    view = one_layer("llama")
    seen, _ = watched(view, variant)
    mlp = "model.layers.0.mlp"
    down = f"{mlp}.down_proj"
    # The gradient of the product itself, before it is divided.
    at_product = seen.inputs[down] * (seen.output_gradients[down] @ matrix(view, down))
    gate, up = seen.relevance(f"{mlp}.gate_proj"), seen.relevance(f"{mlp}.up_proj")
    if variant == "attnlrp":
        near(up, at_product / 2)
        near(gate, at_product / 2)
    else:
        near(up, at_product)
        assert (gate == 0).all()
    # The product is what the model says it is.
    act = seen.outputs[f"{mlp}.gate_proj"]
    near(seen.inputs[down], act * act.sigmoid() * seen.outputs[f"{mlp}.up_proj"])
