"""Pruned models: which were measured twice, told by everything that decides what is removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.phrasing import is_reference
from sparc3_bench.leaderboard.tables import judge_of
from sparc3_bench.record.spec import canonical_json
from sparc3_bench.run.options import as_typed, build

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.leaderboard.boards import Board
    from sparc3_bench.leaderboard.entries import Entry
    from sparc3_bench.leaderboard.series import ResultFile, Series
    from sparc3_bench.record.parts import Point
    from sparc3_bench.record.result import Result


@dataclass(frozen=True)
class PrunedPoint:
    """A pruned model as one task measured it: a point of a run, of a row of a section."""

    entry: Entry
    series: Series
    run: ResultFile
    point: Point

    @property
    def value(self) -> float:
        """The main metric of the task."""
        return self.point.metrics[self._metric]

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval, where there is one."""
        return self.point.intervals.get(self._metric)

    @property
    def amount(self) -> str:
        """How much is removed, in words."""
        return self.entry.section.sizes.words(self.point.amount.requested)

    @property
    def ran(self) -> tuple[str, str]:
        """In which number format, on what kind of device."""
        model = self.run.result.spec.model
        return model.dtype, model.device

    @property
    def _metric(self) -> str:
        return self.run.result.metrics[0].name


Pair = tuple[PrunedPoint, PrunedPoint]
"""The same pruned model in the first task and in the second."""


Masks = Mapping[tuple[str, float], Sequence[PrunedPoint]]
"""By pruned model and amount, where it was measured: newest last."""


def by_samples(board: Board, host: PluginHost) -> list[Masks]:
    """Return what a board measured, apart by the samples that it was measured on."""
    found: dict[Any, dict[tuple[str, float], list[PrunedPoint]]] = {}
    for entry in board.entries:
        if not entry.section.prunes:
            continue
        for one in entry.section.series:
            for run in one.runs:
                result = run.result
                if result.candidate or result.metrics[0].direction == "neither":
                    continue
                key = pruning_key(result, host)
                here = found.setdefault(_samples(result), {})
                for point in result.points:
                    # The dense model and the empty one are the same whatever was ranked.
                    if 0 < point.amount.in_scope < 1:
                        mask = key, point.amount.requested
                        here.setdefault(mask, []).append(PrunedPoint(entry, one, run, point))
    for masks in found.values():
        for members in masks.values():
            members.sort(key=lambda one: (one.run.result.created, one.run.result.key))
    return [found[name] for name in sorted(found, key=str)]


def pruning_key(result: Result, host: PluginHost) -> str:
    """Return what two runs share that remove the same weights; the number format may differ.

    Options that the record of an older scorer lacks have the defaults of the one that is installed.
    """
    spec, model = result.spec, result.spec.model
    options: Mapping[str, Any] = spec.scorer.options
    try:
        cls = host.get("scorer", spec.scorer.name).cls
        options = build("scorer", cls, as_typed(options)).options()
    except Sparc3Error:
        pass  # not installed, or not with these options: then only equal records are alike
    return canonical_json(
        {
            "model": (model.slug, model.weight_digest),
            "scorer": (spec.scorer.name, options),
            "objective": spec.objective,
            "seed": spec.seed,
            **spec.conventions(),
            "reference": [
                (data.digest, data.token_digest, data.windows, data.window_length, data.begin)
                for data in spec.datasets
                if is_reference(data)
            ],
        }
    )


def _samples(result: Result) -> tuple[Any, ...]:
    """Return what two runs share whose numbers may be pooled, in whatever number format."""
    spec = result.spec
    measured = [data for data in spec.datasets if not is_reference(data)]
    return (
        tuple((d.token_digest, d.windows, d.window_length, d.begin) for d in measured),
        (result.metrics[0].name, result.metrics[0].direction),
        judge_of(spec),
    )


def pairs_of(left: Masks, right: Masks) -> Iterator[Pair]:
    """Yield every pruned model once; measured in one number format by both, where it was."""
    for mask, ours in left.items():
        pairs = [
            (one, other)
            for one in ours
            for other in right.get(mask, ())
            if one.point.amount.weights_removed == other.point.amount.weights_removed
        ]
        if pairs:
            yield max(enumerate(pairs), key=lambda at: (at[1][0].ran == at[1][1].ran, at[0]))[1]
