"""Blocks of docs/faq.md, made of committed results and of published numbers.

No scorer is named: each table has whatever was measured under all that it compares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import readme_tables
from circuit_tables import signed, with_interval
from rows import (
    LEVEL,
    ROOT,
    Row,
    aggregation,
    at,
    committed,
    label,
    leader,
    named,
    p_value,
    percent,
    picked,
    plain,
    ranking,
    tested,
)
from tables import paragraph, table

from sparc3_bench.comparison.phrasing import number
from sparc3_bench.comparison.tables import split
from sparc3_bench.host import default_host
from sparc3_bench.leaderboard.agreement import agreements
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.leaderboard.literature import literature
from sparc3_bench.leaderboard.sentences import said
from sparc3_bench.record.result import Result
from sparc3_bench.statistics.ranking import rank_text
from sparc3_bench.types.conventions import AGGREGATIONS

DOCUMENT = ROOT / "docs/faq.md"

HALF = 0.5
GROUPS = ("row", "layer", "model")
SIZES = (0.0, 0.2, 0.4, 0.5, 0.6)
SOME = (0.3, HALF)
LONG = (HALF, 0.99)
"""Amounts that only whole curves on IOI have."""


def runs(task: str, dtype: str = "bfloat16", **conventions: object) -> list[Result]:
    """Return those of scorers that are no controls, under these conventions, with seed 0.

    What compares conventions compares them on the same reference samples.
    """
    rows = picked(task, dtype, lambda one: one.spec.seed == 0 and not one.is_control, **conventions)
    return [row.first for row in rows]


def defaults(
    task: str, amounts: Iterable[float], dtype: str = "bfloat16", **conventions: object
) -> list[Result]:
    """Return the same of each scorer once, as by default, measured at some amounts or more."""

    def fits(one: Result) -> bool:
        return one.spec.seed == 0 and {*amounts} <= {*one.spec.amounts}

    return [row.first for row in plain(picked(task, dtype, fits, **conventions))]


def compared(
    results: Iterable[Result],
    by: Callable[[Result], str],
    columns: Sequence[str],
    cell: Callable[[Result], str],
) -> str:
    """Return a table of what was measured under every column, the same scorer in a row."""
    rows: dict[str, dict[str, Result]] = {}
    for one in results:
        rows.setdefault(named(one), {})[by(one)] = one
    whole = {title: row for title, row in sorted(rows.items()) if {*columns} <= {*row}}
    lines = [(title, *(cell(row[name]) for name in columns)) for title, row in whole.items()]
    return table(("scorer", *(f"`{name}`" for name in columns)), lines)


def perplexity(result: Result, amount: float = HALF) -> str:
    return number(at(result, amount).metrics["perplexity"])


def half(result: Result) -> str:
    return with_interval(result, HALF)


def groups() -> str:
    """Return perplexity with half of the weights removed, by comparison group."""
    here = [
        one
        for group in GROUPS
        for one in defaults("compression", [HALF], unit="weight", group=group, schedule="one-shot")
    ]
    return compared(here, lambda one: one.spec.group, GROUPS, perplexity)


def short() -> list[Result]:
    """Return what was measured on IOI with half of the weights by row alone."""
    here = runs("ioi-circuit", unit="weight", group="row", removal="lowest")
    return [one for one in here if one.spec.amounts == (0.0, HALF, 1.0)]


def aggregations() -> str:
    """Return faithfulness on IOI with half of the weights, by aggregation."""
    here = [one for one in short() if one.spec.objective == "logit-difference"]
    return compared(here, aggregation, AGGREGATIONS, half)


def objectives() -> str:
    """Return the same by objective."""
    here = [one for one in short() if aggregation(one) == "token-rms"]
    names = ("logit-difference", "io-logit", "io-log-probability")
    return compared(here, lambda one: one.spec.objective or "", names, half)


def schedules() -> str:
    """Return perplexity one-shot and blockwise."""
    amounts = (0.4, HALF, 0.6)
    pairs: dict[str, dict[str, Result]] = {}
    for name in ("one-shot", "blockwise"):
        for one in defaults("compression", amounts, unit="weight", group="row", schedule=name):
            pairs.setdefault(label(one), {})[name] = one
    lines = [
        (f"{title}, `{name}`", *(perplexity(pair[name], amount) for amount in amounts))
        for title, pair in sorted(pairs.items())
        for name in ("one-shot", "blockwise")
        if len(pair) == 2
    ]
    return table(("scorer", *map(percent, amounts)), lines)


def units() -> str:
    """Return faithfulness on IOI with half kept, by unit."""
    here = [
        one
        for unit in ("weight", "neuron", "head")
        for one in defaults("ioi-circuit", LONG, unit=unit, group="model", removal="lowest")
    ]
    return compared(here, lambda one: one.spec.unit, ("weight", "neuron", "head"), half)


def ends() -> str:
    """Return faithfulness on IOI when one half or the other is removed."""
    rows: dict[str, dict[str, Result]] = {}
    for one in runs("ioi-circuit", unit="weight", group="row"):
        if len(one.points) > 3:
            rows.setdefault(label(one), {})[one.spec.removal] = one
    lines = [
        (title, half(row["lowest"]), half(row["highest"]), with_interval(row["highest"], 0.01))
        for title, row in sorted(rows.items())
        if len(row) == 2
    ]
    ends = ("lowest half removed", "highest half removed", "highest 1 % removed")
    return table(("scorer", *ends), lines)


def sparsities() -> str:
    """Return what a request for a sparsity comes to."""
    result = max(runs("compression", unit="weight", group="row"), key=lambda one: len(one.points))
    lines = [
        (
            percent(one.requested),
            f"{one.weights_removed:,}",
            percent(one.in_scope, 2),
            percent(one.in_model, 2),
        )
        for one in (point.amount for point in result.points)
        if one.requested
    ]
    return table(("requested", "weights removed", "of the scope", "of the model"), lines)


def references() -> str:
    """Return how rankings from other reference samples of the same text compare."""
    lines = []
    for one in runs("ioi-circuit", unit="weight", group="row", removal="lowest"):
        if one.stability:
            places = [one.spec.amounts.index(amount) for amount in (HALF, 0.99)]
            means = [_mean([other.jaccard[place] for other in one.stability]) for place in places]
            spearman = _mean([other.spearman for other in one.stability])
            cells = (f"{value:.3f}" for value in (spearman, *means))
            lines.append((label(one), *cells))
    head = ("scorer", "Spearman of scores", "circuits of a half, Jaccard", "of 1 %, Jaccard")
    return table(head, sorted(lines))


def reported() -> str:
    """Return published perplexities: two lengths of windows, two sizes of the reference."""
    lines = []
    cells = [
        (one, cell)
        for one in literature()
        for line in one.lines
        for cell in line.cells
        if cell is not None and cell.metric == "perplexity"
    ]
    wanted = [("Llama-2-7B", "Dense"), ("TinyLlama", "LRP")]
    for one, cell in cells:
        if any(cell.model.lower() == m.lower() and cell.method == n for m, n in wanted):
            length = f"{one.context} tokens" if one.context else "not stated"
            reference = one.reference if cell.method != "Dense" else ""
            source = f"[{cell.source.key}, {one.where}]"
            lines.append((cell.model, cell.method, length, reference, cell.text, source))
    head = ("model", "method", "evaluation windows", "reference", "perplexity", "source")
    return table(head, sorted(lines, key=lambda line: (line[1], line[0].lower(), line[4])))


def by_perplexity() -> list[Row]:
    """Return the rows of all scorers with half of each row removed, best first."""
    every = picked(
        *("compression", "bfloat16", lambda one: one.spec.amounts == SIZES),
        **{"unit": "weight", "group": "row", "schedule": "one-shot"},
    )
    return sorted(plain(every), key=lambda row: row.value(HALF, "perplexity"))


def by_faithfulness() -> list[Row]:
    """Return the same on IOI."""
    every = picked(
        *("ioi-circuit", "bfloat16", lambda one: one.spec.amounts == (0.0, HALF, 1.0)),
        **{"unit": "weight", "group": "row", "removal": "lowest"},
    )
    return plain(every)


def ties() -> str:
    """Return perplexity with half of the weights removed by row, with ranks."""
    rows = by_perplexity()
    found = ranking(rows, HALF, "perplexity")
    lines = [
        (row.label, *_perplexity(row), rank_text(*ranks))
        for row, *ranks in zip(rows, found.best_rank, found.worst_rank, strict=True)
    ]
    return table(("scorer", "perplexity", "95 % interval", "rank"), lines)


def scorers() -> str:
    """Return perplexity and faithfulness with half of each row removed, of all scorers."""
    prompts = {named(row.first): row for row in by_faithfulness()}
    lines = []
    for row in by_perplexity():
        value, ends = _perplexity(row)
        other = prompts.get(named(row.first))
        told = f"{value} [{ends.replace(' to ', ', ')}]"
        lines.append((row.label, told, faithfulness(other) if other else ""))
    return table(("scorer", "perplexity", "faithfulness"), lines)


def told_apart() -> str:
    """Return who ties with the best of that table."""
    text, prompts = by_perplexity(), by_faithfulness()
    pairs = [len(rows) * (len(rows) - 1) // 2 for rows in (text, prompts)]
    return paragraph(
        f"Pairs are tested on the same windows or prompts, p-values adjusted over all pairs of a "
        f"column ({pairs[0]} and {pairs[1]}), as ranks of a board are. On perplexity "
        f"{leader(text, HALF, 'perplexity')} On IOI {leader(prompts, HALF, 'faithfulness')}"
    )


def accuracies() -> str:
    """Return perplexity, and accuracy over benchmarks, of the same pruned models."""
    text = {row.label: row for row in plain(_thirds("compression"))}
    rows: dict[str, list[str]] = {}
    for row in _accurate():
        for name, amount in (("dense model", 0.0), *((row.label, amount) for amount in SOME)):
            low, high = (100 * end for end in row.interval(amount, "accuracy"))
            share = percent(row.value(amount, "accuracy"), 1)
            other = text.get(row.label)
            value = number(other.value(amount, "perplexity")) if other else ""
            told = [value, f"{share} [{low:.1f}, {high:.1f}]"]
            rows[name] = told * 2 if amount == 0 else rows.get(name, []) + told
    head = [f"{what}, {percent(a)}" for a in SOME for what in ("perplexity", "accuracy")]
    return table(("scorer", *head), [(name, *cells) for name, cells in rows.items()])


def accurate() -> str:
    """Return which accuracies differ."""
    rows = _accurate()
    found = tested(rows, SOME, "accuracy")
    differ = [
        f"{(one if d.sign > 0 else other).label} is better than "
        f"{(other if d.sign > 0 else one).label} at {percent(amount)} by "
        f"{100 * abs(d.value):.1f} points ({p_value(p)})"
        for one, other, amount, d, p in found
        if p <= LEVEL
    ]
    text = [
        f"On the same items, p-values adjusted over all {len(found)} comparisons of two scorers at "
        f"a sparsity: {'; '.join(differ) or 'none differ'}. The others tie."
    ]
    best, second = rows[:2]
    (d, p) = next(f[3:] for f in found if f[:2] == (best, second) and f[2] == HALF)
    if p > LEVEL:
        text.append(
            f"So do {best.label} and {second.label} at 50 %: {100 * d.value:.1f} points, interval "
            f"of this pair alone {100 * d.low:.1f} to {100 * d.high:.1f}, {p_value(p)}."
        )
    return paragraph(*text)


def correlated() -> str:
    """Return how perplexity and accuracy of the same pruned models go together."""
    sections, _ = split([*committed("compression"), *committed("zero-shot")])
    found = agreements(boards(sections), default_host())
    return paragraph(
        *dict.fromkeys(said("agreement", one) for many in found.values() for one in many)
    )


def formats() -> str:
    """Return perplexity with half of the weights removed by row, in two number formats."""
    lines = [(title, *map(number, cells)) for title, cells in sorted(_formats().items())]
    return table(("scorer", "`float32`", "`bfloat16`"), lines)


def format_gap() -> str:
    """Return how far the two formats are apart, and whether the order is the same."""
    here = _formats()
    most = max(abs(math.log(b / a)) for a, b in here.values())
    orders = [sorted(here, key=lambda title: here[title][place]) for place in (0, 1)]
    same = "the same" if orders[0] == orders[1] else "not the same"
    return paragraph(
        f"Here the two differ by at most {100 * math.expm1(most):.2f} %, and the order is {same}."
    )


def _formats() -> dict[str, list[float]]:
    here: dict[str, list[float]] = {}
    for dtype in ("float32", "bfloat16"):
        conventions = {"unit": "weight", "group": "row", "schedule": "one-shot"}
        for one in defaults("compression", [HALF], dtype, **conventions):
            here.setdefault(label(one), []).append(at(one, HALF).metrics["perplexity"])
    return {title: cells for title, cells in here.items() if len(cells) == 2}


def _thirds(task: str) -> list[Row]:
    return picked(
        *(task, "float32", lambda one: {0.0, *SOME} <= {*one.spec.amounts}),
        **{"unit": "weight", "group": "row", "schedule": "one-shot"},
    )


def _accurate() -> list[Row]:
    return sorted(plain(_thirds("zero-shot")), key=lambda row: -row.value(HALF, "accuracy"))


def _perplexity(row: Row) -> tuple[str, str]:
    value = number(row.value(HALF, "perplexity")) + row.spread(HALF, "perplexity")
    return value, " to ".join(number(end) for end in row.interval(HALF, "perplexity"))


def faithfulness(row: Row) -> str:
    low, high = row.interval(HALF, "faithfulness")
    return f"{signed(row.value(HALF, 'faithfulness'))} [{signed(low)}, {signed(high)}]"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


MAKERS: dict[str, Callable[[], str]] = {
    "counted": readme_tables.counted,
    "readings": readme_tables.readings,
    "scorers": scorers,
    "told apart": told_apart,
    "accuracies": accuracies,
    "accurate": accurate,
    "correlated": correlated,
    "formats": formats,
    "format gap": format_gap,
    "groups": groups,
    "aggregations": aggregations,
    "objectives": objectives,
    "schedules": schedules,
    "units": units,
    "ends": ends,
    "sparsities": sparsities,
    "references": references,
    "reported": reported,
    "ties": ties,
}
