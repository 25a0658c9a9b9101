"""Tables in docs/sanity.md, made of committed results; run it to renew them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sparc3_tasks.attribution_sanity.checks import CHECKS
from tables import renewed, results_below, table

from sparc3_bench.record.result import Result

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/sanity.md"
TABLES = ("row spearman", "row overlap", "model spearman", "model overlap")


def results(group: str) -> list[Result]:
    """Return the committed results of the first seed, controls last."""
    every = [
        result
        for _, result in results_below(ROOT / "leaderboard/results/attribution-sanity")
        if result.spec.group == group and result.spec.seed == 0
    ]
    return sorted(every, key=lambda one: (one.is_control, named(one)))


def named(result: Result) -> str:
    aggregation = result.spec.scorer.options.get("aggregation")
    return result.spec.scorer.title + (f", `{aggregation}`" if aggregation else "")


def number(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")


def cell(result: Result, name: str) -> str:
    estimate = result.curve[name]
    if estimate.note:
        return f"*{estimate.note}*"
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def similarities(name: str) -> str:
    """Return one kind of similarity of every scorer under every check."""
    group, kind = name.split()
    rows = [
        [named(result), *(cell(result, f"{check.name}_{kind}") for check in CHECKS)]
        for result in results(group)
    ]
    return table(("scorer", *(check.title for check in CHECKS)), rows)


MAKERS = {name: partial(similarities, name) for name in TABLES}


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(), MAKERS))
