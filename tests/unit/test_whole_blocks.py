"""Unit `block`: its score, what removing it does, where it is refused, its random controls."""

from __future__ import annotations

import pytest
import torch

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask, choose, rankable
from sparc3_bench.selection.units import BLOCKS, ranked
from sparc3_bench.testing.tiny import make_reference, make_view
from sparc3_bench.types.scores import ScoreMap

MODELS = ("llama", "gpt2", "opt", "gpt_neox", "gemma3_text", "phi3")


def drawn(view) -> ScoreMap:
    torch.manual_seed(0)
    weights = view.weights().items()
    biases = {name: torch.randn(len(w.bias)) for name, w in weights if w.bias is not None}
    return ScoreMap({name: torch.randn(w.matrix.shape) for name, w in weights}, biases)


@pytest.mark.parametrize("model", MODELS)
def test_a_block_scores_what_its_heads_and_neurons_do(model):
    view = make_view(model)
    scores = drawn(view)
    parts = [rankable(scores, view, unit) for unit in ("head", "neuron")]
    found = rankable(scores, view, "block")
    assert [*found] == [BLOCKS]
    wanted = [sum(float(part[str(b)].sum()) for part in parts) for b in range(len(view.blocks))]
    assert torch.allclose(found[BLOCKS], torch.tensor(wanted), atol=1e-4)


def test_errors_of_blocks_are_of_the_sums_of_each_sample():
    view = make_view("llama")
    by_sample = {
        name: torch.randn(5, 32 if weight.role == "attention-output" else 48)
        for name, weight in view.weights().items()
        if weight.role in ("attention-output", "up", "gate")
    }
    found = ranked(ScoreMap(drawn(view).weights, by_sample=by_sample), view, "block")
    of_first = sum(values.sum(1) for name, values in by_sample.items() if ".0." in name)
    assert torch.allclose(found.samples[BLOCKS][:, 0], of_first, atol=1e-4)
    assert found.errors[BLOCKS].shape == (len(view.blocks),)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scope", ["all", "attention", "mlp"])
def test_what_is_removed_of_a_block_adds_nothing(model, scope):
    view = make_view(model, scope=scope)
    kept = {BLOCKS: torch.arange(len(view.blocks)) != 0}
    passed, added = {}, []
    first = view.blocks[0]
    first.register_forward_hook(lambda module, args, out: passed.update(before=args[0], after=out))
    for weight in view.weights().values():
        if weight.block == 0 and weight.role in ("attention-output", "down"):
            weight.module.register_forward_hook(lambda module, args, out: added.append(out))
    with view.masked(as_mask(kept, view, "block")):
        view.run(make_reference(1))
    assert len(added) == (2 if scope == "all" else 1)
    assert not any(bool(out.any()) for out in added)
    if scope == "all":
        after = passed["after"]
        assert torch.equal(passed["before"], after[0] if isinstance(after, tuple) else after)


@pytest.mark.parametrize("scope", ["mlp-in", "mlp-out"])
def test_scopes_that_leave_something_are_refused(scope):
    view = make_view("opt", scope=scope)
    with pytest.raises(Sparc3Error, match="blocks 'all', 'attention' or 'mlp'"):
        rankable(drawn(view), view, "block")


def test_blocks_are_ranked_in_the_model_alone_and_controls_draw_among_all():
    ranking = {BLOCKS: torch.tensor([3.0, 1.0, 1.0, 2.0, 5.0])}
    kept = choose(ranking, 0.4, unit="block", group="model")
    assert kept[BLOCKS].tolist() == [True, False, False, True, True]
    for group in ("row", "layer", "2:4"):
        with pytest.raises(Sparc3Error, match="cannot rank units of 'block'; choose 'model'"):
            choose(ranking, 0.4, unit="block", group=group)
    controls = [matched(kept, "model", seed)[BLOCKS] for seed in range(20)]
    assert {int(one.sum()) for one in controls} == {3}
    assert len({tuple(one.tolist()) for one in controls}) > 5
