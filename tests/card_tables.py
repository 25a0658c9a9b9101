"""Blocks of the cards of tasks, made of committed results."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rows import ROOT, Row, aggregation, committed, newest, picked
from tables import Makers, paragraph, table

from sparc3_bench.record.result import Result

TASKS = ROOT / "tasks/sparc3_tasks"


@dataclass(frozen=True)
class Card:
    DOCUMENT: Path
    MAKERS: Makers


def planted() -> str:
    """Return how well scores find the planted circuit."""
    rows: dict[str, dict[str, Result]] = {}
    for one in newest([one for _, one in committed("planted-circuit")]):
        if one.spec.seed == 0 and aggregation(one) in {"", "token-rms"}:
            rows.setdefault(one.spec.scorer.title, {})[one.spec.unit] = one
    whole = {title: row for title, row in rows.items() if {"weight", "neuron"} <= {*row}}

    def place(title: str) -> tuple[bool, float]:
        one = whole[title]["weight"]
        return one.is_control, -one.curve["auroc"].value

    lines = [
        (title, *(_found(whole[title][unit]) for unit in ("weight", "neuron")))
        for title in sorted(whole, key=place)
    ]
    return table(("scorer", "weights", "neurons"), lines)


def accuracies() -> str:
    """Return how well accuracies are known."""
    rows = picked("zero-shot", "float32")
    one, mean = (_half(rows, of) for of in (_single, lambda name: name == "accuracy"))
    return paragraph(
        f"With 200 items one accuracy is known to about ±{one:.0f} points, the mean of nine to "
        f"±{mean:.1f} (half of the 95 % interval, the median over all committed runs); on the same "
        "items two methods are told apart more finely."
    )


def _single(name: str) -> bool:
    return name.endswith("_acc")


def _half(rows: list[Row], of: Callable[[str], bool]) -> float:
    ends = [
        interval
        for row in rows
        for one in row.results
        for point in one.points
        for name, interval in point.intervals.items()
        if of(name)
    ]
    return 100 * statistics.median((high - low) / 2 for low, high in ends)


def _found(one: Result) -> str:
    cells = []
    for name, digits in (("auroc", 3), ("average_precision", 2)):
        found = one.curve[name]
        value, low, high = (
            f"{number:.{digits}f}" for number in (found.value, found.low, found.high)
        )
        cells.append(f"{value} [{low}, {high}]")
    return " · ".join(cells)


CARDS = (
    Card(TASKS / "planted_circuit/README.md", {"planted": planted}),
    Card(TASKS / "zero_shot/README.md", {"accuracies": accuracies}),
)
