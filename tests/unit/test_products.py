"""Products of sums in the model's format: within `fold` alone, put back, and recorded."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from sparc3_bench.errors import Disturbance
from sparc3_bench.model.products import outer_sum, precision, products_in
from sparc3_bench.run.guard import guarded
from sparc3_bench.testing.tiny import make_reference, make_view

needs_setting = pytest.mark.skipif(precision() is None, reason="this torch has no such setting")


@needs_setting
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_only_what_is_folded_is_taken_in_another_format(dtype):
    view = make_view("llama", torch.bfloat16)
    reference = dataclasses.replace(make_reference(2), product_dtype=dtype)
    before, within, beside = precision(), set(), set()
    layer = view.model.model.layers[0]
    hooks = [
        layer.register_forward_hook(lambda *of: beside.add(precision())),
        layer.register_full_backward_hook(lambda *of: beside.add(precision())),
    ]
    view.attribute(reference, lambda name, inputs, gradients: within.add(precision()))
    for hook in hooks:
        hook.remove()
    assert beside == {before}
    assert within == {"bf16" if dtype == "bfloat16" else before}


@needs_setting
def test_the_setting_is_put_back_when_a_fold_fails():
    before, kept = precision(), torch.get_float32_matmul_precision()

    def fold(name, inputs, gradients):
        raise KeyboardInterrupt

    reference = dataclasses.replace(make_reference(1), product_dtype="bfloat16")
    with pytest.raises(KeyboardInterrupt):
        make_view("llama", torch.bfloat16).attribute(reference, fold)
    assert (precision(), torch.get_float32_matmul_precision()) == (before, kept)


@needs_setting
def test_a_setting_that_is_left_behind_is_named_and_put_back():
    before, view = precision(), make_view("llama")
    with (
        pytest.raises(Disturbance, match="torch's precision of products"),
        guarded(view, "Scorer 'x'"),
    ):
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    assert precision() == before
    assert torch.get_float32_matmul_precision() == "highest"


@needs_setting
def test_products_in_bfloat16_round_by_its_digits_and_leave_other_formats_alone():
    generator = torch.Generator().manual_seed(0)
    gradients, inputs = (torch.rand(200, size, generator=generator) for size in (24, 40))
    exact = gradients.double().T @ inputs.double()
    with products_in("bfloat16"):
        found = outer_sum(gradients, inputs)
        wide = outer_sum(gradients.double(), inputs.double())
    assert torch.equal(wide, exact)
    assert torch.equal(outer_sum(gradients, inputs), gradients.T @ inputs)
    # Factors and product are each rounded by half a unit of the last of eight digits.
    assert ((found.double() - exact) / exact).abs().max() < 3 * 2**-9
