"""Room for tensors as large as a model: had at once, filled in parts that stay in a cache."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

from sparc3_bench.model.weights import statistics_dtype

_LARGE, _LINE = 1 << 21, 64
"""Bytes from which on it is worth it, and those that a processor reads at once."""
_PART = 1 << 16
"""So many numbers stay in the cache of a core while several operations pass over them."""
_WORTH = 1 << 18
"""So many are worth waking a thread."""


def zeros_for(like: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Return zeros of the shape of every tensor, contiguous, on its device.

    On the host they lie side by side, in memory that the system has been asked for once: page by
    page, at the first touch of each, takes half as long again, and leaves a heap full of holes.
    The memory is free again when the last of them is gone.

    Parameters
    ----------
    like
        What there shall be zeros for.
    dtype
        Their number format; None for that of statistics of each.
    """
    kinds = {name: dtype or statistics_dtype(values) for name, values in like.items()}
    places, end = dict[str, int](), 0
    for name, values in like.items():
        if values.numel() and values.device.type == "cpu":
            places[name] = end
            end += -(-values.numel() * kinds[name].itemsize // _LINE) * _LINE
    if end < _LARGE or not hasattr(mmap, "MAP_POPULATE"):
        return {n: torch.zeros(v.shape, dtype=kinds[n], device=v.device) for n, v in like.items()}
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    room = mmap.mmap(-1, end, flags=flags)
    return {
        name: torch.frombuffer(
            room, dtype=kinds[name], count=values.numel(), offset=places[name]
        ).view(values.shape)
        if name in places
        else torch.zeros(values.shape, dtype=kinds[name], device=values.device)
        for name, values in like.items()
    }


def row_parts(matrix: Tensor) -> Iterator[slice]:
    """Yield the rows of a matrix in parts that stay in a cache; all at once on an accelerator."""
    rows, threads = len(matrix), torch.get_num_threads()
    # Several threads wake and wait for one another once an operation.
    part = _PART if threads == 1 else _WORTH * threads
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
