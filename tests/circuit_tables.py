"""Tables and the picture in docs/circuits.md, made of committed results; run it to renew them."""

from __future__ import annotations

from pathlib import Path

from tables import renewed, results_below, table

from sparc3_bench.leaderboard.heatmap import heatmap
from sparc3_bench.record.parts import Point
from sparc3_bench.record.result import Result

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/circuits.md"
PICTURE = ROOT / "docs/circuit-conventions.svg"

METRIC = "faithfulness"
GROUPS = ("row", "layer", "model")
OBJECTIVES = ("logit-difference", "io-logit", "io-log-probability")


def circuits() -> list[Result]:
    """Return the committed results of IOI on the default model."""
    folder = ROOT / "leaderboard/results/ioi-circuit"
    return [result for _, result in results_below(folder)]


def at(result: Result, amount: float) -> Point:
    return next(point for point in result.points if point.amount.requested == amount)


def with_interval(point: Point) -> str:
    low, high = point.intervals[METRIC]
    return f"{signed(point.metrics[METRIC])} [{signed(low)}, {signed(high)}]"


def band(point: Point) -> str:
    values = point.control.get(METRIC, ())
    return f"{signed(min(values))} to {signed(max(values))}" if values else ""


def signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def sizes() -> str:
    """Return what every scorer keeps, and what is left without it, for every unit and group."""
    rows = []
    runs = [run for run in circuits() if len(run.points) > 3]
    for unit, group in (
        ("weight", "row"),
        ("weight", "model"),
        ("neuron", "model"),
        ("head", "model"),
    ):
        here = [run for run in runs if (run.spec.unit, run.spec.group) == (unit, group)]
        kept = [run for run in here if run.spec.removal == "lowest"]
        for run in sorted(kept, key=lambda run: -run.curve["cpr"].value):
            rest = [
                other
                for other in here
                if other.spec.removal == "highest"
                and other.spec.scorer.name == run.spec.scorer.name
            ]
            assert run.found is not None
            spearman = [one.spearman for one in run.stability]
            rows.append(
                (
                    f"{unit}, {group}",
                    run.spec.scorer.title,
                    with_interval(at(run, 0.5)),
                    band(at(run, 0.5)),
                    f"{run.curve['cpr'].value:.3f}",
                    f"{1 - run.found.point.amount.requested:.1%}",
                    with_interval(at(rest[0], 0.01)) if rest else "",
                    band(at(rest[0], 0.01)) if rest else "",
                    f"{sum(spearman) / len(spearman):.3f}" if spearman else "",
                )
            )
    head = (
        *("unit, group", "scorer", "half kept", "ten random of the same counts", "CPR"),
        *("smallest with 0.9", "highest 1 % removed", "ten random", "Spearman to other seeds"),
    )
    return table(head, rows)


def conventions() -> str:
    """Return faithfulness with half of the weights, by group, aggregation and objective."""
    rows = []
    for title, objective, runs in _rows():
        cells = [with_interval(at(runs[group], 0.5)) if group in runs else "" for group in GROUPS]
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
    said = [
        [signed(at(runs[g], 0.5).metrics[METRIC]) if g in runs else "none" for g in GROUPS]
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
        texts=said,
        standalone=True,
    )


def _short() -> list[Result]:
    return [
        run
        for run in circuits()
        if run.spec.unit == "weight" and run.spec.amounts == (0.0, 0.5, 1.0)
    ]


def _rows() -> list[tuple[str, str, dict[str, Result]]]:
    """Return title, objective and results by group, of what is no control."""
    found: dict[tuple[str, str], dict[str, Result]] = {}
    for run in _short():
        if not run.is_control:
            options = run.spec.scorer.options
            aggregation = options.get("aggregation")
            title = run.spec.scorer.title + (f", `{aggregation}`" if aggregation else "")
            if options.get("variant", "attnlrp") != "attnlrp" or options.get("steps", 16) != 16:
                continue  # single rules, and other numbers of points, are in docs/faq.md
            row = found.setdefault((title, run.spec.objective or ""), {})
            assert run.spec.group not in row, f"{title}, {run.spec.group}: measured twice"
            row[run.spec.group] = run
    order = {name: index for index, name in enumerate(("", *OBJECTIVES))}
    whole = [key for key, row in found.items() if {*GROUPS} <= {*row}]
    return [(*key, found[key]) for key in sorted(whole, key=lambda key: (key[0], order[key[1]]))]


MAKERS = {"sizes": sizes, "conventions": conventions}


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(), MAKERS))
    PICTURE.write_text(picture())
