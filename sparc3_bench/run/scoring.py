"""Scoring: the scores of one reference, from zero or on from what fewer of its samples left."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from sparc3_bench.attribution.scores import checked
from sparc3_bench.incremental import IncrementalScorer
from sparc3_bench.run import store
from sparc3_bench.run.environment import added, metered
from sparc3_bench.run.judging import NOTHING
from sparc3_bench.types.scores import ScoreMap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from sparc3_bench.contracts import Scorer
    from sparc3_bench.incremental import State
    from sparc3_bench.record.parts import Phase
    from sparc3_bench.run.plan import Cell
    from sparc3_bench.run.runner import Session
    from sparc3_bench.types.samples import ReferenceSamples


def goes_on(scorer: Scorer) -> TypeGuard[IncrementalScorer]:
    """Return whether a scorer can go on from a snapshot under its options."""
    return isinstance(scorer, IncrementalScorer) and scorer.resumes


def scored(
    session: Session, cell: Cell, purpose: str, reference: ReferenceSamples, label: str
) -> tuple[ScoreMap, Phase]:
    """Return a cell's scores under one reference, and what they cost.

    Where the plan keeps snapshots and the scorer can go on, samples that are in one are not run
    again; their cost counts all the same.
    """
    scorer, view = cell.scorer, session.view
    if session.plan.snapshots and goes_on(scorer):
        return _gone_on(session, cell, scorer, purpose, reference, label)
    with (
        session.report.steps(label) as step,
        reference.altering(view),
        metered(view) as meter,
    ):
        found = scorer.score(view, session.ready(reference, cell, step))
        scores = checked(found, view.weights(), scorer.name)
    return scores, meter.phase


def _gone_on(
    session: Session,
    cell: Cell,
    scorer: IncrementalScorer,
    purpose: str,
    reference: ReferenceSamples,
    label: str,
) -> tuple[ScoreMap, Phase]:
    view, count = session.view, len(reference.samples)
    paths = [
        session.cache / "scores" / f"snapshot-{key}.safetensors"
        for key in store.snapshot_keys(cell.spec, purpose, reference)
    ]
    before, (state, cost) = _longest(paths, view.device)
    with session.report.steps(label) as step, reference.altering(view):
        if before < count:
            rest = session.ready(reference, cell, lambda done, _: step(before + done, count))
            with metered(view) as meter:
                state = scorer.accumulate(view, rest.part(before), state)
            cost = added(cost, meter.phase)
            about = {"spec": cell.spec.model_dump(mode="json"), "purpose": purpose}
            store.write_snapshot(state, paths[-1], {**about, "cost": cost.model_dump()})
        with metered(view) as meter:
            scores = checked(scorer.finish(view, state), view.weights(), scorer.name)
    if before:
        new = sum(len(sample) for sample in reference.samples[before:])
        session.report.say(
            f"{label}: {before} of {count} samples came from a snapshot; {new:,} tokens were new"
        )
    return scores, added(cost, meter.phase)


def _longest(paths: Sequence[Path], device: torch.device) -> tuple[int, tuple[State, Phase]]:
    """Return how many samples the longest snapshot has, and what it holds."""
    for index in reversed(range(len(paths))):
        if kept := store.read_snapshot(paths[index], device):
            return index + 1, kept
    return 0, ({}, NOTHING)
