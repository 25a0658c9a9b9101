"""Zero, mean and resample ablation equal a forward patched by hand, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from replication.ablating import (
    ABLATIONS,
    REFERENCE,
    VARIANTS,
    ablated,
    batch_of,
    logits_of,
    random_mask,
    view_of,
    with_a_shared_matrix,
)
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from sparc3_bench import Batch, ModelView
from sparc3_bench.model.means import mean_inputs
from sparc3_bench.selection.units import unit_mask
from sparc3_bench.testing.tiny import CONFIGS
from sparc3_bench.types.masks import KeepMask

PADDED = ((9, 6, 4), (7, 7, 7))
TIGHT = {"rtol": 1e-9, "atol": 1e-9}
# Means are kept in float32.
CLOSE = {"zero": TIGHT, "resample": TIGHT, "mean": {"rtol": 1e-5, "atol": 1e-5}}

Patch = Callable[[str, Tensor], Tensor]
"""Path of a module and its inputs to the inputs it shall read."""


def run(view: ModelView, ids: Tensor, mask: Tensor) -> Tensor:
    """Run the model by its own forward alone."""
    with torch.no_grad():
        return view.model(input_ids=ids, attention_mask=mask, use_cache=False).logits


@contextmanager
def hooked(view: ModelView, paths: list[str], patch: Patch) -> Iterator[None]:
    """Let each module read what `patch` returns."""
    handles = []
    for path in paths:

        def before(module: nn.Module, args: tuple[Tensor], path: str = path) -> tuple[Tensor]:
            return (patch(path, args[0]),)

        handles.append(view.model.get_submodule(path).register_forward_pre_hook(before))
    yield
    for handle in handles:
        handle.remove()


def inputs_seen(view: ModelView, paths: list[str], ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Return what each module reads in the dense model."""
    seen: dict[str, Tensor] = {}

    def keep(path: str, inputs: Tensor) -> Tensor:
        seen[path] = inputs.clone()
        return inputs

    with hooked(view, paths, keep):
        run(view, ids, mask)
    return seen


def means_by_hand(view: ModelView, paths: list[str]) -> dict[str, Tensor]:
    """Return the mean of what each module reads over all tokens of the reference."""
    rows: dict[str, list[Tensor]] = {path: [] for path in paths}
    for sample in REFERENCE.samples:
        ids = torch.tensor([sample])
        for path, values in inputs_seen(view, paths, ids, torch.ones_like(ids)).items():
            rows[path].append(values.reshape(-1, values.shape[-1]))
    return {path: torch.cat(parts).mean(0) for path, parts in rows.items()}


def replacements(
    view: ModelView, paths: list[str], batch: Batch, ablation: str
) -> dict[str, Tensor]:
    """Return what removed weights read, broadcastable to the inputs of each module."""
    if ablation == "resample":
        return inputs_seen(view, paths, batch.counterpart, batch.attention_mask)
    if ablation == "mean":
        return means_by_hand(view, paths)
    return dict.fromkeys(paths, torch.zeros((), dtype=torch.float64))


def random_units(view: ModelView, variant: str, unit: str) -> tuple[dict[str, Tensor], int]:
    """Return which units of each block are kept, about half of them, and a unit's width."""
    config = CONFIGS[VARIANTS[variant][0]]
    widths = {"llama": 48, "opt": 64, "gpt2": 64}
    count = config.num_attention_heads if unit == "head" else widths[config.model_type]
    generator = torch.Generator().manual_seed(5)
    kept = {}
    for block in range(len(view.blocks)):
        order = torch.rand(count, generator=generator).argsort()
        kept[str(block)] = order < count // 2
    return kept, 8 if unit == "head" else 1


