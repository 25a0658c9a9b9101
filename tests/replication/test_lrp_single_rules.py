"""Some rules of AttnLRP equal a Llama written out by hand in which only those are on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest
import torch
from replication.precise import make_precise
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.lrp import Lrp
from torch import Tensor

from sparc3_bench import ModelView, ScoreMap
from sparc3_bench.testing.tiny import make_reference, make_view

RULES = ("norms", "activations", "attention", "gates")
every_rule = pytest.mark.parametrize("rule", RULES)


def precise_llama() -> ModelView:
    """Make a Llama in float64 throughout; its own norm rounds to float32."""
    return make_precise(make_view("llama", torch.float64))


class ByHand:
    """The model's forward written out; a rule is what is taken for a constant, or divided."""

    def __init__(self, view: ModelView, rules: Collection[str]) -> None:
        self.config, self.rules = view.config, rules
        self.rotary = view.model.model.rotary_emb
        self.weights = {
            name: values.detach().clone().requires_grad_()
            for name, values in view.model.named_parameters()
        }

    def product(self, rule: str, values: Tensor) -> Tensor:
        """Give either factor of a product half of what the product receives."""
        return values / 2 + (values / 2).detach() if rule in self.rules else values

    def norm(self, x: Tensor, name: str) -> Tensor:
        scale = (x.square().mean(-1, keepdim=True) + self.config.rms_norm_eps).rsqrt()
        return x * (scale.detach() if "norms" in self.rules else scale) * self.weights[name]

    def mlp(self, x: Tensor, prefix: str) -> Tensor:
        gate = x @ self.weights[f"{prefix}.gate_proj.weight"].T
        act = gate * gate.sigmoid()
        if "activations" in self.rules:
            act = gate * (act / gate).detach()
        hidden = self.product("gates", act * (x @ self.weights[f"{prefix}.up_proj.weight"].T))
        return hidden @ self.weights[f"{prefix}.down_proj.weight"].T

    def attention(self, x: Tensor, prefix: str) -> Tensor:
        tokens, heads = len(x), self.config.num_attention_heads
        width = x.shape[-1] // heads
        positions, like = torch.arange(tokens)[None], torch.zeros(1, dtype=x.dtype)
        cos, sin = self.rotary(like, positions)

        def projected(name: str, *, turn: bool) -> Tensor:
            """Return ``[heads, tokens, width]``, grouped keys and values repeated."""
            values = (x @ self.weights[f"{prefix}.{name}.weight"].T).view(tokens, -1, width)
            if turn:
                one, two = values.chunk(2, -1)
                values = values * cos[0][:, None] + torch.cat([-two, one], -1) * sin[0][:, None]
            return values.repeat_interleave(heads // values.shape[1], 1).transpose(0, 1)

        q, k = (projected(name, turn=True) for name in ("q_proj", "k_proj"))
        logits = self.product("attention", q @ k.transpose(1, 2) / width**0.5)
        later = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
        weights = logits.masked_fill(later, -torch.inf).softmax(-1)
        out = self.product("attention", weights @ projected("v_proj", turn=False))
        return out.transpose(0, 1).reshape(tokens, -1) @ self.weights[f"{prefix}.o_proj.weight"].T

    def logits(self, ids: Sequence[int]) -> Tensor:
        embedding = self.weights["model.embed_tokens.weight"]
        x = embedding[torch.tensor(ids)]
        for index in range(self.config.num_hidden_layers):
            block = f"model.layers.{index}"
            x = x + self.attention(
                self.norm(x, f"{block}.input_layernorm.weight"), f"{block}.self_attn"
            )
            x = x + self.mlp(
                self.norm(x, f"{block}.post_attention_layernorm.weight"), f"{block}.mlp"
            )
        return self.norm(x, "model.norm.weight") @ embedding.T

    def scores(self, samples: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Return mean over samples of W ⊙ ∂L/∂W, L the log-probability of the next tokens."""
        for ids in samples:
            rows = self.logits(ids)[:-1].log_softmax(-1)
            rows.gather(1, torch.tensor(ids[1:])[:, None]).sum().backward()
        return {
            name.removesuffix(".weight"): (values * values.grad / len(samples)).detach()
            for name, values in self.weights.items()
        }


def by_hand(view: ModelView, rules: Collection[str]) -> dict[str, Tensor]:
    return ByHand(view, rules).scores(make_reference(3, (7, 5)).samples)


def by_scorer(view: ModelView, variant: str) -> ScoreMap:
    return Lrp(variant, "signed-mean").score(view, make_reference(3, (7, 5)))


def apart(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference as a fraction of the largest score."""
    assert expected.abs().max() > 0
    return float((found - expected).abs().max() / expected.abs().max())


def test_the_model_by_hand_is_the_model():
    view = precise_llama()
    [ids] = make_reference(1, (7,)).samples
    own = view.model(input_ids=torch.tensor([ids])).logits[0].detach()
    for rules in ((), RULES):
        assert apart(ByHand(view, rules).logits(ids).detach(), own) < 1e-12


@every_rule
def test_a_rule_alone_equals_the_model_by_hand(rule):
    view = precise_llama()
    found, expected = by_scorer(view, f"{rule}-only"), by_hand(view, {rule})
    for name in view.weights():
        assert apart(found[name], expected[name]) < 1e-9, name


def test_the_rules_of_relp_equal_the_model_by_hand():
    view = precise_llama()
    found, expected = by_scorer(view, "relp"), by_hand(view, set(RULES) - {"attention"})
    for name in view.weights():
        assert apart(found[name], expected[name]) < 1e-9, name


def test_the_four_rules_together_are_attnlrp_and_none_is_the_gradient():
    view = precise_llama()
    together, none = by_hand(view, RULES), by_hand(view, ())
    attnlrp = by_scorer(view, "attnlrp")
    gradient = Gradient("signed-mean").score(view, make_reference(3, (7, 5)))
    for name in view.weights():
        assert apart(attnlrp[name], together[name]) < 1e-9, name
        assert apart(gradient[name], none[name]) < 1e-9, name


@every_rule
def test_without_one_of_the_four_it_is_not_attnlrp(rule):
    view = precise_llama()
    attnlrp, without = by_scorer(view, "attnlrp"), by_hand(view, set(RULES) - {rule})
    assert max(apart(without[name], attnlrp[name]) for name in view.weights()) > 0.1


@every_rule
@pytest.mark.parametrize("architecture", ["opt", "gpt2"])
def test_a_rule_for_what_a_model_has_not_gives_the_gradient(architecture, rule):
    view = make_view(architecture)
    found = by_scorer(view, f"{rule}-only")
    gradient = Gradient("signed-mean").score(view, make_reference(3, (7, 5)))
    # The derivative of ReLU is f(x)/x: the rule for activations changes nothing in OPT.
    idle = rule == "gates" or (rule == "activations" and architecture == "opt")
    assert all(torch.equal(found[name], gradient[name]) for name in view.weights()) == idle
