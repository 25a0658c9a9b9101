"""The plan of the planted model: which dimensions, heads and neurons belong to which part."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCKS = 2
HEAD_SIZE = 8

DIMENSIONS = {"circuit": 28, "sums": 24, "unread": 12, "unwritten": 16}
"""Of the residual stream. Nothing reads `unread`; only units that give zero write `unwritten`."""
HEADS = {"circuit": 3, "sums": 2, "dead": 1, "hidden-pair": 2, "open-pair": 2}
"""Of each block. The two of a pair cancel, in `unread` (hidden) or in `circuit` (open)."""
NEURONS = {"circuit": 32, "sums": 24, "dead": 16, "hidden-pair": 24, "open-pair": 16}
"""Of each block; so are those of the pairs, the second half of which cancels the first."""

ATTENTION = ("q_proj", "k_proj", "v_proj")
HIDDEN_SIZE, HEAD_COUNT, NEURON_COUNT = (sum(s.values()) for s in (DIMENSIONS, HEADS, NEURONS))


class Kind(enum.IntEnum):
    """What a weight is for; one code a weight in ``truth.safetensors``."""

    ABSENT = 0
    """Zero: there is nothing to remove, and it is not judged."""
    CIRCUIT = 1
    """Trained for IOI: the true circuit."""
    SUMS = 2
    """Trained for the sums; it reads zeros on IOI prompts."""
    DEAD = 3
    """Noise that reads zeros, or feeds a product with zero: nothing of it reaches the output."""
    HIDDEN_PAIR = 4
    """Noise of two units that cancel, in dimensions that nothing reads."""
    OPEN_PAIR = 5
    """Noise of two units that cancel, in dimensions that the circuit reads."""


KINDS = {kind.name.lower().replace("_", "-"): kind for kind in Kind if kind is not Kind.ABSENT}
"""By the name of the part."""


@dataclass(frozen=True)
class Block:
    """The rows and columns of one block's matrices, by part."""

    heads: Mapping[str, Tensor]
    """Part to the rows of q, k and v, which are the columns of o."""
    neurons: Mapping[str, Tensor]
    """Part to the rows of gate and up, which are the columns of down."""


@dataclass(frozen=True)
class Layout:
    """Where the parts are. Places are drawn, so that a position tells nothing."""

    dimensions: Mapping[str, Tensor]
    blocks: tuple[Block, ...]

    def trained(self, part: str) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield the region of every matrix that is trained for `part`: name, rows, columns."""
        stream = self.dimensions[part]
        for index, block in enumerate(self.blocks):
            heads, neurons = block.heads[part], block.neurons[part]
            prefix = f"model.layers.{index}"
            for name in ATTENTION:
                yield f"{prefix}.self_attn.{name}", heads, stream
            yield f"{prefix}.self_attn.o_proj", stream, heads
            for name in ("gate_proj", "up_proj"):
                yield f"{prefix}.mlp.{name}", neurons, stream
            yield f"{prefix}.mlp.down_proj", stream, neurons

    def read(self, *parts: str) -> Tensor:
        """Return the dimensions of several parts."""
        return torch.cat([self.dimensions[part] for part in parts])


def draw_layout(seed: int) -> Layout:
    """Draw a place for every part."""
    generator = torch.Generator().manual_seed(seed)

    def shared_out(sizes: Mapping[str, int]) -> dict[str, Tensor]:
        places = torch.randperm(sum(sizes.values()), generator=generator)
        return dict(zip(sizes, torch.split(places, list(sizes.values())), strict=True))

    def rows(head: Tensor) -> Tensor:
        return (head[:, None] * HEAD_SIZE + torch.arange(HEAD_SIZE)).flatten()

    dimensions = shared_out(DIMENSIONS)
    blocks = tuple(
        Block({part: rows(heads) for part, heads in shared_out(HEADS).items()}, shared_out(NEURONS))
        for _ in range(BLOCKS)
    )
    return Layout(dimensions, blocks)
