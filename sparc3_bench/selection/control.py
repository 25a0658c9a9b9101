"""matched: a random circuit with the same counts as a given one, the control it must beat."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sparc3_bench.selection.keep import as_groups, keep_groups, ungrouped
from sparc3_bench.types.groups import Group


def matched(kept: Mapping[str, Tensor], group: Group, seed: int) -> dict[str, Tensor]:
    """Keep at random as many as `kept` does, in every row, pattern or tile, else in every tensor.

    `kept` is what `choose` kept in this comparison group: bool, one tensor a matrix (weights) or a
    block (neurons, heads). Of `row`, patterns and tiles all keep as many. Controls of one seed are
    nested: the smaller lies inside the larger.
    """
    controls = {}
    for name, keep in kept.items():
        # Drawn by the host, the same for all devices, and ranked where the mask is.
        noise = _noise(f"{seed}/{name}", keep.shape).to(keep.device)
        # Of a model every tensor has as many as the circuit has there.
        first = as_groups(keep, "layer" if group == "model" else group)[0]
        (kept_of_noise,) = keep_groups(
            [as_groups(noise, group)], len(first) - int(first.count_nonzero())
        )
        controls[name] = ungrouped(kept_of_noise, group, keep.shape)
    return controls


def _noise(name: str, shape: torch.Size) -> Tensor:
    digest = hashlib.sha256(f"control/{name}".encode()).digest()
    generator = np.random.PCG64(int.from_bytes(digest[:8], "big"))
    # Sixteen bits are sorted in two thirds of the time of 32, and half as many are drawn; of the
    # few that tie at the threshold the last are kept, which is random enough for a control.
    drawn = generator.random_raw(shape.numel() // 4 + 1).view(np.int16)
    return torch.from_numpy(drawn[: shape.numel()]).view(shape)
