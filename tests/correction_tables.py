"""Blocks of docs/correction.md, made of committed results."""

from __future__ import annotations

import itertools
import statistics
from functools import partial
from pathlib import Path

from rows import LEVEL, ROOT, at_found, committed, listed, newest, p_value, scale
from tables import bullets, paragraph, table

from sparc3_bench.comparison.choices import OperatingPoint
from sparc3_bench.comparison.headtohead import meetings_by_amount
from sparc3_bench.comparison.phrasing import number, probability
from sparc3_bench.comparison.tables import split
from sparc3_bench.record.result import Result

DOCUMENT = ROOT / "docs/correction.md"
COUNT = 50
CONTRASTS = ("difference", "unit-mass", "t-statistic", "set-difference")


def choices(task: str, unit: str) -> list[OperatingPoint]:
    """Return what was chosen in a task of a unit: all contrasts, one side alone, random."""
    every = [one for _, one in committed(f"{task}-correction")]
    here = [one for one in newest(every) if one.spec.unit == unit and one.spec.seed == 0]
    sections, _ = split([(Path(one.spec.path), one) for one in here])
    rows = [row for section in sections for asked in section.questions for row in asked.rows]

    def place(row: OperatingPoint) -> tuple[bool, bool, str]:
        one = row.result
        return one.is_control, contrast(one) != "auto", one.spec.scorer.name

    return sorted(rows, key=place)


def contrast(result: Result) -> str:
    return str(result.spec.task.options["contrast"])


def signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def share(value: float) -> str:
    return f"{signed(100 * value, 0)} %"


def chosen(task: str, unit: str) -> str:
    """Return what every scorer chose, as measured on the test part."""
    rows = []
    metric = ""
    for row in choices(task, unit):
        result, point, versus = row.result, row.found.point, row.found.versus
        metric = row.metric.title
        low, high = point.intervals[row.metric.name]
        ranking = result.candidate if contrast(result) == "auto" else f"{contrast(result)} alone"
        rows.append(
            (
                result.spec.scorer.title,
                ranking or "its own",
                f"{point.amount.requested:,.0f}",
                f"{signed(row.value.centre)} [{signed(low)}, {signed(high)}]"
                if not row.is_dense
                else "the dense model is kept",
                share(point.metrics["perplexity_increase"]) if not row.is_dense else "",
                f"{signed(versus.difference)} [{signed(versus.low)}, {signed(versus.high)}]"
                if versus
                else "",
                probability(row.p_random) if row.p_random is not None else "",
            )
        )
    head = ("scorer", "contrast", f"{unit}s", metric.lower(), "perplexity", "against random")
    return table((*head, "p, adjusted"), rows)


def found(task: str) -> str:
    """Return how the choices compare with random ones, in the words of the board."""
    lines = []
    for unit in ("neuron", "weight"):
        own = (row for row in choices(task, unit) if not row.series.is_control)
        rows = [row for row in own if row.found.versus]
        told: dict[str, list[str]] = {}
        for row in rows:
            told.setdefault(row.against_random, []).append(_measured(row))
        verdicts = [
            f"{listed(names)} {'is' if len(names) == 1 else 'are'} {verdict}"
            for verdict, names in told.items()
        ]
        apart = [row for row in rows if row.against_random == "separable from random"]
        pairs = [_pair(*pair) for pair in itertools.combinations(apart, 2)]
        text = f"{'; '.join(verdicts) or 'nothing was chosen'}. {' '.join(pairs)}"
        lines.append(f"**{unit.capitalize()}s.** {text.strip()}")
    return bullets(lines)


def drawn() -> str:
    """Return what random removals do."""
    values = [
        number
        for unit in ("neuron", "weight")
        for row in choices("toxicity", unit)
        if not row.series.is_control
        for number in row.controls
    ]
    return paragraph(
        f"Random removals change toxicity by {signed(statistics.fmean(values))} on average, so "
        "that a change that is not set beside them says little."
    )


def _measured(row: OperatingPoint) -> str:
    name = row.result.spec.scorer.title
    if row.change is None:
        return name
    before, after = (number(value, 2) for value in (row.change.before, row.change.after))
    return f"{name} ({before} to {after})"


def _pair(one: OperatingPoint, other: OperatingPoint) -> str:
    numbers = [at_found(row.result) for row in (one, other)]
    (met,) = meetings_by_amount([(0.0, *numbers)], scale(one.result, one.metric.name))
    names = [row.result.spec.scorer.title for row in (one, other)]
    if met.p_adjusted > LEVEL:
        return f"{listed(names)} tie ({p_value(met.p_adjusted)})."
    if (met.difference.sign < 0) != (one.metric.direction == "lower"):
        names.reverse()
    return f"{names[0]} is better than {names[1]} ({p_value(met.p_adjusted)})."


def contrasts(task: str, unit: str) -> str:
    """Return what the contrasts do on the selection part at one count."""
    rows = []
    for row in choices(task, unit):
        result, name = row.result, row.metric.name
        found = {one.candidate: one for one in result.tried if one.requested == COUNT}
        if contrast(result) != "auto" or not {*found} & {*CONTRASTS}:
            continue
        cells = [
            f"{signed(one.metrics[name])}, {share(one.metrics['perplexity_increase'])}"
            if (one := found.get(ranking))
            else ""
            for ranking in CONTRASTS
        ]
        rows.append((result.spec.scorer.title, *cells))
    return table(("scorer", *(f"`{name}`" for name in CONTRASTS)), rows)


MAKERS = {
    f"{task} {unit}": partial(chosen, task, unit)
    for task in ("toxicity", "repetition")
    for unit in ("neuron", "weight")
} | {
    "contrasts": partial(contrasts, "toxicity", "neuron"),
    "drawn": drawn,
    "found toxicity": partial(found, "toxicity"),
    "found repetition": partial(found, "repetition"),
}
