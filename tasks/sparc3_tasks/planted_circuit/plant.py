"""Plant noise beside the two trained parts, of a kind that cannot reach the output.

On a prompt of one part the dimensions of the other are exactly zero, as are those that nothing
writes. From this, three ways to be idle follow: to read only zeros; to feed a product whose other
factor is zero (a value, a gate); to be one of two units that cancel. A pair is a unit and its twin:
the same rows, and the same column with the other sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparc3_tasks.planted_circuit.fit import Masks
from sparc3_tasks.planted_circuit.layout import ATTENTION, KINDS, Kind, Layout

PAIRS = {"hidden-pair": "unread", "open-pair": "circuit"}
"""The dimensions that each kind of pair writes."""


@dataclass(frozen=True)
class Region:
    """A part of a matrix that is filled with noise."""

    name: str
    rows: Tensor
    columns: Tensor
    kind: Kind
    twins: int | None = None
    """0 where the second half of the rows repeats the first, 1 where that of the columns does with
    the other sign."""


def plant(model: Any, layout: Layout, masks: Masks, seed: int) -> dict[str, Tensor]:
    """Fill every region with noise and return the kind of every weight, uint8 like the matrix.

    Noise is drawn, zeros and all, from what was trained for IOI in the same matrix, so that the
    size of a weight tells nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    kinds: dict[str, Tensor] = {}
    trained: dict[str, Tensor] = {}
    for name, rows, columns in layout.trained("circuit"):
        weight = model.get_submodule(name).weight.detach()
        trained[name] = weight[rows[:, None], columns].flatten()
        kinds[name] = torch.zeros(weight.shape, dtype=torch.uint8)
        for part, found in masks.items():
            kinds[name][found[name]] = KINDS[part]
    for region in regions(layout):
        source = trained[region.name]
        shape = [len(region.rows), len(region.columns)]
        if region.twins is not None:
            shape[region.twins] //= 2
        noise = source[torch.randint(len(source), shape, generator=generator)]
        if region.twins is not None:
            noise = torch.cat([noise, -noise if region.twins else noise], region.twins)
        at = region.rows[:, None], region.columns
        weight = model.get_submodule(region.name).weight.detach()
        weight[at] = noise
        kinds[region.name][at] = (noise != 0).to(torch.uint8) * region.kind
    return kinds


def regions(layout: Layout) -> Iterator[Region]:
    """Yield every region of noise."""
    zero, both = layout.read("unwritten"), layout.read("sums", "unwritten")
    everything = layout.read("circuit", "sums", "unwritten")
    reads = {
        "circuit": (both, layout.read("unwritten")),
        "sums": (layout.read("circuit", "unwritten"), zero),
    }
    for index, block in enumerate(layout.blocks):
        attention, mlp = f"model.layers.{index}.self_attn", f"model.layers.{index}.mlp"
        q, k, v, o = (f"{attention}.{name}" for name in (*ATTENTION, "o_proj"))
        gate, up, down = (f"{mlp}.{name}_proj" for name in ("gate", "up", "down"))
        for part, (wide, narrow) in reads.items():
            # Queries, keys and up may read the other part, as values and gates are zero there.
            for name in (q, k):
                yield Region(name, block.heads[part], wide, Kind.DEAD)
            yield Region(v, block.heads[part], narrow, Kind.DEAD)
            yield Region(gate, block.neurons[part], narrow, Kind.DEAD)
            yield Region(up, block.neurons[part], wide, Kind.DEAD)
        heads = block.heads["dead"]
        for name, columns in ((q, everything), (k, everything), (v, zero)):
            yield Region(name, heads, columns, Kind.DEAD)
        yield Region(o, layout.dimensions["circuit"], heads, Kind.DEAD)
        # A dead neuron multiplies what only one part makes with what only the other makes.
        first, second = block.neurons["dead"].chunk(2)
        for neurons, gated_by, fed_by in ((first, "sums", "circuit"), (second, "circuit", "sums")):
            yield Region(gate, neurons, layout.read(gated_by, "unwritten"), Kind.DEAD)
            yield Region(up, neurons, layout.read(fed_by, "unwritten"), Kind.DEAD)
            yield Region(down, layout.dimensions["circuit"], neurons, Kind.DEAD)
        own = layout.read("circuit", "unwritten")
        for part, target in PAIRS.items():
            heads, neurons, kind = block.heads[part], block.neurons[part], KINDS[part]
            for name, columns in ((q, everything), (k, everything), (v, own)):
                yield Region(name, heads, columns, kind, 0)
            yield Region(o, layout.dimensions[target], heads, kind, 1)
            for name, columns in ((gate, own), (up, everything)):
                yield Region(name, neurons, columns, kind, 0)
            yield Region(down, layout.dimensions[target], neurons, kind, 1)
