"""A fingerprint tells every bit of a tensor, of any strides, and is taken again after a write."""

from __future__ import annotations

import pytest
import torch

from sparc3_bench.model.fingerprint import fingerprint, mixed


@pytest.fixture(params=["here", "as on an accelerator"])
def mark(request):
    if request.param == "here":
        return fingerprint
    return lambda values: mixed(values.contiguous().flatten().view(torch.uint8))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.int8])
def test_every_bit_counts(mark, dtype):
    values = torch.arange(60).to(dtype).view(5, 12)
    raw = values.view(torch.uint8)
    marks = {mark(values)}
    for byte in range(raw.numel()):
        for bit in range(8):
            raw.view(-1)[byte] ^= 1 << bit
            marks.add(mark(values))
            raw.view(-1)[byte] ^= 1 << bit
    assert len(marks) == 1 + 8 * raw.numel()


def test_swapped_rows_and_signs_count(mark):
    values = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    swapped, negated = values[[1, 0, *range(2, 8)]], values.clone()
    negated[:2] *= -1
    assert len({mark(values), mark(swapped), mark(negated), mark(-values)}) == 4


def test_strides_count_and_gaps_do_not_matter():
    whole = torch.arange(64.0).view(8, 8)
    turned, part, spread = whole.T, whole[:, ::2], whole[0].expand(3, 8)
    for values in (turned, part, spread):
        before = fingerprint(values)
        assert fingerprint(values) == before
    assert fingerprint(turned) != fingerprint(whole)
    before = fingerprint(part)
    whole[0, 1] = -1  # between what is in the part
    assert fingerprint(part) == before
    whole[0, 2] = -1
    assert fingerprint(part) != before


def test_without_memory_the_shape_is_told():
    one, other = torch.empty(2, 3, device="meta"), torch.empty(3, 2, device="meta")
    assert fingerprint(one) != fingerprint(other)


def test_the_last_one_is_trusted_until_torch_has_written():
    values = torch.zeros(4)
    first = fingerprint(values)
    values.data[0] = 1  # which torch does not count
    assert fingerprint(values, trusting=True) == first != fingerprint(values)
    second = fingerprint(values, trusting=True)
    values[1] = 1
    assert fingerprint(values, trusting=True) not in (first, second)


def test_other_memory_in_the_same_parameter_is_read():
    parameter = torch.nn.Parameter(torch.zeros(4))
    first, held = fingerprint(parameter), parameter.data
    for _ in range(3):  # freed memory is given out again
        parameter.data = torch.ones(4) * _
        assert (fingerprint(parameter, trusting=True)[-1] == first[-1]) == (_ == 0)
        parameter.data = held
        assert fingerprint(parameter, trusting=True) == first
