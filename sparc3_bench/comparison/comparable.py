"""Comparable: what two runs must share to be compared, and how each says what it has."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sparc3_bench.comparison import phrasing
from sparc3_bench.comparison.tables import comparison_key
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.types.conventions import CONVENTIONS

if TYPE_CHECKING:
    from sparc3_bench.record.result import Result


def check_side_by_side(first: str, one: Result, second: str, other: Result) -> None:
    """Refuse two runs that may not be compared.

    Parameters
    ----------
    first, second
        What they are called.
    one, other
        Their records.

    Raises
    ------
    Sparc3Error
        Naming in words what they differ in, and what each has.
    """
    shared = zip(comparison_key(one), comparison_key(other), strict=True)
    for (name, parts), (mine, theirs) in zip(_SHARED.items(), shared, strict=True):
        # Of two curves the amounts that both have may be compared.
        if mine == theirs or parts is None:
            continue
        told = list(itertools.zip_longest(parts(one), parts(other), fillvalue="nothing"))
        ours, its = zip(*[pair for pair in told if pair[0] != pair[1]] or told, strict=True)
        raise Sparc3Error(
            f"{first} and {second} cannot be compared: they differ in {name}, {', '.join(ours)} "
            f"and {', '.join(its)}; run one of them as the other was run."
        )


def _measured_on(result: Result) -> list[str]:
    return [
        f"{phrasing.dataset_text(data)} from {data.source} (digest {data.token_digest[:12]})"
        for data in result.spec.datasets
        if not phrasing.is_reference(data)
    ]


def _weights(result: Result) -> list[str]:
    model = result.spec.model
    return [
        model.dtype,
        model.label or "original weights",
        f"weights {model.weight_digest[:12]}",
        f"tokenizer {model.tokenizer_digest[:12]}",
    ]


_SHARED: dict[str, Callable[[Result], Sequence[str]] | None] = {
    "task or model": lambda result: [
        f"task {result.spec.task.name}",
        f"version {result.spec.task.task_version}",
        f"model {result.spec.model.slug}",
    ],
    "conventions": lambda result: list(phrasing.brief(result.spec)[: len(CONVENTIONS)]),
    "weights or number format": _weights,
    "evaluation data": _measured_on,
    "metrics": lambda result: [f"{m.name} ({m.direction} is better)" for m in result.metrics],
    "amounts of the whole curve": None,
    "judge": lambda result: [
        phrasing.judge_text(result.spec.judge) if result.spec.judge else "without a judge"
    ],
    "numbers of samples": lambda result: [phrasing.short_text(result.spec) or "whole"],
}
"""What two runs must share, in the order of `comparison_key`, and how each says what it has."""
