"""Rows of large matrices: in parts that stay in a cache, or shared out among threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

_PART = 1 << 17
"""So many numbers a thread stay in the cache while several operations pass over them, and are worth
waking it once an operation."""
_WORTH = 1 << 18
"""So many are worth waking a thread to sort them."""


def row_parts(matrix: Tensor) -> Iterator[slice]:
    """Yield the rows of a matrix in parts that stay in a cache; all at once on an accelerator."""
    rows, part = len(matrix), _PART * torch.get_num_threads()
    step = max(1, part * rows // max(1, matrix.numel())) if matrix.device.type == "cpu" else rows
    return (slice(start, start + step) for start in range(0, rows, max(1, step)))


def share_rows(work: Callable[[slice], object], matrix: Tensor) -> None:
    """Do NumPy's work on the rows of a matrix, on as many threads as torch has."""
    rows, threads = len(matrix), torch.get_num_threads()
    if threads == 1 or rows < threads or matrix.numel() < _WORTH or matrix.device.type != "cpu":
        work(slice(0, rows))
        return
    step = math.ceil(rows / threads)
    parts = [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
    for _ in _pool(threads).map(work, parts):
        pass


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
