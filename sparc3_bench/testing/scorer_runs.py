"""Run a scorer on tiny models for the checks, and compare what it returns."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from sparc3_bench.contracts import Scorer
from sparc3_bench.errors import describe
from sparc3_bench.model.state import undoing
from sparc3_bench.model.view import ModelView
from sparc3_bench.testing.plugin_checks import instance_of
from sparc3_bench.testing.report import Breach, CheckSkipped, demand, once
from sparc3_bench.testing.state import Interrupted, left_behind
from sparc3_bench.testing.tiny import ARCHITECTURES, make_reference, make_view
from sparc3_bench.types.samples import ReferenceSamples

MIXED = (12, 5, 9)
"""Lengths of samples, in turn; in one batch they need padding."""

TOLERANCE = 1e-4
"""How far scores may be apart by rounding, as a fraction of the largest one of their matrix."""

Plugin = Scorer | type[Scorer]
Scores = Mapping[str, Tensor]
Changes = Mapping[str, Sequence[str]]
"""By section of the state the names whose values changed."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class ScorerRun:
    """A scorer's plain run on one tiny model: samples of equal length, one at a time, float32."""

    plugin: Plugin
    scorer: Scorer
    architecture: str
    view: ModelView
    scores: Scores

    def __str__(self) -> str:
        return _where(self.architecture)


def plain_runs(plugin: Plugin) -> Iterator[ScorerRun]:
    """Score every tiny model plainly, but those that the scorer fails on; skip without any."""
    tried = (plain_run(plugin, architecture) for architecture in ARCHITECTURES)
    return _where_it_works([found for found in tried if isinstance(found, ScorerRun)])


of_runs = functools.partial(demand, of=plain_runs)
"""A demand on each plain run of a scorer."""


def plain_run(plugin: Plugin, architecture: str) -> ScorerRun | Exception:
    """Score a tiny model plainly, once for all checks; return the error if it raises one."""
    scorer = instance_of(plugin)

    def plainly() -> ScorerRun | Exception:
        # Making a tiny model seeds torch.
        with torch.random.fork_rng(devices=()):
            view = make_view(architecture)
            try:
                scores = scores_by(scorer, view, make_reference(4))
                return ScorerRun(plugin, scorer, architecture, view, scores)
            except Exception as error:  # a stranger's code may raise anything
                return error

    return once(plugin, f"plain run on {architecture}", plainly)


def changes(plugin: Plugin) -> Iterator[tuple[str, Changes]]:
    """Yield where, and by section what, a run that finishes leaves changed on each tiny model."""
    scorer = instance_of(plugin)

    def tried() -> list[tuple[str, Changes]]:
        found = []
        for architecture in ARCHITECTURES:
            # As above.
            with contextlib.suppress(Exception), torch.random.fork_rng(devices=()):
                found.append((_where(architecture), _left_behind(scorer, architecture, None)[0]))
        return found

    return _where_it_works(once(plugin, "changes", tried))


def _where_it_works(found: Sequence[Found]) -> Iterator[Found]:
    if not found:
        raise CheckSkipped("the scorer runs on no model; see check_runs_on_every_architecture")
    yield from found


def _where(architecture: str) -> str:
    return f"on the tiny {architecture} model"


def scores_by(scorer: Scorer, view: ModelView, reference: ReferenceSamples) -> Scores:
    """Return what the scorer returns, by weight; what it changes outside the model is put back."""
    with undoing(view):
        found = scorer.score(view, reference)
        if not isinstance(found, Mapping):
            raise TypeError(f"`score` returned {type(found).__name__}, which is no mapping")
        for name, values in found.items():
            if not isinstance(values, Tensor):
                raise TypeError(
                    f"`score` returned {type(values).__name__} for '{name}', which is no tensor"
                )
        return dict(found)


def variant(
    run: ScorerRun, reference: ReferenceSamples, how: str, view: ModelView | None = None
) -> Scores:
    """Score the run's model, or a view of another, in another way; a crash fails the check."""
    try:
        return scores_by(
            run.scorer, make_view(run.architecture) if view is None else view, reference
        )
    except Exception as error:  # a stranger's code may raise anything
        raise Breach(
            f"{how[0].upper()}{how[1:]} the scorer raises {describe(error)} {run}",
            "make `score` work for that as well",
            placed=True,
        ) from error


@dataclass(frozen=True)
class Gap:
    """Where two sets of scores are furthest apart."""

    name: str
    difference: float
    largest: float

    def __str__(self) -> str:
        return (
            f"scores of '{self.name}' differ by {self.difference:.3g} (largest {self.largest:.3g})"
        )


def largest_gap(one: Scores, other: Scores, tolerance: float = TOLERANCE) -> Gap | None:
    """Return where scores are further apart than the tolerance, if anywhere.

    Names, shapes and numbers that are not finite are left to the checks about these.
    """
    found: list[Gap] = []
    for name in one.keys() & other.keys():
        first, second = one[name].detach(), other[name].detach()
        if first.shape != second.shape or not first.numel():
            continue
        both = torch.isfinite(first) & torch.isfinite(second)
        first, second = (v.double().where(both, torch.zeros(())) for v in (first, second))
        difference = float((first - second).abs().max())
        largest = float(torch.maximum(first.abs(), second.abs()).max())
        if difference > tolerance * largest:
            found.append(Gap(name, difference, largest))
    return max(found, key=lambda each: each.difference / each.largest, default=None)


def skip_unless_repeatable(run: ScorerRun, reference: ReferenceSamples) -> None:
    """Skip the check when scores differ from run to run anyway."""
    first, second = (
        scores_by(run.scorer, make_view(run.architecture), reference) for _ in range(2)
    )
    if largest_gap(first, second) is not None:
        raise CheckSkipped("scores differ from run to run; see check_is_deterministic")


def interruptions(plugin: Plugin) -> Iterator[tuple[str, Changes, bool]]:
    """Interrupt a run in the middle of the reference, on each tiny model that it is run on.

    Yield where; by section what is left changed that a run which finishes does not; and whether the
    interruption came through.
    """
    finished = dict(changes(plugin))
    for run in plain_runs(plugin):
        left, reached, through = _left_behind(run.scorer, run.architecture, stop_after=2)
        if reached:
            only = {
                section: [name for name in names if name not in finished[str(run)][section]]
                for section, names in left.items()
            }
            yield str(run), only, through


def _left_behind(
    scorer: Scorer, architecture: str, stop_after: int | None
) -> tuple[Changes, bool, bool]:
    view = _prepared(architecture)
    reached = False

    def progress(done: int, total: int) -> None:
        nonlocal reached
        if done == stop_after:
            reached = True
            raise Interrupted

    def act() -> None:
        try:
            scorer.score(view, dataclasses.replace(make_reference(4), progress=progress))
        except Exception as error:  # a stranger's code may turn it into an error of its own
            raise (Interrupted if reached else error) from None

    left, through = left_behind(view, act)
    return left, reached, through


def _prepared(architecture: str) -> ModelView:
    view = make_view(architecture)
    prunable = {id(weight.parameter) for weight in view.weights().values()}
    others = [value for value in view.model.parameters() if id(value) not in prunable]
    for parameter in others[::2]:
        parameter.requires_grad_(False)
    # The one module whose mode is varied draws no dropout.
    head: Any = view.model.get_output_embeddings()  # type: ignore[operator]
    head.train()
    with torch.no_grad():  # what the model sets up on its first run is its own affair
        view.forward(next(make_reference(1).batches()))
    return view
