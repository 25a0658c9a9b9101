"""Masks as bits, eight in a byte, the first highest: made where the mask lies, kept by the host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from sparc3_bench.folder.spill import Spill
from sparc3_bench.types.lazy import Lazy


def as_bits(mask: Tensor) -> Tensor:
    """Return a bool tensor as bits on the host, ``[ceil(n / 8)]`` uint8."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.packbits(mask.numpy()))
    # An eighth of it leaves the device.
    flat = mask.reshape(-1).to(torch.uint8)
    rows = pad(flat, (0, -len(flat) % 8)).view(-1, 8)
    worth = (1 << torch.arange(7, -1, -1, device=mask.device)).to(torch.uint8)
    return (rows * worth).sum(1, dtype=torch.uint8).cpu()


def from_bits(bits: Tensor, shape: Sequence[int], place: torch.device | str = "cpu") -> Tensor:
    """Return what `as_bits` was given, from its shape, on a device."""
    flat = np.unpackbits(bits.numpy(), count=int(np.prod(shape)))
    return torch.from_numpy(flat.view(bool)).view(*shape).to(place)


def put_down(kept: Iterable[tuple[str, Tensor]], order: Iterable[str], spill: Spill) -> Lazy:
    """Return masks that are in a file as bits, each unpacked where it was when it is asked for.

    They come one in memory at a time, and are put down in `spill`, in an order of their names.
    """
    packed = {name: (spill.put(as_bits(keep)), keep.shape, keep.device) for name, keep in kept}

    def read(name: str) -> Tensor:
        bits, shape, place = packed[name]
        return from_bits(bits(), shape, place)

    return Lazy(order, read)
