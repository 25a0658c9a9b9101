"""Comparable: what two runs must share to be compared, and how each says what it has."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sparc3_bench.comparison import phrasing
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.record.result import Result
from sparc3_bench.record.spec import RunSpec, canonical_json
from sparc3_bench.types.conventions import CONVENTIONS, place_of

ComparisonKey = tuple[Any, ...]
"""What two runs must share before their numbers may be compared; sorts in reading order."""


class Requirement(NamedTuple):
    """One thing that two runs must share: how it is told apart, and said.

    Without `said`, of two runs that differ in it what both have may be compared. What is `rare` is
    left out of the name of a section where it does not apply, so that names stay as they were
    before it came.
    """

    name: str
    key: Callable[[Result], tuple[Any, ...]]
    said: Callable[[Result], Sequence[str]] | None
    rare: bool = False


def comparison_key(result: Result) -> ComparisonKey:
    """Return what another run must share before the numbers of the two may be compared."""
    return tuple(one.key(result) for one in _SHARED)


def key_parts(key: ComparisonKey) -> list[list[Any]]:
    """Return what names a section."""
    parts = zip(_SHARED, key, strict=True)
    return [list(part) for one, part in parts if part or not one.rare]


def check_side_by_side(first: str, one: Result, second: str, other: Result) -> None:
    """Refuse two runs, called `first` and `second`, that may not be compared.

    Raises
    ------
    Sparc3Error
        Naming in words what they differ in, and what each has.
    """
    for shared in _SHARED:
        if shared.said is None or shared.key(one) == shared.key(other):
            continue
        both = shared.said(one), shared.said(other)
        told = list(itertools.zip_longest(*both, fillvalue="nothing"))
        ours, its = zip(*[pair for pair in told if pair[0] != pair[1]] or told, strict=True)
        raise Sparc3Error(
            f"{first} and {second} cannot be compared: they differ in {shared.name}, "
            f"{', '.join(ours)} and {', '.join(its)}; run one of them as the other was run."
        )


def samples_of(spec: RunSpec, *, of_reference: bool) -> tuple[Any, ...]:
    """Return what tells samples apart: those that steer the scores, or those measured on."""
    return tuple(
        # Sizes too: the task decides whether its digest marks where a window ends.
        (data.token_digest, data.windows, data.window_length, data.begin)
        for data in spec.datasets
        if phrasing.is_reference(data) == of_reference
    )


def judge_of(spec: RunSpec) -> tuple[str, ...]:
    """Return what tells two judges apart; empty without one."""
    judge = spec.judge
    if judge is None:
        return ()
    options = canonical_json(judge.options)
    package = (judge.distribution, judge.version, judge.source_digest)
    return judge.name, options, *package, judge.weights_digest


def _task(result: Result) -> tuple[Any, ...]:
    spec = result.spec
    return spec.task.name, -spec.task.task_version, spec.model.slug  # newest version first


def _weights(result: Result) -> tuple[Any, ...]:
    # Not the label, which only tells in words what the digest of the weights says.
    model = result.spec.model
    return model.dtype, model.weight_digest, model.tokenizer_digest


_SHARED = (
    Requirement(
        "task or model",
        _task,
        lambda result: [
            f"task {result.spec.task.name}",
            f"version {result.spec.task.task_version}",
            f"model {result.spec.model.slug}",
        ],
    ),
    Requirement(
        "conventions",
        lambda result: tuple(place_of(*pair) for pair in result.spec.conventions().items()),
        lambda result: phrasing.brief(result.spec)[: len(CONVENTIONS)],
    ),
    Requirement(
        "weights or number format",
        _weights,
        lambda result: [
            result.spec.model.dtype,
            result.spec.model.label or "original weights",
            f"weights {result.spec.model.weight_digest[:12]}",
            f"tokenizer {result.spec.model.tokenizer_digest[:12]}",
        ],
    ),
    Requirement(
        "evaluation data",
        lambda result: samples_of(result.spec, of_reference=False),
        lambda result: [
            f"{phrasing.dataset_text(one)} from {one.source} (digest {one.token_digest[:12]})"
            for one in result.spec.datasets
            if not phrasing.is_reference(one)
        ],
    ),
    Requirement(
        "metrics",
        lambda result: tuple((metric.name, metric.direction) for metric in result.metrics),
        lambda result: [f"{one.name} ({one.direction} is better)" for one in result.metrics],
    ),
    # Numbers of whole curves compare only over the same amounts.
    Requirement(
        "amounts", lambda one: one.spec.amounts if one.curve_metrics else (), None, rare=True
    ),
    Requirement(
        "judge",
        lambda result: judge_of(result.spec),
        lambda result: [
            phrasing.judge_text(result.spec.judge) if result.spec.judge else "without a judge"
        ],
        rare=True,
    ),
    # Short runs stand by themselves.
    Requirement(
        "numbers of samples",
        lambda result: () if result.spec.limit is None else (result.spec.limit,),
        lambda result: [phrasing.short_text(result.spec) or "whole"],
        rare=True,
    ),
)
