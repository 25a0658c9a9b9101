"""Blocks and the picture of docs/lrp.md, made of what `python docs/draw_lrp.py measure` found."""

from __future__ import annotations

import json
import math
import runpy
import statistics
from collections.abc import Sequence
from functools import cache

from rows import ROOT, committed
from tables import paragraph, table

DOCUMENT = ROOT / "docs/lrp.md"
DRAWING = runpy.run_path(str(ROOT / "docs/draw_lrp.py"))


def rules() -> str:
    """Return perplexities, and how far apart matrices are."""
    found = json.loads(DRAWING["FOUND"].read_text())
    lines = []
    for title, one in found.items():
        means = [math.log10(each["mean"]) for each in one["matrices"]]
        gone = [each["removed"] for each in one["matrices"]]
        lines.append(
            [
                DRAWING["NAMES"][title],
                f"{one['over the model']:,.1f}",
                f"{one['normalised']:,.1f}",
                f"{10 ** statistics.pstdev(means):.2f}",
                f"{sum(share > 0.9 for share in gone)} of {len(gone)}",
            ]
        )
    heads = ("score", "over the model", "normalised", "spread of means", "matrices nearly emptied")
    return table(heads, lines)


def spread() -> str:
    """Return the mean score by kind of matrix, of the mean over the model."""
    found = json.loads(DRAWING["FOUND"].read_text())
    lines = []
    for title, one in found.items():
        rows = DRAWING["grid"](one["matrices"], "mean")
        whole = statistics.mean(statistics.mean(row) for row in rows)
        third = len(rows[0]) // 3
        parts = [statistics.mean(row) / whole for row in rows]
        ends = [
            statistics.mean(v for row in rows for v in row[some]) / whole
            for some in (slice(third), slice(-third, None))
        ]
        name = DRAWING["NAMES"][title]
        lines.append([name, *(f"{one:.2f}" for one in [*parts, *ends])])
    return table(("score", *DRAWING["ROLES"].values(), "first third", "last third"), lines)


def ensemble() -> str:
    """Return perplexities on 128 windows, beside Wanda by row with the same reference samples."""
    runs = _runs()
    lines = []
    for (name, group), seeds in runs.items():
        for seed, losses in seeds.items():
            value = f"{math.exp(statistics.mean(losses)):,.2f}"
            base = runs["Wanda", "row"][seed]
            beside = "–" if losses == base else _apart([losses], [base])
            lines.append([name, group, str(seed), value, beside])
        if (name, group) != ("Wanda", "row"):
            pairs = [list(one.values()) for one in (seeds, runs["Wanda", "row"])]
            lines.append([name, group, "all", "", _apart(*pairs)])
    heads = ("score", "group", "reference seed", "perplexity", "nats beside Wanda by row")
    return table(heads, lines)


def between() -> str:
    """Return how far the ensemble is from the gradient over the model."""
    runs = _runs()
    own, other = (list(runs[name, "model"].values()) for name in ("Ensemble", "Gradient"))
    return paragraph(
        "Over the model, with the same reference samples, the ensemble is "
        f"{_apart(own, other)} nats from the gradient."
    )


@cache
def _runs() -> dict[tuple[str, str], dict[int, tuple[float, ...]]]:
    """Return the losses of windows by scorer and group, and by seed."""
    found: dict[tuple[str, str], dict[int, tuple[float, ...]]] = {}
    sizes = {"evaluation_windows": 128, "evaluation_length": 256}
    for _, one in committed("compression"):
        spec = one.spec
        if sizes.items() <= dict(spec.task.options).items():
            name = spec.scorer.title or spec.scorer.name
            found.setdefault((name, spec.group), {})[spec.seed] = one.points[1].samples["loss"]
    places = [("Wanda", "row"), ("Ensemble", "row"), ("Gradient", "model"), ("Ensemble", "model")]
    return {place: dict(sorted(found[place].items())) for place in places}


def _apart(own: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> str:
    """Return the mean paired difference over seeds, with its 95 % interval over windows."""
    seeds = [
        [one - beside for one, beside in zip(a, b, strict=True)]
        for a, b in zip(own, other, strict=True)
    ]
    apart = [statistics.mean(window) for window in zip(*seeds, strict=True)]
    error = 1.96 * statistics.stdev(apart) / math.sqrt(len(apart))
    return f"{statistics.mean(apart):+.3f} ± {error:.3f}".replace("-", "−")


MAKERS = {"rules": rules, "spread": spread, "ensemble": ensemble, "between": between}
PICTURES = {DRAWING["PICTURE"]: DRAWING["draw"]}
