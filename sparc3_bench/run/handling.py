"""Handling: what a run does beside scoring and measuring, timed once on scores at random."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from sparc3_bench.attribution.scores import checked, save_scores
from sparc3_bench.model.view import ModelView
from sparc3_bench.run import store
from sparc3_bench.run.points import OneShot
from sparc3_bench.run.sketch import Sketcher
from sparc3_bench.run.steps import Measuring, Scoring, Step
from sparc3_bench.selection.control import matched
from sparc3_bench.selection.select import as_mask
from sparc3_bench.selection.units import ranked
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.runner import Session

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Handling:
    """Seconds that a run takes beside its steps, in one way of selecting.

    Attributes
    ----------
    ranking
        To rank what is pruned by a map of scores.
    keeping
        To check a map and keep it.
    choosing
        To choose what an amount keeps, and name it.
    removing
        To remove that from the model, and to put it back.
    drawing
        To draw as much at random.
    """

    ranking: float
    keeping: float
    choosing: float
    removing: float
    drawing: float

    def of(self, step: Step, *, is_new: bool) -> float:
        """Return the seconds that go with a step."""
        if isinstance(step, Scoring):
            kept = self.keeping if is_new and step.cell.scorer.needs_reference else 0.0
            return self.ranking + kept
        if not isinstance(step, Measuring):
            return 0.0
        found = 0.0 if step.is_control else self.choosing
        if is_new and step.is_masked:
            found += self.removing + (self.drawing if step.is_control else 0.0)
        return found


def noise(view: ModelView) -> ScoreMap:
    """Return scores at random, for what depends on their number only."""
    generator = torch.Generator().manual_seed(0)
    return ScoreMap(
        {
            name: torch.rand(weight.matrix.shape, generator=generator).to(view.device)
            for name, weight in view.weights().items()
        }
    )


def handled(session: Session, cell: Cell, scores: ScoreMap) -> Handling:
    """Time everything once, at an amount in the middle.

    Parameters
    ----------
    session
        Of the cell's plan.
    cell
        Whose unit, group and amounts are taken.
    scores
        Any, of every weight.
    """
    view, spec = session.view, cell.spec
    run = OneShot(session, cell, "")
    ranking, ranks = _timed(lambda: ranked(scores, view, spec.unit))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores"
        kept_scores, keeps = _timed(lambda: checked(scores, view.weights(), ""))
        _, writes = _timed(lambda: save_scores(kept_scores, path, {}))
    amount = spec.amounts[len(spec.amounts) // 2]
    kept, chooses = _timed(lambda: run.chosen(ranking.scores, amount))
    keep, masks = _timed(lambda: as_mask(kept, view, spec.unit))

    def named() -> None:
        store.mask_digest(keep)
        run.counted(keep)
        Sketcher(ranking.scores).add(kept)

    def removed() -> None:
        with view.masked(keep):
            pass

    _, names = _timed(named)
    _, removes = _timed(removed)
    _, draws = _timed(lambda: as_mask(matched(kept, spec.group, 0), view, spec.unit))
    return Handling(ranks, keeps + writes, chooses + masks + names, removes, draws)


def _timed(make: Callable[[], _Made]) -> tuple[_Made, float]:
    start = time.perf_counter()
    made = make()
    return made, time.perf_counter() - start
