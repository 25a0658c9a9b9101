"""A model that is walked block by block: a block runs what it is asked for, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from sparc3_bench import Sparc3Error
from sparc3_bench.model.blockwise import walk
from sparc3_bench.testing.tiny import make_reference, make_view

if TYPE_CHECKING:
    from torch import Tensor


def test_a_block_runs_the_samples_that_it_is_asked_for() -> None:
    view, reference = make_view("llama"), make_reference(5, (12, 5, 9), 2)
    read: dict[str, list[Tensor]] = {}

    def keep(name: str, inputs: Tensor) -> None:
        read.setdefault(name, []).append(inputs)

    for block in walk(view, reference):
        with block.observe(keep):
            block.run(reference)
            for some in reference.together():
                block.run(reference.part(some.start, some.stop))
    assert list(read) == list(view.weights())
    for every in read.values():
        whole, parts = every[:3], every[3:]
        assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_other_batches_than_those_that_were_walked_are_refused() -> None:
    reference = make_reference(5, (12, 5, 9), 2)
    block = next(walk(make_view("llama"), reference))
    with pytest.raises(Sparc3Error, match="choose schedule 'one-shot'"):
        block.run(reference.part(1, 3))
