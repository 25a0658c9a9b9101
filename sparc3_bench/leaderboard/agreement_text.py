"""Agreed: what is said of two tasks on the same pruned models, in words made of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc3_bench.leaderboard.agreement import WITHOUT_CONTROLS
from sparc3_bench.leaderboard.phrasing import probability, value_text, within

if TYPE_CHECKING:
    from sparc3_bench.leaderboard.agreement import Agreement
    from sparc3_bench.leaderboard.pruned import Pair
    from sparc3_bench.statistics.correlation import Correlation


def sentence(found: Agreement) -> str:
    """Return the answer, as far as there is one."""
    one, other = within(found.x.metric.title), within(found.y.metric.title)
    count = len(found.pairs)
    if not found.lines:
        return (
            f"{count} pruned model{'s were' if count != 1 else ' was'} measured in both "
            f"{one} and {other}; whether one tells of the other cannot be told from "
            "fewer than five that differ."
        )
    rank = found.lines[0].spearman
    if not rank.is_told:
        return (
            f"From {count} pruned models it cannot be told whether {other} goes with {one}: "
            f"{coefficient(rank)}."
        )
    way = "falls" if rank.value < 0 else "rises"
    alike = (found.x.metric.direction == found.y.metric.direction) == (rank.value > 0)
    verdict = (
        "what does better in one tends to do better in the other"
        if alike
        else "what does better in one tends to do worse in the other"
    )
    text = (
        f"Over {count} pruned models, {other} {way} as {one} rises: {coefficient(rank)}; {verdict}."
    )
    known = [line.spearman for line in found.lines if line.words == WITHOUT_CONTROLS]
    return f"{text} Without controls: {coefficient(known[0])}." if known else text


def coefficient(found: Correlation) -> str:
    """Return Spearman's coefficient with its interval and p-value."""
    text = f"Spearman {coefficient_text(found.value)}"
    if found.low is None or found.high is None:
        scorers = f"{found.clusters} scorer{'s' if found.clusters != 1 else ''}"
        return f"{text}, of {scorers} only, which is too few for an interval"
    if found.low == found.high:
        return f"{text} in every draw, p\N{NO-BREAK SPACE}{probability(found.p_value)}"
    ends = f"{coefficient_text(found.low)} to {coefficient_text(found.high)}"
    return f"{text} (95\N{NO-BREAK SPACE}% {ends}), p\N{NO-BREAK SPACE}{probability(found.p_value)}"


def coefficient_text(value: float) -> str:
    """Return a coefficient with two decimals; what is not 1 is not rounded to it."""
    text = f"{value:.2f}"
    if abs(value) < 1 and text.lstrip("-") == "1.00":
        text = text.replace("1.00", "0.99")
    return text.replace("-0.00", "0.00").replace("-", "−")


def remarks(found: Agreement) -> list[str]:
    """Return what a reader must know of how the models were paired."""
    said = []
    apart = [pair for pair in found.pairs if pair[0].ran != pair[1].ran]
    if apart:
        formats = sorted({" and ".join(" on ".join(side.ran) for side in pair) for pair in apart})
        count = len(found.pairs)
        many = f"None of {count} pairs was"
        if len(apart) < count:
            many = f"{len(apart)} of {count} pairs were not"
        said.append(
            f"{many} run alike in both tasks ({'; '.join(formats)}): each has the "
            "mask of its own scores, which need not be the same weight for weight."
        )
    codes = sum(
        one.run.result.spec.scorer.source_digest != other.run.result.spec.scorer.source_digest
        for one, other in found.pairs
    )
    if codes:
        said.append(
            f"In {codes} of {len(found.pairs)} pairs the two runs had different states of the "
            "scorer's code."
        )
    return said


def model_text(pair: Pair) -> str:
    """Return which model it is, with both numbers."""
    one, other = pair
    numbers = [
        f"{within(side.run.result.metrics[0].title)} {value_text(side.value, side.interval)}"
        for side in (one, other)
    ]
    difference = f" ({one.series.difference})" if one.series.difference else ""
    return f"{one.series.scorer.title}{difference}, {one.amount}: {', '.join(numbers)}"
