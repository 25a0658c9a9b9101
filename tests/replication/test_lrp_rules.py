"""Every propagation rule of LRP equals its dense formula, written out with messages R_{i←j}."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from replication.precise import RMS, make_precise
from sparc3_scorers.lrp import Lrp
from sparc3_scorers.lrp_rules import propagating
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from sparc3_bench import Accumulator, ModelView, Sparc3Error
from sparc3_bench.contracts import Role
from sparc3_bench.host import default_host
from sparc3_bench.model.load import choose_adapter
from sparc3_bench.testing.tiny import CONFIGS, make_reference, make_view

EXACT = {"rtol": 1e-8, "atol": 1e-12}
VARIANTS = ("attnlrp", "cp-lrp")
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def one_layer(architecture: str, **changes) -> ModelView:
    """Make a one-layer model in float64 whose every operation computes in float64."""
    config = copy.deepcopy(CONFIGS[architecture])
    if kinds := getattr(config, "layer_types", None):
        changes.setdefault("layer_types", kinds[:1])
    config.update({"num_hidden_layers": 1, **changes})
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.dim() == 2 else 1))
    adapter = choose_adapter(config, architecture, default_host())
    view = make_precise(ModelView(model.double(), adapter))
    assert len(view.blocks) == 1
    return view


@dataclass
class Seen:
    """What plain hooks of this test saw: values and gradients ``[tokens, features]``."""

    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    """Identity of the input tensor, the same for modules that read the same one."""
    input_gradients: dict[str, Tensor] = field(default_factory=dict)
    """Before any rule that acts on an input; summed over all that read the tensor."""
    output_gradients: dict[str, Tensor] = field(default_factory=dict)
    """After any rule that acts on an output."""

    def relevance(self, name: str) -> Tensor:
        """Return R_j = z_j · g_j at the output of a module."""
        return self.outputs[name] * self.output_gradients[name]


@contextmanager
def seeing(view: ModelView) -> Iterator[Seen]:
    """Watch every weight; entered before the rules, so that their hooks come first on outputs."""
    seen, alive, handles = Seen(), [], []

    def watch(name: str, module: nn.Module) -> None:
        def before(module: nn.Module, args: tuple[Tensor]) -> None:
            alive.append(args[0])  # an identity means nothing once the tensor is gone
            seen.sources[name] = id(args[0])
            args[0].register_hook(lambda g: seen.input_gradients.update({name: flat(g)}))

        def after(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
            seen.inputs[name], seen.outputs[name] = flat(args[0]), flat(output)
            output.register_hook(lambda g: seen.output_gradients.update({name: flat(g)}))

        handles.append(module.register_forward_pre_hook(before))
        handles.append(module.register_forward_hook(after))

    for name, (module, role) in view.roles().items():
        if role in RMS or name in view.weights():
            watch(name, module)
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def flat(values: Tensor) -> Tensor:
    return values.detach().reshape(-1, values.shape[-1]).clone()


def watched(view: ModelView, variant: str, tokens: int = 6) -> tuple[Seen, dict[str, Tensor]]:
    """Return what was seen of one sample, and the scores of the same sample."""
    reference = make_reference(1, (tokens,))
    with seeing(view) as seen:
        scores = Lrp(variant, "signed-mean").score(view, reference)
    return seen, dict(scores)


def matrix(view: ModelView, name: str) -> Tensor:
    module = view.model.get_submodule(name)
    weight = module.weight.detach()
    return weight.T if isinstance(module, Conv1D) else weight


def messages(inputs: Tensor, weight: Tensor, outputs: Tensor, relevance: Tensor) -> Tensor:
    """Return R_{i←j} = a_i w_ij / z_j · R_j, ``[tokens, out, in]``; z has the bias in it."""
    return inputs[:, None, :] * weight / outputs[:, :, None] * relevance[:, :, None]


def through(module: nn.Module, role: Role, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Run one module alone under its rule; return its output and the gradient of its input."""
    alone = SimpleNamespace(roles=lambda: {"module": (module, role)})
    x = x.clone().requires_grad_()
    with propagating(alone, "attnlrp"):
        y = module(x)
        y.backward(g)
    return y.detach(), x.grad


def near(found: Tensor, expected: Tensor) -> None:
    """Compare relative to the largest entry."""
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()


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


