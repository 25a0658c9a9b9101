"""What benchmarks share: number formats, threads, the model and one window of reference text."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from benchmarks.steps import Bench
from threadpoolctl import threadpool_limits

from sparc3_bench.model.products import computes_in_bfloat16

DTYPES = ["float32"] + (["bfloat16"] if computes_in_bfloat16() else [])
THREADS = [count for count in (1, 2) if count <= (os.cpu_count() or 1)]


@pytest.fixture(scope="module", params=DTYPES)
def bench(request) -> Bench:
    loaded = Bench.load(request.param)
    loaded.forward_and_backward(loaded.reference)()  # once, so that no round is the first
    return loaded


@pytest.fixture(scope="module", params=THREADS)
def threads(request) -> Iterator[int]:
    import scipy.linalg.lapack  # noqa: F401  # limits hold for what is loaded

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    with threadpool_limits(request.param):
        yield request.param
    torch.set_num_threads(before)
