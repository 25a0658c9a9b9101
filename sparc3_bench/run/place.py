"""Place: where steps of runs are made: one model in memory, one store, one view of progress."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench.assets import scores_limit
from sparc3_bench.graph.cost import Passed
from sparc3_bench.graph.local import Local
from sparc3_bench.graph.step import Hold, Step
from sparc3_bench.graph.store import Kept, Store
from sparc3_bench.run.guard import guarded

if TYPE_CHECKING:
    from sparc3_bench.folder.spill import Spill
    from sparc3_bench.model.view import ModelView
    from sparc3_bench.run.cell import Cell
    from sparc3_bench.run.progress import Reporter
    from sparc3_bench.types.samples import ReferenceSamples
    from sparc3_bench.types.values import Progress


class Place(Local):
    """Makes the steps of runs in this process, and keeps those that are worth it.

    That is in the cache, or in the folder or under the URL of a `store`. A `label` says in lines of
    progress what is being run.
    """

    def __init__(self, cache: Path, report: Reporter, store: str | None = None) -> None:
        super().__init__(Store(store or cache / "steps", scores_limit(), report.say))
        self.store.waited = lambda seconds: report.tell({"waited": seconds})
        self.report, self.label, self.is_sound = report, "", True
        self._cache = cache
        self._view: ModelView | None = None
        self._loaded = ""

    def passed(self) -> Passed:
        """Return what has gone through the model so far."""
        view = self._view
        return Passed(view.tokens, view.backward_tokens, view.flops) if view else Passed()

    def load(self, cell: Cell) -> ModelView:
        """Load the model of a cell."""
        self.say(f"{cell.model.opening} in {cell.model.ref.dtype} …")
        self._view = cell.model.load(cell.spec.scope)
        return self._view

    def spill(self) -> Spill:
        """Return a file for tensors that need not be in memory all the time."""
        from sparc3_bench.folder.spill import Spill  # who only asks needs no torch

        return Spill(self._cache)

    def turn_to(self, cell: Cell, label: str) -> None:
        """Begin with another cell; forget the model of the one before where it is another."""
        wanted = f"{cell.spec.model.model_dump_json()} {cell.spec.scope} {cell.model.streams}"
        if wanted != self._loaded:
            self.release(Hold.SESSION)
            self._view = None
        self._loaded, self.label = wanted, label
        self.store.written.clear()

    def prove(self, who: str) -> None:
        """Prove that the model is as it was loaded; see `guarded` for what is raised."""
        if self._view is not None:
            with guarded(self._view, who):
                pass

    def take_back(self) -> None:
        """Keep nothing of the cell at work, nor its model, as neither can be relied on."""
        self.is_sound, self._view = False, None
        self.forget(self.store.written)

    def say(self, text: str) -> None:
        """Tell the user one line."""
        self.report.say(f"{self.label}: {text}" if self.label else text)

    def _make(self, step: Step[Any]) -> Kept:
        entry = super()._make(step)
        if step.codec is not None:
            cost = entry.cost.model_dump(mode="json")
            self.report.tell({"made": type(step).__name__, "key": step.key, "cost": cost})
        return entry

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        """Report the progress of one step."""
        return self.report.steps(f"{self.label} · {title}" if self.label else title)

    def ready(
        self, reference: ReferenceSamples, cell: Cell, progress: Callable[[int, int], None]
    ) -> ReferenceSamples:
        """Return reference samples as a scorer is given them."""
        return dataclasses.replace(
            reference,
            seed=cell.spec.seed + reference.seed,
            batch_size=cell.spec.batch_size,
            product_dtype=cell.spec.product_dtype,
            progress=progress,
        )
