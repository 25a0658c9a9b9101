"""Tables in docs/correction.md, made of committed results; run it to renew them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tables import renewed, results_below, table

from sparc3_bench.leaderboard.words import probability
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.band import one_more

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/correction.md"
COUNT = 50
CONTRASTS = ("difference", "unit-mass", "t-statistic", "set-difference")


def results(task: str, unit: str) -> list[Result]:
    """Return the committed results of a task and a unit: all contrasts, one side alone, random."""
    every = [
        result
        for _, result in results_below(ROOT / f"leaderboard/results/{task}-correction")
        if result.spec.unit == unit and result.found is not None
    ]

    def place(one: Result) -> tuple[bool, bool, str]:
        return one.is_control, contrast(one) != "auto", one.spec.scorer.name

    return sorted(every, key=place)


def contrast(result: Result) -> str:
    return str(result.spec.task.options["contrast"])


def signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def share(value: float) -> str:
    return f"{signed(100 * value, 0)} %"


def choices(task: str, unit: str) -> str:
    """Return what every scorer chose, as measured on the test part."""
    rows = []
    metric = ""
    for result in results(task, unit):
        assert result.found is not None
        name = result.found.metric
        metric = next(one.title for one in result.metrics if one.name == name)
        point, versus = result.found.point, result.found.versus
        count, drawn = point.amount.requested, point.control.get(name, ())
        low, high = point.intervals[name]
        ranking = result.candidate if contrast(result) == "auto" else f"{contrast(result)} alone"
        rows.append(
            (
                result.spec.scorer.title,
                ranking or "its own",
                f"{count:,.0f}",
                f"{signed(point.metrics[name])} [{signed(low)}, {signed(high)}]"
                if count
                else "the dense model is kept",
                share(point.metrics["perplexity_increase"]) if count else "",
                f"{signed(versus.difference)} [{signed(versus.low)}, {signed(versus.high)}]"
                if versus
                else "",
                probability(one_more(point.metrics[name], drawn)) if versus else "",
            )
        )
    head = ("scorer", "contrast", f"{unit}s", metric.lower(), "perplexity", "against random")
    return table((*head, "p of one more"), rows)


def contrasts(task: str, unit: str) -> str:
    """Return what the contrasts do on the selection part at one count."""
    rows = []
    for result in results(task, unit):
        found = {one.candidate: one for one in result.tried if one.requested == COUNT}
        if contrast(result) != "auto" or not set(found) & set(CONTRASTS):
            continue
        assert result.found is not None
        name = result.found.metric
        cells = [
            f"{signed(one.metrics[name])}, {share(one.metrics['perplexity_increase'])}"
            if (one := found.get(ranking))
            else ""
            for ranking in CONTRASTS
        ]
        rows.append((result.spec.scorer.title, *cells))
    return table(("scorer", *(f"`{name}`" for name in CONTRASTS)), rows)


MAKERS = {
    f"{task} {unit}": partial(choices, task, unit)
    for task in ("toxicity", "repetition")
    for unit in ("neuron", "weight")
} | {"contrasts": partial(contrasts, "toxicity", "neuron")}


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(), MAKERS))
