"""Block trials: what it takes to score a model a block at a time, from some of its blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from sparc3_bench.graph.cost import metered, settle
from sparc3_bench.graph.forecast import Cost
from sparc3_bench.model.view import ModelView
from sparc3_bench.run.cell import Cell
from sparc3_bench.run.guard import guarded
from sparc3_bench.run.place import Place
from sparc3_bench.run.steps.model import DenseModel
from sparc3_bench.types.samples import ReferenceSamples

Way = Callable[[Any, ReferenceSamples], Generator[ModelView]]
"""Yields a view of each block of a model, in the order in which they are scored."""


def by_blocks(at: Place, cell: Cell, asked: ReferenceSamples, way: Way, limit: float) -> Cost:
    """Return what scoring all blocks takes, by those that `limit` seconds allow, three at least."""
    view, marks = at.get(DenseModel(cell)), list[Cost]()
    reference = at.ready(asked, cell, lambda done, total: None)
    counter, who = FlopCounterMode(display=False), f"Scorer '{cell.scorer.name}'"
    with (
        guarded(view, who),
        metered() as meter,
        closing(way(view, reference)) as blocks,
        counter,
    ):
        start, tokens = time.perf_counter(), view.tokens
        for block in blocks:
            settle()
            seconds, read = time.perf_counter() - start, view.tokens - tokens
            flops = counter.get_total_flops()
            marks.append(Cost(seconds=seconds, tokens=read, flops=flops))
            if len(marks) > 3 and seconds - marks[0].seconds > limit:
                break
            cell.scorer.score(block, reference)
    done = len(marks) - 1
    # Without the first, where there are more: it takes longer, and the last has the head behind it.
    known = max(1, done - 1)
    each = marks[-1] + marks[max(0, done - known)].times(-1)
    whole = marks[-1] + each.times((len(view.blocks) - done) / known)
    most = {"peak_bytes": meter.phase.peak_bytes, "device_bytes": meter.phase.device_bytes or 0}
    return whole.model_copy(update=most)
