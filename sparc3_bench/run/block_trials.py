"""Block trials: what it takes to score a model a block at a time, from some of its blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

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
    who = f"Scorer '{cell.scorer.name}'"
    with (
        guarded(view, who),
        metered() as meter,
        closing(way(view, reference)) as blocks,
    ):
        start, tokens, flops = time.perf_counter(), view.tokens, view.flops
        for block in blocks:
            settle()
            seconds = time.perf_counter() - start
            passed = {"tokens": view.tokens - tokens, "flops": view.flops - flops}
            marks.append(Cost(seconds=seconds, **passed))
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
