"""AttnLRP of attention equals its dense formula, head by head and token by token."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from replication.layers import every_variant, matrix, messages, near, one_layer, watched
from replication.precise import RMS
from sparc3_scorers.lrp_rules import propagating
from torch import Tensor, nn

from sparc3_bench import Accumulator, ModelView
from sparc3_bench.testing.tiny import make_reference
from sparc3_bench.types.architecture import Role


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
