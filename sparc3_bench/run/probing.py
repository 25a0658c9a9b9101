"""Probes: what a step costs on this machine, tried on the real model, long ones in part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from sparc3_bench.model.blockwise import walk
from sparc3_bench.model.view import ModelView
from sparc3_bench.record.parts import Phase
from sparc3_bench.run import store
from sparc3_bench.run.environment import added, metered, peak
from sparc3_bench.run.progress import Reporter
from sparc3_bench.run.progress import Step as Told
from sparc3_bench.run.steps import Measuring, Scoring, Walking
from sparc3_bench.types.masks import KeepMask
from sparc3_bench.types.samples import Batch, ReferenceSamples

if TYPE_CHECKING:
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.runner import Session


_MOST = 0.999
"""The share of weights that stays in a mask that is only tried."""


@dataclass(frozen=True)
class Cost:
    """What something costs.

    Attributes
    ----------
    seconds
        Wall time.
    tokens
        Through the model, padding included.
    flops
        Floating point operations of its matrix products, as far as torch counts them (on a
        processor without those of attention among tokens); a product and a sum are two.
    peak_bytes
        The most memory that is resident at once.
    """

    seconds: float = 0.0
    tokens: float = 0.0
    flops: float = 0.0
    peak_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds + other.seconds,
            self.tokens + other.tokens,
            self.flops + other.flops,
            max(self.peak_bytes, other.peak_bytes),
        )

    @classmethod
    def of(cls, phase: Phase) -> Cost:
        """Return the cost of a phase, whose operations nobody counted."""
        return cls(phase.seconds, phase.tokens or 0, 0.0, phase.peak_bytes)

    def times(self, factor: float) -> Cost:
        """Return the cost of `factor` of it."""
        return Cost(
            self.seconds * factor, self.tokens * factor, self.flops * factor, self.peak_bytes
        )


@dataclass(frozen=True)
class Line:
    """A cost that grows with the length of the reference, in tokens."""

    fixed: Cost
    each: Cost

    def at(self, length: int) -> Cost:
        """Return the cost of a reference of `length` tokens."""
        return self.fixed + self.each.times(length)


class Enough(BaseException):
    """Ends a probe from within. Like an interruption, no plugin takes it for an error."""


class Watch(Reporter):
    """Says what is going on, and ends a step that has been seen for long enough.

    Parameters
    ----------
    limit
        Seconds.

    Attributes
    ----------
    view
        The model whose tokens are counted; None before it is loaded.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit
        self.view: ModelView | None = None
        self._cuts = False
        self._forget()

    @contextmanager
    def cutting(self) -> Iterator[None]:
        """End what takes longer than the limit."""
        self._cuts = True
        try:
            yield
        finally:
            self._cuts = False

    @contextmanager
    def steps(self, label: str) -> Iterator[Told]:
        """Report the steps of one phase, until the limit."""
        with super().steps(label) as shown:
            self._forget()

            def step(done: int, total: int) -> None:
                shown(done, total)
                self._marks.append((time.perf_counter(), self._counted(), done, total))
                late = self._marks[-1][0] - self._began[0] > self.limit
                if late and self._cuts and done < total and len(self._marks) > 1:
                    raise Enough

            yield step

    def extrapolated(self) -> Cost:
        """Return what the phase that was ended would have cost.

        Steps are taken to cost the same, and what came before the first as it was.
        """
        (first, tokens, done, total), (last, at_last, reached, _) = self._marks[0], self._marks[-1]
        share = reached - done
        one = share / (len(self._marks) - 1)

        def whole(before: float, since: float) -> float:
            return max(0.0, before - since * one / share) + since * total / share

        return Cost(
            whole(first - self._began[0], last - first),
            whole(tokens - self._began[1], at_last - tokens),
        )

    def _forget(self) -> None:
        self._began = time.perf_counter(), self._counted()
        self._marks: list[tuple[float, int, int, int]] = []

    def _counted(self) -> int:
        return self.view.tokens if self.view is not None else 0