def rotations(view: ModelView, tokens: int, width: int) -> Tensor:
    """Return the matrix that turns a query or key at each position, ``[tokens, width, width]``."""
    whole = torch.eye(width, dtype=torch.float64).repeat(tokens, 1, 1)
    rotary = getattr(view.model.base_model, "rotary_emb", None)
    if rotary is None:
        return whole
    positions, like = torch.arange(tokens)[None], torch.zeros(1, dtype=torch.float64)
    kind = (view.config.layer_types[0],) if view.config.model_type == "gemma3_text" else ()
    cos, sin = (values[0] for values in rotary(like, positions, *kind))
    turned = cos.shape[1]  # the first features of a head only, in GPT-NeoX
    half = torch.eye(turned // 2, dtype=torch.float64)
    zero = torch.zeros_like(half)
    turn = torch.cat([torch.cat([zero, -half], 1), torch.cat([half, zero], 1)])
    whole[:, :turned, :turned] = torch.diag_embed(cos) + torch.diag_embed(sin) @ turn
    return whole


def one_head(
    q: Tensor, k: Tensor, v: Tensor, turns: Tensor, relevance: Tensor, scale: float, window: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return AttnLRP's relevances of q, k, v of one causal head, ``[tokens, width]`` each."""
    tokens, _ = q.shape
    turned_q = torch.stack([turn @ row for turn, row in zip(turns, q, strict=True)])
    turned_k = torch.stack([turn @ row for turn, row in zip(turns, k, strict=True)])
    to_q, to_k, to_v = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for i in range(tokens):
        seen = range(max(0, i + 1 - window), i + 1)
        logits = turned_k[seen] @ turned_q[i] * scale
        attention = logits.exp() / logits.exp().sum()
        output = attention @ v[seen]
        at_attention = torch.zeros(len(seen), dtype=q.dtype)
        for n, j in enumerate(seen):  # A·V: ε-rule, half to either factor
            sent = attention[n] * v[j] / output * relevance[i]
            to_v[j] += sent / 2
            at_attention[n] = sent.sum() / 2
        at_logits = logits * (at_attention - attention * at_attention.sum())  # Taylor
        for n, j in enumerate(seen):  # Q·K: the same
            sent = turned_q[i] * turned_k[j] * scale / logits[n] * at_logits[n]
            to_q[i] += sent / 2
            to_k[j] += sent / 2
    to_q = messages(q, turns, turned_q, to_q).sum(1)  # the rotation is one more linear map
    to_k = messages(k, turns, turned_k, to_k).sum(1)
    return to_q, to_k, to_v


CASES = {
    "llama, one head": ("llama", {"num_attention_heads": 1, "num_key_value_heads": 1}),
    "llama, a key for each head": ("llama", {"num_key_value_heads": 4}),
    "llama, grouped heads": ("llama", {}),
    "mistral, a window of three": ("mistral", {"sliding_window": 3}),
    "qwen2, biases": ("qwen2", {}),
    "qwen3, norms of queries and keys": ("qwen3", {}),
    "gemma3, offset norms, a window of four": ("gemma3_text", {}),
    "gemma3, full attention": ("gemma3_text", {"layer_types": ["full_attention"]}),
    "opt, biases": ("opt", {}),
    "gpt2, one fused matrix": ("gpt2", {}),
    "gpt-neox, one matrix by heads": ("gpt_neox", {}),
    "gpt-neox, attention before the mlp": ("gpt_neox", {"use_parallel_residual": False}),
    "phi3, one matrix in unequal parts": ("phi3", {}),
}

# Which rows of a matrix are queries, keys and values, said again; [heads, 3, width] in GPT-NeoX.
BY_HEADS = torch.arange(96).view(4, 3, 8)
ROWS = {
    "gpt2": [torch.arange(0, 32), torch.arange(32, 64), torch.arange(64, 96)],
    "gpt_neox": [BY_HEADS[:, part].flatten() for part in range(3)],
    "phi3": [torch.arange(0, 32), torch.arange(32, 48), torch.arange(48, 64)],
}
MATRICES = {
    "gpt2": ("transformer.h.0.attn.c_attn",) * 3,
    "gpt_neox": ("gpt_neox.layers.0.attention.query_key_value",) * 3,
    "phi3": ("model.layers.0.self_attn.qkv_proj",) * 3,
    "opt": tuple(f"model.decoder.layers.0.self_attn.{part}_proj" for part in "qkv"),
}


def normed(view: ModelView, name: str, values: Tensor) -> Tensor:
    """Return what the norm of queries or keys, if there is one, makes of those of each head."""
    norm, role = view.roles().get(name, (None, None))
    if role not in RMS:
        return values.flatten(1)
    with torch.no_grad():
        return norm(values).flatten(1)


@pytest.mark.parametrize("case", CASES)
@every_variant
def test_attention_equals_dense_messages(case, variant):
    architecture, changes = CASES[case]
    view = one_layer(architecture, **changes)
    seen, scores = watched(view, variant)
    names = {weight.role: name for name, weight in view.weights().items()}
    out = names[Role.ATTENTION_OUTPUT]
    relevance = seen.inputs[out] * (seen.output_gradients[out] @ matrix(view, out))
    own = tuple(f"model.layers.0.self_attn.{part}_proj" for part in "qkv")
    matrices = MATRICES.get(architecture, own)
    everything = torch.arange(96)
    rows = ROWS.get(architecture) or [
        everything[: seen.outputs[name].shape[1]] for name in matrices
    ]
    q, k, v = (seen.outputs[name][:, where] for name, where in zip(matrices, rows, strict=True))
    heads = view.adapter.heads(view.config)
    width = q.shape[1] // heads
    read_q, read_k = (
        normed(view, name.replace("proj", "norm"), values.view(len(q), -1, width))
        for name, values in zip(matrices[:2], (q, k), strict=True)
    )
    turns = rotations(view, len(q), width)
    attention = view.model.get_submodule(out.rpartition(".")[0])
    window = len(q)
    if getattr(attention, "layer_type", None) != "full_attention":
        window = getattr(view.config, "sliding_window", None) or window
    expected = [torch.zeros_like(values) for values in (q, k, v)]
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        shared_head = head * (k.shape[1] // width) // heads
        shared = slice(shared_head * width, (shared_head + 1) * width)
        parts = one_head(
            read_q[:, own],
            read_k[:, shared],
            v[:, shared],
            turns,
            relevance[:, own],
            attention.scaling,
            window,
        )
        # A norm on the way hands on what it receives: its identity rule changes no relevance.
        for total, part, where in zip(expected, parts, (own, shared, shared), strict=True):
            total[:, where] += part
    if variant == "cp-lrp":  # attention is a constant: all goes to the values
        expected = [torch.zeros_like(q), torch.zeros_like(k), expected[2] * 2]
    scale = max(values.abs().max() for values in expected)
    for name, where, part in zip(matrices, rows, expected, strict=True):
        assert (seen.relevance(name)[:, where] - part).abs().max() <= 1e-9 * scale, name
        sent = messages(
            seen.inputs[name], matrix(view, name)[where], seen.outputs[name][:, where], part
        )
        largest = sent.abs().max()
        assert (scores[name][where] - sent.sum(0)).abs().max() <= 1e-9 * largest, name
        assert variant == "cp-lrp" or part.abs().max() > 1e-3 * scale, name


NORMED = {
    "qwen3": ("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj"),
    "gemma3_text": ("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj"),
}


@pytest.mark.parametrize("architecture", NORMED)
def test_a_factor_behind_a_norm_is_one_before_it(architecture):
    """Divide at the attention product, behind the norm, in place of at the projection."""
    view = one_layer(architecture)
    _, scores = watched(view, "attnlrp")
    roles = view.roles()
    for name in NORMED[architecture]:
        without = {path: found for path, found in roles.items() if path != name}
        norm = view.model.get_submodule(name.replace("proj", "norm"))

        def after(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
            output.register_hook(lambda gradient: gradient * 0.25)

        accumulator = Accumulator(view.weights(), "signed-mean")
        with propagating(SimpleNamespace(roles=lambda without=without: without), "attnlrp"):
            handle = norm.register_forward_hook(after)
            view.attribute(make_reference(1, (6,)), accumulator.fold)
            handle.remove()
        behind = accumulator.scores()
        near(behind[name], scores[name])
        assert scores[name].abs().max() > 0
