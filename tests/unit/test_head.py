"""Loss and divergence are those of plain forwards, whatever a model does behind its head."""

from __future__ import annotations

import pytest
import torch
from sparc3_tasks.texts.head import Head
from sparc3_tasks.texts.losses import measure_window
from torch.nn import functional

from sparc3_bench import ModelView
from sparc3_bench.host import default_host
from sparc3_bench.model.load import choose_adapter
from sparc3_bench.testing.tiny import CONFIGS, make_config, make_model

BEHIND = {
    "granite": {"logits_scaling": 8.0},
    "cohere": {"logit_scale": 0.0625},
    "gemma2": {"final_logit_softcapping": 3.0, "query_pre_attn_scalar": 8},
}
WINDOW = list(range(3, 83))


def view_of(architecture: str, dtype: torch.dtype = torch.float32) -> ModelView:
    config = make_config(architecture)
    for name, value in {"max_position_embeddings": 128, **BEHIND.get(architecture, {})}.items():
        setattr(config, name, value)
    model = make_model(architecture, dtype, config)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(8)
    return ModelView(model, choose_adapter(config, architecture, default_host()))


def plain(view: ModelView) -> torch.Tensor:
    with torch.no_grad():
        return view.model(torch.tensor([WINDOW])).logits[0, :-1].double().log_softmax(-1)


def halved(view: ModelView) -> None:
    with torch.no_grad():
        for weight in view.weights().values():
            weight.matrix[: len(weight.matrix) // 2] = 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("architecture", [*BEHIND, *CONFIGS])
def test_it_is_what_plain_forwards_give(architecture, dtype):
    view = view_of(architecture, dtype)
    dense = plain(view)
    (loss, divergence), kept = measure_window(view, WINDOW, None)
    labels = torch.tensor(WINDOW[1:])
    rough = 1e-4 if dtype == torch.float32 else 2e-2
    assert loss == pytest.approx(float(functional.nll_loss(dense, labels)), rel=rough)
    assert divergence == 0
    assert not kept.is_logits
    assert kept.values.shape == (len(WINDOW) - 1, view.config.hidden_size)
    halved(view)
    pruned = plain(view)
    (loss, divergence), none = measure_window(view, WINDOW, kept)
    assert none is None
    assert loss == pytest.approx(float(functional.nll_loss(pruned, labels)), rel=rough)
    expected = functional.kl_div(pruned, dense, reduction="batchmean", log_target=True)
    assert divergence == pytest.approx(float(expected), rel=5 * rough)
    assert divergence > 1e-5


class Wayward(torch.nn.Module):
    """A head that also reads what it was given before, so that nothing can be made again."""

    def __init__(self, weight):
        super().__init__()
        self.weight, self.calls = weight, 0

    def forward(self, hidden):
        self.calls += 1
        return hidden @ self.weight.T * self.calls


@pytest.mark.parametrize("how", ["another head every time", "a head that is run twice"])
def test_where_logits_do_not_come_again_they_are_kept(how, monkeypatch):
    view = view_of("llama")
    head = view.model.lm_head
    if how.startswith("another"):
        view.model.lm_head = Wayward(head.weight)
    else:
        own = view.model.forward

        def twice(*args, **options):
            head(torch.zeros(1, 1, 32))
            return own(*args, **options)

        monkeypatch.setattr(view.model, "forward", twice)
    (first, _), kept = measure_window(view, WINDOW, None)
    assert kept.is_logits
    assert kept.values.shape == (len(WINDOW) - 1, view.config.vocab_size)
    if how.startswith("another"):
        view.model.lm_head.calls = 0
    (again, divergence), _ = measure_window(view, WINDOW, kept)
    assert (again, divergence) == (pytest.approx(first), pytest.approx(0, abs=1e-6))


@pytest.mark.parametrize(("noise", "same"), [(2**-9, True), (0.2, False)])
def test_rounding_of_the_format_is_no_difference(noise, same, monkeypatch):
    """In bfloat16 another order of sums moves a logit by more than a hundredth."""
    from sparc3_bench import Batch

    view = view_of("llama", torch.bfloat16)
    ids = torch.tensor([WINDOW])
    with torch.inference_mode():
        head = Head(view, Batch(ids, torch.ones_like(ids)))
        exact = head.again(head.inputs[0, :8])
        moved = exact * (1 + noise * torch.randn(exact.shape).sign())
        assert (moved - exact).abs().max() > 0.01
        monkeypatch.setattr(head, "again", lambda inputs: moved)
        assert head.repeats(8) is same


def test_the_model_is_as_it_was():
    view = view_of("gemma2")
    before = {name: dict(module._forward_hooks) for name, module in view.model.named_modules()}
    forward = view.model.model.forward
    _, kept = measure_window(view, WINDOW, None)
    measure_window(view, WINDOW, kept)
    assert view.model.model.forward == forward
    assert "forward" not in vars(view.model.model)
    for name, module in view.model.named_modules():
        assert dict(module._forward_hooks) == before[name]
        assert not module._forward_pre_hooks
