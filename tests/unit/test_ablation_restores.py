"""Ablation leaves the model as it was: bits, places in memory and hooks, whatever happened."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from replication.ablating import (
    ABLATIONS,
    ablated,
    batch_of,
    logits_of,
    random_mask,
    view_of,
    with_a_shared_matrix,
)

from sparc3_bench import Batch, ModelView
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.testing.tiny import VOCABULARY, make_view
from sparc3_bench.types.masks import KeepMask


def state(view: ModelView) -> list[object]:
    """Return all that an ablation might leave behind: bits, places in memory, hooks, flags."""
    kept: list[object] = []
    for name, values in view.model.state_dict().items():
        kept.append((name, values.data_ptr(), values.dtype, values.stride(), values.tolist()))
    for name, module in view.model.named_modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        kept.append((name, [len(hook) for hook in hooks], module.training))
    kept += [(name, p.requires_grad, id(p)) for name, p in view.model.named_parameters()]
    return kept


def wrong(failure: str) -> tuple[Batch, type[BaseException] | tuple[type[BaseException], ...]]:
    """Return a batch that makes the forward fail."""
    batch = batch_of()
    foreign = torch.full_like(batch.input_ids, VOCABULARY + 5)
    match failure:
        case "in the run":
            return replace(batch, input_ids=foreign), (IndexError, RuntimeError)
        case "in the counterpart":
            return replace(batch, counterpart=foreign), (IndexError, RuntimeError)
    return batch, KeyboardInterrupt


@pytest.mark.parametrize(
    "failure", ["nowhere", "in the caller", "in the run", "in the counterpart"]
)
@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2", "shared"])
def test_everything_is_as_before_whatever_happened(architecture, ablation, failure):
    view = with_a_shared_matrix() if architecture == "shared" else view_of(architecture)
    before, right = state(view), batch_of()
    dense = logits_of(view, right)
    batch, error = wrong(failure)
    fails = failure != "nowhere" and not (
        failure == "in the counterpart" and ablation != "resample"
    )
    refused = pytest.raises(error) if fails else nullcontext()
    with refused, ablated(view, random_mask(view), ablation):
        logits_of(view, batch)
        if failure == "in the caller":
            raise KeyboardInterrupt
    assert state(view) == before
    assert torch.equal(logits_of(view, right), dense)


def test_counterpart_that_fails_does_not_spoil_the_next_batch():
    view, batch = view_of("llama"), batch_of()
    with ablated(view, random_mask(view), "resample"):
        expected = logits_of(view, batch)
        with pytest.raises((IndexError, RuntimeError)):
            logits_of(view, wrong("in the counterpart")[0])
        assert torch.equal(logits_of(view, batch), expected)


@pytest.mark.parametrize("name", ["forward", "last_logits"])
def test_batch_without_a_counterpart_is_refused_in_one_sentence(name):
    view = view_of("gpt2")
    before, batch = state(view), replace(batch_of(), counterpart=None)
    with (
        pytest.raises(Sparc3Error) as caught,
        ablated(view, random_mask(view), "resample"),
        torch.no_grad(),
    ):
        getattr(view, name)(batch)
    assert str(caught.value) == (
        "Ablation 'resample' needs corrupted counterparts, which these samples lack; choose "
        "'zero' or 'mean'."
    )
    assert state(view) == before


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_mask_of_a_wrong_shape_is_refused_and_nothing_is_changed(ablation):
    view = make_view("llama")
    before = state(view)
    keep = random_mask(view)
    odd = {**keep.weights, "model.layers.2.mlp.up_proj": torch.ones(48, 1).bool()}
    with pytest.raises(Sparc3Error, match="expected bool"), ablated(view, KeepMask(odd), ablation):
        pass
    assert state(view) == before


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_a_model_in_bfloat16_stays_in_bfloat16(ablation):
    view = make_view("opt", torch.bfloat16)
    batch = batch_of()
    with ablated(view, random_mask(view), ablation):
        logits = logits_of(view, batch)
    assert logits.dtype == torch.bfloat16
    assert logits.isfinite().all()
