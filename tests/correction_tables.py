"""Tables in docs/correction.md, made of committed results; run it to renew them."""

from __future__ import annotations

import re
from pathlib import Path

from circuit_tables import table

from sparc3_bench.record.files import read_results
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.band import one_more

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/correction.md"
COUNT = 50


def results() -> list[Result]:
    """Return the committed results of toxicity and neurons with all contrasts, controls last."""
    every = [
        result
        for _, result in read_results(ROOT / "leaderboard/results/toxicity-correction")
        if result.spec.unit == "neuron" and result.spec.task.options["contrast"] == "auto"
    ]
    return sorted(every, key=lambda one: (one.is_control, one.spec.scorer.name))


def signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def share(value: float) -> str:
    return f"{signed(100 * value, 0)} %"


def choices() -> str:
    """Return what every scorer chose, as measured on the test part."""
    rows = []
    for result in results():
        assert result.found is not None
        point, versus = result.found.point, result.found.versus
        count, drawn = point.amount.requested, point.control.get("toxicity_change", ())
        low, high = point.intervals["toxicity_change"]
        rows.append(
            (
                result.spec.scorer.title,
                (result.candidate or "its own") if count else "",
                f"{count:g}",
                f"{signed(point.metrics['toxicity_change'])} [{signed(low)}, {signed(high)}]"
                if count
                else "the dense model is kept",
                share(point.metrics["perplexity_increase"]) if count else "",
                f"{signed(versus.difference)} [{signed(versus.low)}, {signed(versus.high)}]"
                if versus
                else "",
                f"{one_more(versus.difference, drawn):.2f}" if versus else "",
            )
        )
    head = ("scorer", "contrast", "neurons", "change of toxicity", "perplexity", "against random")
    return table((*head, "p of one more"), rows)


def contrasts() -> str:
    """Return what the contrasts do on the selection part at one count."""
    names = ("difference", "unit-mass", "t-statistic", "set-difference")
    rows = []
    for result in results():
        found = {one.candidate: one for one in result.tried if one.requested == COUNT}
        if not set(found) & set(names):
            continue
        cells = [
            f"{signed(one.metrics['toxicity_change'])}, {share(one.metrics['perplexity_increase'])}"
            if (one := found.get(name))
            else ""
            for name in names
        ]
        rows.append((result.spec.scorer.title, *cells))
    return table(("scorer", *(f"`{name}`" for name in names)), rows)


def renewed(text: str) -> str:
    """Return the document with its tables made anew."""
    for name, make in {"choices": choices, "contrasts": contrasts}.items():
        mark = f"<!-- table: {name} -->"
        text = re.sub(rf"(?<={mark}\n)[^<]*?(?=\n<!-- end -->)", lambda _, make=make: make(), text)
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text()))