@pytest.mark.parametrize("lengths", [(8, 8), PADDED[0]], ids=["full", "padded"])
@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("unit", ["head", "neuron"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_units_are_replaced_by_what_a_hook_puts_in_their_place(variant, unit, ablation, lengths):
    view, batch = view_of(variant), batch_of(lengths)
    kept, width = random_units(view, variant, unit)
    *_, blocks, heads, neurons = VARIANTS[variant]
    where = heads if unit == "head" else neurons
    gone = {
        f"{blocks}.{block}.{where}": ~units.repeat_interleave(width)
        for block, units in kept.items()
    }
    values = replacements(view, list(gone), batch, ablation)

    def patch(path: str, inputs: Tensor) -> Tensor:
        return torch.where(gone[path], values[path], inputs)

    dense = run(view, batch.input_ids, batch.attention_mask)
    with hooked(view, list(gone), patch):
        expected = run(view, batch.input_ids, batch.attention_mask)
    with ablated(view, unit_mask(kept, view, unit), ablation):
        found = logits_of(view, batch)
    valid = batch.attention_mask.bool()
    torch.testing.assert_close(found[valid], expected[valid], **CLOSE[ablation])
    assert (expected - dense)[valid].abs().max() > 0.1


@contextmanager
def split(view: ModelView, masks: dict[str, Tensor], values: dict[str, Tensor]) -> Iterator[None]:
    """Let modules compute ``W_kept a + W_removed a' + b``, written out."""

    def replaced(path: str) -> Callable[..., Tensor]:
        def after(module: nn.Module, args: tuple[Tensor], output: Tensor) -> Tensor:
            weight = module.weight.T if isinstance(module, Conv1D) else module.weight
            other = values[path].expand_as(args[0])
            found = args[0] @ (weight * masks[path]).T + other @ (weight * ~masks[path]).T
            return found if module.bias is None else found + module.bias

        return after

    handles = [
        view.model.get_submodule(path).register_forward_hook(replaced(path)) for path in masks
    ]
    yield
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("lengths", PADDED, ids=["padded", "full"])
@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("which", ["one", "all"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_removed_weights_read_other_inputs_than_kept_ones(variant, which, ablation, lengths):
    view, batch = view_of(variant), batch_of(lengths)
    masks = dict(random_mask(view).weights)
    if which == "one":
        path = f"{VARIANTS[variant][2]}.1.{VARIANTS[variant][4]}"
        masks = {path: masks[path]}
    values = replacements(view, list(masks), batch, ablation)
    with split(view, masks, values):
        expected = run(view, batch.input_ids, batch.attention_mask)
    with ablated(view, KeepMask(masks), ablation):
        found = logits_of(view, batch)
    valid = batch.attention_mask.bool()
    torch.testing.assert_close(found[valid], expected[valid], **CLOSE[ablation])


@pytest.mark.parametrize("variant", VARIANTS)
def test_mean_inputs_are_those_of_all_tokens_without_padding(variant):
    view = view_of(variant)
    expected = means_by_hand(view, list(view.weights()))
    for batch_size in (1, 2, 5):
        found = mean_inputs(view, replace(REFERENCE, batch_size=batch_size))
        assert found.keys() == expected.keys()
        for name, mean in found.items():
            torch.testing.assert_close(mean.double(), expected[name], rtol=1e-5, atol=1e-6)


def test_mean_input_of_a_shared_matrix_is_that_of_all_its_modules():
    view = with_a_shared_matrix()
    owner, sharer = (f"model.layers.{index}.mlp.down_proj" for index in (0, 1))
    expected = means_by_hand(view, [*view.weights(), sharer])
    expected[owner] = (expected[owner] + expected.pop(sharer)) / 2
    found = mean_inputs(view, REFERENCE)
    assert found.keys() == expected.keys()
    for name, mean in found.items():
        torch.testing.assert_close(mean.double(), expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_modules_that_share_a_matrix_each_read_in_their_own_place(ablation):
    view, batch = with_a_shared_matrix(), batch_of(PADDED[0])
    owner, sharer = (f"model.layers.{index}.mlp.down_proj" for index in (0, 1))
    assert sharer not in view.weights()
    mask = random_mask(view).weights[owner]
    values = replacements(view, [owner, sharer], batch, ablation)
    if ablation == "mean":  # one matrix, one mean: both modules read as many tokens
        values = dict.fromkeys(values, (values[owner] + values[sharer]) / 2)
    with split(view, {owner: mask, sharer: mask}, values):
        expected = run(view, batch.input_ids, batch.attention_mask)
    with ablated(view, KeepMask({owner: mask}), ablation):
        found = logits_of(view, batch)
    valid = batch.attention_mask.bool()
    torch.testing.assert_close(found[valid], expected[valid], **CLOSE[ablation])


@pytest.mark.parametrize("lengths", [(8, 8), PADDED[0]], ids=["full", "padded"])
@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2"])
def test_last_logits_are_ablated_too(architecture, ablation, lengths):
    view, batch = view_of(architecture), batch_of(lengths)
    with ablated(view, random_mask(view), ablation), torch.no_grad():
        whole = view.forward(batch)
        last = view.last_logits(batch)
    expected = torch.stack([row[n - 1] for row, n in zip(whole, lengths, strict=True)])
    torch.testing.assert_close(last, expected, **TIGHT)


def test_resampling_by_a_counterpart_that_is_the_sample_changes_nothing():
    view, batch = view_of("opt"), batch_of(PADDED[0])
    with ablated(view, random_mask(view), "resample"):
        found = logits_of(view, replace(batch, counterpart=batch.input_ids))
    torch.testing.assert_close(found, logits_of(view, batch), **TIGHT)


def test_every_batch_reads_its_own_counterpart():
    view = view_of("gpt2")
    batches = [batch_of((8, 8), 1), batch_of((5,), 2), batch_of((8, 8), 1)]
    with ablated(view, random_mask(view), "resample"):
        first, _, again = (logits_of(view, batch) for batch in batches)
        other = logits_of(view, replace(batches[0], counterpart=batches[0].input_ids))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_mask_that_keeps_everything_changes_nothing(ablation):
    view, batch = view_of("opt"), batch_of()
    before = logits_of(view, batch)
    whole = KeepMask({n: torch.ones(w.matrix.shape).bool() for n, w in view.weights().items()})
    for keep in (whole, KeepMask({})):
        with ablated(view, keep, ablation):
            assert torch.equal(logits_of(view, batch), before)
