"""Blocks and the picture of docs/lrp.md, made of what `python docs/draw_lrp.py measure` found."""

from __future__ import annotations

import json
import math
import runpy
import statistics

from rows import ROOT
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
    """Return perplexities on 64 windows, beside Wanda by row with the same reference samples."""
    every = json.loads((ROOT / "docs/ensemble.json").read_text())
    wanda = {o["seed"]: o["losses"] for o in every if (o["score"], o["group"]) == ("Wanda", "row")}
    lines = []
    for one in every:
        beside = "–"
        if one["losses"] != (base := wanda[one["seed"]]):
            beside = _apart(one["losses"], base)
        value = f"{math.exp(statistics.mean(one['losses'])):,.2f}"
        lines.append([one["score"], one["group"], str(one["seed"]), value, beside])
    heads = ("score", "group", "reference seed", "perplexity", "nats beside Wanda by row")
    return table(heads, lines)


def between() -> str:
    """Return how far the ensemble is from the gradient over the model."""
    every = json.loads((ROOT / "docs/ensemble.json").read_text())
    over = {(o["score"], o["seed"]): o["losses"] for o in every if o["group"] == "model"}
    own, other = over["Ensemble", 1], over["Gradient", 1]
    return paragraph(
        "Over the model, with the same reference samples, the ensemble is "
        f"{_apart(own, other)} nats from the gradient."
    )


def _apart(own: list[float], other: list[float]) -> str:
    """Return the mean paired difference with its 95 % interval."""
    apart = [one - beside for one, beside in zip(own, other, strict=True)]
    error = 1.96 * statistics.stdev(apart) / math.sqrt(len(apart))
    return f"{statistics.mean(apart):+.3f} ± {error:.3f}".replace("-", "−")


MAKERS = {"rules": rules, "spread": spread, "ensemble": ensemble, "between": between}
PICTURES = {DRAWING["PICTURE"]: DRAWING["draw"]}
