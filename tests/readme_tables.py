"""Blocks of README.md: what came out, how sure that is, a report; made of committed results."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable

import sanity_tables
from rows import (
    ROOT,
    Row,
    aggregation,
    at,
    beside_chance,
    changed,
    listed,
    number,
    percent,
    picked,
    plain,
    verdicts,
)
from tables import bullets, paragraph, table

from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.scorer_report import report_on
from sparc3_bench.record.files import read_results

DOCUMENT = ROOT / "README.md"

SCORERS = ("lrp", "wanda", "gradient", "magnitude")
AMOUNTS = (0.2, 0.4, 0.5, 0.6)
HALF = 0.5
METRIC = "perplexity"
REPORTED, TASKS = "wanda", ("Compression:", "Toxicity correction, neurons")
"""Whose report is shown, and of which applications."""
READING = "abs-of-mean"
"""The aggregation that the formula of the paper reads as; `token-rms` is this suite's."""


def measured() -> tuple[list[Row], list[Row]]:
    """Return the rows of the table, best first at half, and those of random scores."""
    every = picked(
        *("compression", "bfloat16", lambda one: {0.0, *AMOUNTS} <= {*one.spec.amounts}),
        **{"unit": "weight", "group": "row", "schedule": "one-shot"},
    )
    usual = [row for row in plain(every) if row.first.spec.scorer.name in SCORERS]
    rows = [row for row in usual if not _is_variant(row)]
    return sorted(rows, key=lambda row: row.value(HALF, METRIC)), [
        row for row in every if row.first.is_control
    ]


def literal() -> list[Row]:
    """Return the row of LRP as the formula of the paper reads, where it was run."""
    every = picked("compression", unit="weight", group="row", schedule="one-shot")
    return [
        row
        for row in every
        if row.first.spec.scorer.name == "lrp"
        and aggregation(row.first) == READING
        and not _is_variant(row)
        and HALF in row.first.spec.amounts
    ][-1:]


def came_out() -> str:
    """Return perplexity at every sparsity."""
    rows, controls = measured()
    shown = [*rows, *literal()]
    lines = [
        (
            row.full,
            *(_cell(row, amount) for amount in (0.0, *AMOUNTS)),
            # What else the machine does only adds to it.
            f"{min(one.cost['attribution'].seconds for one in row.results):.0f} s",
        )
        for row in sorted(shown, key=lambda row: row.value(HALF, METRIC))
    ]
    for row in controls:
        cells = [_span(row, amount) for amount in (0.0, *AMOUNTS)]
        seconds = max(one.cost["attribution"].seconds for one in row.results)
        lines.append((f"{row.label}, {len(row.results)} seeds", *cells, f"{seconds:.0f} s"))
    head = ("scorer", "dense", *map(percent, AMOUNTS), "attribution")
    return table(head, lines)


def compared() -> str:
    """Return how the rows compare, as `sparc3 compare` would say it."""
    rows, controls = measured()
    return bullets([*verdicts(rows, AMOUNTS, METRIC), *_chance(rows, controls)])


def counted() -> str:
    """Return what the p-values count, and what they leave out."""
    rows, _ = measured()
    pairs = math.comb(len(rows), 2)
    text = [
        "Pairs are compared on the same windows, as `sparc3 compare` does it; a p-value is "
        f"adjusted over the {len(AMOUNTS)} sparsities of its pair [holm1979], and above 0.05 it is "
        f"a tie. There are {pairs} pairs, so {pairs * len(AMOUNTS)} comparisons."
    ]
    several = [row for row in rows if len(row.results) > 1]
    if several:
        widest = max(several, key=_width)
        best, second = rows[:2]
        gap = abs(best.value(HALF, METRIC) - second.value(HALF, METRIC))
        text.append(
            "Numbers are means over reference seeds, with the range over them in brackets. The "
            "p-values know nothing of another draw of the reference samples: at 50 % it moves "
            f"{widest.spoken} by {number(_width(widest), 2)}, and {best.spoken} and "
            f"{second.spoken} are {number(gap, 2)} apart."
        )
    else:
        text.append("Another draw of the reference samples is not part of it: there is one seed.")
    return paragraph(*text)


def readings() -> str:
    """Return what `token-rms` is, and what the paper's own reading gives."""
    own = next((row for row in measured()[0] if row.first.spec.scorer.name == "lrp"), None)
    text = (
        "`token-rms` is this suite's aggregation. The paper takes the mean over samples and ranks "
        f"it by magnitude [hatefi2025, eq. 1 and sec. 4.1], which is `{READING}`"
    )
    if own and (other := literal()):
        both = [number(row.value(HALF, METRIC)) for row in (other[0], own)]
        text += f": perplexity {both[0]} at 50 % on the same windows, beside {both[1]}"
    return paragraph(f"{text}.", sanity_tables.depends())


def reported() -> str:
    """Return the beginning of a report, as the terminal shows it."""
    found = report_on([REPORTED], read_results(ROOT / "leaderboard/results"), default_host())
    lines = found.text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(TASKS)]
    told = [line for start in starts[: len(TASKS)] for line in _sentence(lines, start)]
    return "\n".join(["```text", *lines[:4], *told, "…", "```"])


def _sentence(lines: list[str], start: int) -> list[str]:
    rest = lines[start + 1 :]
    return [lines[start], *itertools.takewhile(lambda line: line.startswith("  "), rest)]


def _chance(rows: list[Row], controls: list[Row]) -> list[str]:
    found = []
    for control in controls:
        beaten: dict[str, list[str]] = {}
        for row in rows if len(control.results) > 1 else ():
            told = [a for a in AMOUNTS if beside_chance(row, control, a) == "better"]
            text = f"at {listed([f'{100 * a:.0f}' for a in told])} %" if told else "at no sparsity"
            beaten.setdefault(text, []).append(row.spoken)
        found += [
            f"{listed(names)} {'is' if len(names) == 1 else 'are each'} better than random scores "
            f"{text}, beside {len(control.results)} random runs."
            for text, names in beaten.items()
        ]
    return found


def _cell(row: Row, amount: float) -> str:
    if any(amount not in one.spec.amounts for one in row.results):
        return ""
    losses = [at(one, amount).samples["loss"] for one in row.results]
    windows = [statistics.fmean(window) for window in zip(*losses, strict=True)]
    relative = statistics.stdev(windows) / math.sqrt(len(windows))
    value = row.value(amount, METRIC)
    return f"{number(value)} ±{number(relative * value, 2)}{row.spread(amount, METRIC)}"


def _span(row: Row, amount: float) -> str:
    values = row.values(amount, METRIC)
    ends = list(dict.fromkeys(number(value, 2 if amount else 4) for value in sorted(values)))
    return f"{ends[0]} to {ends[-1]}" if len(ends) > 1 else ends[0]


def _width(row: Row) -> float:
    values = row.values(HALF, METRIC)
    return max(values) - min(values)


def _is_variant(row: Row) -> bool:
    """Return whether options beside the aggregation are not as they are by default."""
    cls = default_host().get("scorer", row.first.spec.scorer.name).cls
    return bool({*changed(cls, row.first.spec.scorer.options)} - {"aggregation"})


MAKERS: dict[str, Callable[[], str]] = {
    "came out": came_out,
    "compared": compared,
    "reported": reported,
}
