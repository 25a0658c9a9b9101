"""LRP conserves relevance where theory says so, leaves the forward alone, and leaves no trace."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from replication.precise import label_logit, make_precise, relevance_at
from sparc3_scorers.gradient import Gradient
from sparc3_scorers.lrp import Lrp
from sparc3_scorers.lrp_rules import propagating
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sparc3_bench import Accumulator, Batch, Fused, ModelView, ReferenceSamples, ScoreMap
from sparc3_bench.model.weights import roles_of_rows
from sparc3_bench.testing.tiny import CONFIGS, make_reference, make_view
from sparc3_bench.types.architecture import Role

VARIANTS = ("attnlrp", "cp-lrp")
LENGTHS = (12, 5, 9)
ATTENTION = (Role.QUERY, Role.KEY, Role.VALUE)
every_architecture = pytest.mark.parametrize("architecture", CONFIGS)
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def precise_view(architecture: str, *, biases: bool = True) -> ModelView:
    """Make a model in float64 throughout."""
    view = make_precise(make_view(architecture, torch.float64))
    for name, parameter in view.model.named_parameters():
        if name.endswith("bias") and not biases:
            parameter.data.zero_()
    return view


def view_with(kernel: str, architecture: str) -> ModelView:
    """Make a model that computes attention with `kernel`, and no other model with it."""
    view = make_view(architecture)
    model = copy.deepcopy(view.model)  # tiny models share a configuration, where this is set
    model.set_attn_implementation(kernel)
    return ModelView(model, view.adapter)


def by_role(view: ModelView, variant: str) -> list[dict[Role, tuple[Tensor, Tensor]]]:
    """Return, for each block and role, the relevance a row (bias and all) and a column."""
    samples = ReferenceSamples(make_reference(4, LENGTHS).samples, label_logit)
    scores = Lrp(variant, "signed-mean").score(view, samples)
    blocks: list[dict[Role, tuple[Tensor, Tensor]]] = [{} for _ in view.blocks]
    for name, weight in view.weights().items():
        sums = scores[name].sum(1) + scores.biases.get(name, torch.zeros(()))
        for role, rows in roles_of_rows(weight.role, len(sums)).items():
            blocks[weight.block][role] = sums[rows], scores[name][rows].sum(0)
    return blocks


def near(found: Tensor, expected: Tensor, error: float = 1e-9) -> None:
    """Compare relative to the largest entry."""
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= error * expected.abs().max()


@every_architecture
@every_variant
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_forward_is_the_plain_one_bit_for_bit(architecture, variant, kernel):
    view = view_with(kernel, architecture)
    for size in (1, 4):
        for batch in make_reference(4, LENGTHS, size).batches():
            plain = view.forward(batch)
            with propagating(view, variant):
                ruled = view.forward(batch)
                with torch.no_grad():
                    ungraded = view.forward(batch)
            assert torch.equal(plain, ruled)
            assert torch.equal(plain, ungraded)


@every_architecture
def test_cp_lrp_conserves_relevance_without_biases(architecture):
    view = precise_view(architecture, biases=False)
    near(*relevance_at(view, "cp-lrp", view.blocks[0]))


def test_cp_lrp_conserves_relevance_in_llamas_own_precision():
    view = make_view("llama", torch.float64)  # its norms compute in float32
    near(*relevance_at(view, "cp-lrp", view.blocks[0]), error=1e-4)


def test_attnlrp_does_not_conserve_relevance_through_softmax():
    view = precise_view("llama")
    found, objective = relevance_at(view, "attnlrp", view.blocks[0])
    assert abs(found - objective) > 0.01 * abs(objective)


@every_architecture
@every_variant
def test_relevance_read_by_the_head_is_the_objective(architecture, variant):
    view = precise_view(architecture)
    near(*relevance_at(view, variant, view.model.get_output_embeddings()))


@every_architecture
@every_variant
def test_a_neuron_receives_what_its_column_of_down_hands_on(architecture, variant):
    view = precise_view(architecture)
    for block in by_role(view, variant):
        handed_on = block[Role.DOWN][1]
        if Role.GATE not in block:
            near(block[Role.UP][0], handed_on)
        elif variant == "attnlrp":
            near(block[Role.UP][0], handed_on / 2)
            near(block[Role.GATE][0], handed_on / 2)
        else:
            near(block[Role.UP][0], handed_on)
            assert (block[Role.GATE][0] == 0).all()


@every_architecture
@every_variant
def test_attention_divides_what_each_head_receives(architecture, variant):
    view = precise_view(architecture)
    heads = view.adapter.heads(view.config)
    for block in by_role(view, variant):
        received = block[Role.ATTENTION_OUTPUT][1]  # a number a feature of each head
        q, k, v = (block[role][0] for role in ATTENTION)
        width = len(q) // heads
        shared = len(k) // width
        # Heads that share keys and values add up there, feature by feature for values.
        summed = received.view(shared, heads // shared, width).sum(1).flatten()
        if variant == "attnlrp":
            near(v, summed / 2)
            near(q.view(shared, -1).sum(1), k.view(shared, -1).sum(1))
        else:
            near(v, summed)
            assert (q == 0).all()
            assert (k == 0).all()


def scores_under(view: ModelView, roles: Mapping[str, Any]) -> ScoreMap:
    accumulator = Accumulator(view.weights(), "signed-mean")
    with propagating(SimpleNamespace(roles=lambda: roles), "attnlrp"):
        view.attribute(make_reference(4, LENGTHS), accumulator.fold)
    return accumulator.scores()


@every_architecture
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_attention_rules_leave_a_quarter_a_quarter_and_a_half(architecture, kernel):
    view = view_with(kernel, architecture)
    ruled = scores_under(view, view.roles())
    on = {name: r for name, r in view.roles().items() if not (roles_in(r[1]) & set(ATTENTION))}
    unruled = scores_under(view, on)
    factors = {Role.QUERY: 0.25, Role.KEY: 0.25, Role.VALUE: 0.5}
    for name, weight in view.weights().items():
        if weight.block < len(view.blocks) - 1:
            continue  # what reaches earlier blocks has passed the last one's attention
        for role, rows in roles_of_rows(weight.role, len(weight.matrix)).items():
            part, whole = ruled[name][rows], unruled[name][rows]
            assert whole.abs().max() > 0
            # Powers of two round nothing.
            assert torch.equal(part, whole * factors.get(role, 1)), (name, role)


def roles_in(role: Role | Fused) -> set[Role]:
    return set(role.roles) if isinstance(role, Fused) else {role}


@every_architecture
@every_variant
def test_sdpa_and_eager_attention_give_the_same_scores(architecture, variant):
    sdpa, eager = (
        Lrp(variant).score(view_with(kernel, architecture), make_reference(4, LENGTHS, 2))
        for kernel in ("sdpa", "eager")
    )
    for name, values in sdpa.items():
        if values.abs().max() > 0:  # queries and keys under CP-LRP are zero
            near(eager[name], values, error=1e-4)
        else:
            assert torch.equal(eager[name], values)


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def footprint(view: ModelView) -> dict[str, Any]:
    """Return all of the model and the process that scoring might change, to compare by `==`."""
    modules = list(view.model.modules())
    return {
        "weights": {n: p.detach().numpy().tobytes() for n, p in view.model.named_parameters()},
        "flags": {n: p.requires_grad for n, p in view.model.named_parameters()},
        "gradients": [n for n, p in view.model.named_parameters() if p.grad is not None],
        "own forwards": [type(m).__name__ for m in modules if "forward" in m.__dict__],
        "hooks": [hook for m in modules for kind in HOOKS for hook in getattr(m, kind).values()],
        "training": [m.training for m in modules],
        "class forwards": {type(m): type(m).forward for m in modules},
        "attention functions": dict(ALL_ATTENTION_FUNCTIONS.items()),
        "kernel": view.config._attn_implementation,
    }


def gradient_bits(view: ModelView) -> dict[str, bytes]:
    scores = Gradient().score(view, make_reference(4, LENGTHS, 2))
    return {name: values.numpy().tobytes() for name, values in scores.items()}


@every_architecture
@every_variant
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_lrp_even_after_an_error(architecture, variant, fails):
    view = make_view(architecture)
    frozen = next(view.model.parameters())
    frozen.requires_grad_(False)  # a flag that must not come back switched on
    bits, before = gradient_bits(view), footprint(view)
    assert before["hooks"] == before["own forwards"] == before["gradients"] == []
    plain = make_reference(4, LENGTHS, 2)
    done: list[Tensor] = []

    def objective(logits: Tensor, batch: Batch) -> Tensor:
        if fails and done:  # one batch has gone through forward and backward
            raise ZeroDivisionError
        done.append(logits.detach())
        return plain.objective(logits, batch)

    samples = ReferenceSamples(plain.samples, objective, batch_size=2)
    if fails:
        with pytest.raises(ZeroDivisionError):
            Lrp(variant).score(view, samples)
    else:
        Lrp(variant).score(view, samples)
    assert len(done) == (1 if fails else 2)
    assert footprint(view) == before
    assert gradient_bits(view) == bits


@every_architecture
@every_variant
def test_another_instance_is_untouched_while_the_rules_are_on(architecture, variant):
    view, other = make_view(architecture), make_view(architecture)
    bits, before = gradient_bits(other), footprint(other)
    with propagating(view, variant):
        assert gradient_bits(view) != bits  # the rules are on
        assert footprint(other) == before
        assert gradient_bits(other) == bits


@every_architecture
def test_a_forward_the_instance_already_had_is_put_back(architecture):
    view = make_view(architecture)
    norms = (Role.RMS_NORM, Role.OFFSET_RMS_NORM, Role.LAYER_NORM)
    [norm, *_] = [module for module, role in view.roles().values() if role in norms]
    inner = norm.forward
    norm.forward = own = lambda x: inner(x) * 2
    reference = make_reference(2)
    plain = view.forward(next(reference.batches()))
    with propagating(view, "attnlrp"):
        assert torch.equal(view.forward(next(reference.batches())), plain)
        assert norm.forward is not own
    assert norm.forward is own
