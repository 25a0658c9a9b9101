"""Blocks and the picture of docs/circuits.md, made of committed results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rows import (
    LEVEL,
    ROOT,
    Row,
    aggregation,
    at,
    committed,
    leader,
    listed,
    named,
    newest,
    p_value,
    picked,
    plain,
    ranking,
)
from tables import bullets, paragraph, table

from sparc3_bench.circuit.drawing import heatmap
from sparc3_bench.comparison.tables import split
from sparc3_bench.leaderboard.boards import boards
from sparc3_bench.record.parts import Point
from sparc3_bench.record.result import Result

DOCUMENT = ROOT / "docs/circuits.md"
PICTURE = ROOT / "docs/circuit-conventions.svg"

METRIC = "faithfulness"
GROUPS = ("row", "layer", "model")
OBJECTIVES = ("logit-difference", "io-logit", "io-log-probability")


PLACES = (("weight", "row"), ("weight", "model"), ("neuron", "model"), ("head", "model"))
NAMED = {
    ("weight", "row"): "Weights by row",
    ("weight", "model"): "Weights of the whole model ranked together",
    ("neuron", "model"): "Neurons",
    ("head", "model"): "Heads",
}
HALF, HUNDREDTH = 0.5, 0.01


def curves() -> list[Result]:
    """Return the committed whole curves of IOI on the default model, with seed 0."""
    every = [one for _, one in committed("ioi-circuit") if len(one.points) > 3]
    return newest([one for one in every if one.spec.seed == 0])


def with_interval(result: Result, amount: float) -> str:
    row = Row((result,))
    low, high = row.interval(amount, METRIC)
    return f"{signed(row.value(amount, METRIC))} [{signed(low)}, {signed(high)}]"


def band(point: Point) -> str:
    values = point.control.get(METRIC, ())
    return f"{signed(min(values))} to {signed(max(values))}" if values else ""


def signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def sizes() -> str:
    """Return what every scorer keeps, and what is left without it, for every unit and group."""
    rows = []
    runs = curves()
    for unit, group in PLACES:
        here = [run for run in runs if (run.spec.unit, run.spec.group) == (unit, group)]
        kept = [run for run in here if run.spec.removal == "lowest" and run.found is not None]
        for run in sorted(kept, key=lambda run: -run.curve["cpr"].value):
            rest = [
                other
                for other in here
                if other.spec.removal == "highest" and named(other) == named(run)
            ]
            assert run.found is not None
            spearman = [one.spearman for one in run.stability]
            rows.append(
                (
                    f"{unit}, {group}",
                    run.spec.scorer.title,
                    with_interval(run, 0.5),
                    band(at(run, 0.5)),
                    f"{run.curve['cpr'].value:.3f}",
                    f"{1 - run.found.point.amount.requested:.1%}",
                    with_interval(rest[0], 0.01) if rest else "",
                    band(at(rest[0], 0.01)) if rest else "",
                    f"{sum(spearman) / len(spearman):.3f}" if spearman else "",
                )
            )
    head = (
        *("unit, group", "scorer", "half kept", "ten random of the same counts"),
        *(
            "CPR, of zero ablation",
            "smallest with 0.9",
            "highest 1 % removed",
            "ten random",
            "Spearman to other seeds",
        ),
    )
    return table(head, rows)


def conventions() -> str:
    """Return faithfulness with half of the weights, by group, aggregation and objective."""
    rows = []
    for title, objective, runs in _rows():
        cells = [with_interval(runs[group], 0.5) if group in runs else "" for group in GROUPS]
        rows.append((title, objective, *cells))
    spans = []
    for group in GROUPS:
        values = [
            at(run, 0.5).metrics[METRIC]
            for run in _short()
            if run.is_control and run.spec.group == group
        ]
        spans.append(f"{signed(min(values))} to {signed(max(values))}" if values else "")
    rows.append(("Random, ten seeds", "", *spans))
    return table(("scorer", "objective", *(f"group `{group}`" for group in GROUPS)), rows)


def picture() -> str:
    """Return the same as a heat map."""
    rows = _rows()
    matrix = [
        [max(0.0, at(runs[g], 0.5).metrics[METRIC]) if g in runs else None for g in GROUPS]
        for _, _, runs in rows
    ]
    return heatmap(
        matrix,
        [f"{title} · {objective}".replace("`", "").rstrip(" ·") for title, objective, _ in rows],
        GROUPS,
        "Half of the weights: faithfulness on IOI",
        "faithfulness; below 0 is drawn as 0",
        row_title="scorer, aggregation, objective",
        column_title="ranked together in",
        top=1.0,
    )


def chance() -> str:
    """Return who is better than random circuits with as many units in every row or layer."""
    lines, untested = [], set()
    for place in PLACES:
        told = []
        for removal, amount, what in (
            ("lowest", HALF, "With half kept"),
            ("highest", HUNDREDTH, "With the highest hundredth removed"),
        ):
            verdicts = _beside_random(place, removal, amount)
            untested |= {words for words in verdicts if words.startswith("no verdict")}
            words = [f"{words} ({listed(names)})" for words, names in verdicts.items()]
            if {*verdicts} - untested:
                told.append(f"{what}: {'; '.join(words)}.")
        rows = plain(picked("ioi-circuit", "bfloat16", _is_curve(*place)))
        if len(rows) > 1:
            told.insert(0, f"With half kept {leader(rows, HALF, METRIC)}")
        lines.append(f"**{NAMED[place]}.** {' '.join(told)}")
    lines += [
        "Beside random circuits of the same counts there is no verdict where none is given: "
        f"{words.partition(': ')[2]}."
        for words in sorted(untested)
    ]
    return bullets(lines)


def orders() -> str:
    """Return who is first in every group, and where the best of every other scorer stands."""
    lines = []
    for group in GROUPS:
        rows = [Row((runs[group],)) for _, _, runs in _rows() if group in runs]
        rows.sort(key=lambda row: -row.value(HALF, METRIC))
        found = ranking(rows, HALF, METRIC)
        first: dict[str, tuple[Row, float]] = {}
        for place, row in enumerate(rows):
            first.setdefault(row.first.spec.scorer.title, (row, float(found.p_values[0][place])))
        (best, _), *others = first.values()
        told = [f"{_told(row)} ({'a tie, ' if p > LEVEL else ''}{p_value(p)})" for row, p in others]
        lines.append(
            f"By `{group}` the first of {len(rows)} rows is {_told(best)}. The best of the other "
            f"scorers: {'; '.join(told)}."
        )
    return bullets(lines)


def literal() -> str:
    """Return how far `abs-of-mean` of LRP reaches from one group and objective to another."""
    values = [
        at(run, HALF).metrics[METRIC]
        for run in _short()
        if run.spec.scorer.name == "lrp" and aggregation(run) == "abs-of-mean"
    ]
    least, most = signed(min(values)), signed(max(values))
    return paragraph(
        f"LRP by `abs-of-mean` is anywhere between {least} and {most}, by group and objective."
    )


def dense() -> str:
    """Return how well the dense model does the task."""
    found = curves()[0].points[0].metrics
    return paragraph(
        f"The dense model is right on {100 * found['accuracy']:.0f} % of the test prompts, by "
        f"{found['logit_difference']:.1f} logits."
    )


def _told(row: Row) -> str:
    told = aggregation(row.first)
    under = f" `{told}` under `{row.first.spec.objective}`" if told else ""
    return f"{row.first.spec.scorer.title}{under}, {signed(row.value(HALF, METRIC))}"


def _is_curve(unit: str, group: str) -> Callable[[Result], bool]:
    def fits(one: Result) -> bool:
        spec = one.spec
        place = spec.unit, spec.group, spec.removal, spec.seed
        return place == (unit, group, "lowest", 0) and len(one.points) > 3

    return fits


def _beside_random(place: tuple[str, str], removal: str, amount: float) -> dict[str, list[str]]:
    """Return what the board says of the scorers beside their random circuits."""
    here = [
        (Path(one.spec.path), one)
        for one in curves()
        if (one.spec.unit, one.spec.group, one.spec.removal) == (*place, removal)
    ]
    told: dict[str, list[str]] = {}
    for board in boards(split(here)[0]):
        for section in board.sections:
            for one in section.series:
                if not one.is_control:
                    words = section.against(one, amount) or "better than random"
                    told.setdefault(words, []).append(one.scorer.title)
    return told


def _short() -> list[Result]:
    return newest(
        [
            run
            for _, run in committed("ioi-circuit")
            if run.spec.unit == "weight" and run.spec.amounts == (0.0, 0.5, 1.0)
        ]
    )


def _rows() -> list[tuple[str, str, dict[str, Result]]]:
    """Return title, objective and results by group, of what is no control."""
    found: dict[tuple[str, str], dict[str, Result]] = {}
    for run in _short():
        if not run.is_control:
            options = run.spec.scorer.options
            aggregation = options.get("aggregation")
            title = run.spec.scorer.title + (f", `{aggregation}`" if aggregation else "")
            if run.spec.seed or options.get("variant", "attnlrp") != "attnlrp":
                continue  # single rules are in docs/faq.md
            found.setdefault((title, run.spec.objective or ""), {})[run.spec.group] = run
    order = {name: index for index, name in enumerate(("", *OBJECTIVES))}
    whole = [key for key, row in found.items() if {*GROUPS} <= {*row}]
    return [(*key, found[key]) for key in sorted(whole, key=lambda key: (key[0], order[key[1]]))]


MAKERS = {
    "dense": dense,
    "sizes": sizes,
    "chance": chance,
    "conventions": conventions,
    "orders": orders,
    "literal": literal,
}
PICTURES = {PICTURE: picture}