def flops_of_token(view: ModelView) -> float:
    """Return the operations of one token's way through the dense model, in a window of 128."""
    length = min(128, getattr(view.config, "max_position_embeddings", 128))
    ids = torch.ones(1, length, dtype=torch.long, device=view.device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        view.forward(Batch(ids, torch.ones_like(ids), None))
    return float(counter.get_total_flops() / length)


def measured(session: Session, cell: Cell, step: Measuring, watch: Watch) -> tuple[Cost, bool]:
    """Try an evaluation, which is kept for the run when it was not cut short.

    Where a pruned model takes longer than the dense one, few weights are removed at random: a model
    that says anything still.

    Returns
    -------
    tuple
        The cost but for operations, and whether it was tried in full.
    """
    digest = store.DENSE
    removing: Callable[[], AbstractContextManager[object]] = nullcontext
    if not step.as_dense:
        weights = session.view.weights()
        keep = KeepMask({n: torch.rand(w.matrix.shape) < _MOST for n, w in weights.items()})
        digest, removing = store.mask_digest(keep), partial(session.ablated, cell, keep)
        if cell.prepared.part(step.part).compares:
            session.dense(cell, step.part)
    try:
        with watch.cutting():
            found = session.evaluate(cell, step.part, digest, removing, "Trying an evaluation")
    except Enough:
        return replace(watch.extrapolated(), peak_bytes=peak()), False
    return Cost.of(added(found.raw.phase, found.judging)), True


def averaged(session: Session, cell: Cell) -> Cost:
    """Make the mean inputs, and return what they cost but for operations."""
    with metered(session.view) as meter:
        session.mean_inputs(cell)
    return Cost.of(meter.phase)


def scored(session: Session, step: Scoring, limit: float) -> Line:
    """Try scoring on few of the reference samples: on one, and on some more.

    Of seconds that the limit allows a quarter is enough, as samples are much alike.

    Raises
    ------
    Sparc3Error
        When the scorer cannot score this model.
    """
    one, most = _some(step.reference, 1), len(step.reference.samples)
    with FlopCounterMode(display=False) as counter:
        short = _scored(session, step, one)  # the first of anything takes longer
    if not step.cell.scorer.needs_reference:
        return Line(_scored(session, step, one), Cost())
    if most > 1 and short.seconds < limit:
        short = _scored(session, step, one)
    some = _some(step.reference, min(most, max(3, int(limit / 4 / max(short.seconds, 1e-3)))))
    long = _scored(session, step, some) if most > 1 else short
    length, more = _length(one), _length(some) - _length(one)
    each = Cost(
        max(0.0, long.seconds - short.seconds) / more if more else short.seconds / length,
        long.tokens / _length(some),
        counter.get_total_flops() / length,
        long.peak_bytes,
    )
    return Line(Cost(max(0.0, short.seconds - each.seconds * length)), each)


def walked(session: Session, step: Walking, limit: float) -> Cost:
    """Try schedule `blockwise` on the first blocks, three at least, with nothing pruned."""
    cell, view = step.cell, session.view
    reference = session.ready(
        next(iter(session.references(cell).values())), cell, lambda done, total: None
    )
    marks: list[Cost] = []
    counter = FlopCounterMode(display=False)
    with metered(view) as meter, closing(walk(view, reference)) as blocks, counter:
        start, tokens = time.perf_counter(), view.tokens
        for block in blocks:
            seconds, read = time.perf_counter() - start, view.tokens - tokens
            marks.append(Cost(seconds, read, counter.get_total_flops()))
            if len(marks) > 3 and seconds - marks[0].seconds > limit:
                break
            cell.scorer.score(block, reference)
    count, left = len(marks) - 1, len(view.blocks) - len(marks) + 1
    each = marks[-1] + marks[0].times(-1)
    whole = marks[-1] + each.times(left / count if count else 0)
    return replace(whole, peak_bytes=meter.phase.peak_bytes)


def _scored(session: Session, step: Scoring, reference: ReferenceSamples) -> Cost:
    cell, view = step.cell, session.view
    given = session.ready(reference, cell, lambda done, total: None)
    with reference.altering(view), metered(view) as meter:
        cell.scorer.score(view, given)
    return Cost.of(meter.phase)


def _length(reference: ReferenceSamples) -> int:
    return sum(map(len, reference.samples))


def _some(reference: ReferenceSamples, count: int) -> ReferenceSamples:
    """Return `count` samples, evenly spaced."""
    places = [index * len(reference.samples) // count for index in range(count)]

    def picked(values: Any) -> Any:
        return None if values is None else [values[place] for place in places]

    names = ("samples", "targets", "starts")
    return replace(reference, **{name: picked(getattr(reference, name)) for name in names})
