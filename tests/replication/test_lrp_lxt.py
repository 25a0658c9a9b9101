"""Two implementations agree: `lrp` and the package lxt, on every architecture that both know."""

from __future__ import annotations

import pytest
import torch
from installed import KNOWN_TO_LXT, needs_lxt
from sparc3_scorers import lrp_rules
from sparc3_scorers.lrp import Lrp
from sparc3_scorers.lrp_lxt import LrpLxt
from torch import Tensor, nn

from sparc3_bench import Batch, ModelView, ReferenceSamples
from sparc3_bench.host import default_host
from sparc3_bench.testing.tiny import make_reference, make_view
from sparc3_bench.types.architecture import Role

LENGTHS = (12, 5, 9)
ADAPTED = {t for entry in default_host().all("adapter").values() for t in entry.cls.model_types}
every_known = pytest.mark.parametrize(
    "architecture", [name for name in KNOWN_TO_LXT if name in ADAPTED]
)


def apart(view: ModelView, reference: ReferenceSamples, aggregation: str = "signed-mean") -> float:
    """Return how far the two are apart, as a fraction of the largest score of its row.

    Scores that contributions cancel to have no digits of their own left: what is small beside the
    others of a row decides nothing in a ranking of this row, and of a larger group even less.
    """
    ours = Lrp(aggregation=aggregation).score(view, reference)
    theirs = LrpLxt(aggregation).score(view, reference)
    assert list(ours) == list(theirs) == list(view.weights())
    assert ours.biases.keys() == theirs.biases.keys()
    pairs = [(ours[name], theirs[name]) for name in ours]
    pairs += [(ours.biases[name], theirs.biases[name]) for name in ours.biases]
    return max(float(_of_rows(one, other).max()) for one, other in pairs)


def _of_rows(one: Tensor, other: Tensor) -> Tensor:
    largest = one.abs().amax(-1)
    assert (largest > 0).all()
    return (one - other).abs().amax(-1) / largest


@needs_lxt
@every_known
@pytest.mark.parametrize("aggregation", ["signed-mean", "mean-of-abs", "token-abs", "token-rms"])
def test_both_give_the_same_scores(architecture, aggregation):
    found = apart(make_view(architecture), make_reference(4, LENGTHS, 2), aggregation)
    print(f"\n{architecture}, {aggregation}: {found:.1e}")  # noqa: T201  # for docs/lxt.md
    assert found < 1e-5


@needs_lxt
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_both_agree_under_any_attention_kernel(kernel):
    view = make_view("llama")
    view.model.set_attn_implementation(kernel)
    assert apart(view, make_reference(2)) < 1e-5


@needs_lxt
def test_both_agree_on_any_objective():
    def objective(logits: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        last = logits[batch.rows, batch.last]
        return last.gather(1, batch.targets).sum().tanh()

    samples = make_reference(3, LENGTHS).samples
    reference = ReferenceSamples(samples, objective, batch_size=2, targets=[[5], [6], [7]])
    assert apart(make_view("llama"), reference) < 1e-5


def of_lxt(module: nn.Module, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """Restate how lxt 2.1 keeps clear of a division by zero."""
    return g * (y / (x + 1e-10))


@needs_lxt
def test_in_float64_what_is_apart_is_the_constant_in_the_rule_for_activations(monkeypatch):
    # GPT-2, whose norms compute in the format of the model; those of Llama round to float32.
    view, reference = make_view("gpt2", torch.float64), make_reference(4, LENGTHS)
    assert 1e-11 < apart(view, reference) < 1e-6
    monkeypatch.setitem(lrp_rules._BACKWARD, Role.ACTIVATION, of_lxt)
    assert apart(view, reference) < 1e-12


@pytest.mark.parametrize("function", [nn.SiLU(), nn.GELU()])
def test_without_the_constant_an_activation_passes_all_relevance(function):
    """Show which is right: the rule [achtibat2024, eq. 9] hands on R = y · g = x · g_in."""
    x = torch.tensor([1e-9, -1e-9, -1e-10, 3e-11, 0.5], dtype=torch.float64)
    y, g = function(x), torch.ones_like(x)
    assert torch.allclose(x * lrp_rules.activation(function, x, y, g), y, rtol=1e-12, atol=0)
    wrong = (x * of_lxt(function, x, y, g) / y - 1).abs()
    assert (wrong[:4] > 0.05).all()  # beyond all bounds at -1e-10
    assert wrong[4] < 1e-9


@pytest.mark.parametrize("function", [nn.SiLU(), nn.Softplus()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_at_zero_an_activation_passes_nothing(function, dtype):
    x = torch.tensor([0.0, -0.0, 0.5, -2.0], dtype=dtype)
    y, g = function(x), torch.full_like(x, 3)
    found = lrp_rules.activation(function, x, y, g)
    assert torch.equal(found, torch.stack([x[0], x[0], *(y / x * g)[2:]]))


@needs_lxt
def test_architectures_patched_in_one_process_do_not_disturb_each_other():
    reference = make_reference(2)
    once = LrpLxt().score(make_view("llama"), reference)
    LrpLxt().score(make_view("gpt2"), reference)
    again = LrpLxt().score(make_view("llama"), reference)
    assert all(torch.equal(values, again[name]) for name, values in once.items())
