"""Draws `lrp.svg` of `lrp.json`: what goes of each matrix when all weights are ranked together.

python docs/draw_lrp.py measure    scores and prunes the default model, in some ten minutes
python docs/draw_lrp.py            draws what was measured
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOUND = Path(__file__).with_name("lrp.json")
PICTURE = Path(__file__).with_name("lrp.svg")
RULES = ("norms-only", "activations-only", "gates-only", "attention-only", "relp")
METHODS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    **{name: (name, {}) for name in ("magnitude", "wanda", "gradient", "lrp")},
    **{rule: ("lrp", {"variant": rule}) for rule in RULES},
}
NAMES = {
    **{"magnitude": "Magnitude", "wanda": "Wanda", "gradient": "Gradient", "lrp": "LRP (AttnLRP)"},
    **{rule: f"LRP, {rule}" for rule in RULES},
}
DRAWN = ("wanda", "gradient", "lrp", "attention-only", "gates-only", "norms-only")
ROLES = {
    "query": "Q", "key": "K", "value": "V", "attention-output": "O",
    "gate": "gate", "up": "up", "down": "down",
}  # fmt: skip
OPTIONS = {"reference_windows": "2", "evaluation_windows": "8", "evaluation_length": "256"}


def measured() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield of each method the perplexities, and by matrix its mean score and what goes of it."""
    from sparc3_bench.api.allocations import allocated
    from sparc3_bench.api.subject import cache_of
    from sparc3_bench.attribution.scores import checked
    from sparc3_bench.host import default_host
    from sparc3_bench.run.plan import Request, plan
    from sparc3_bench.selection.select import as_mask, choose

    view = dense = None
    for title, (name, options) in METHODS.items():
        request = Request(
            scorers=[(name, [0])],
            task="compression",
            model="smollm2-135m",
            scorer_options=options,
            task_options=OPTIONS,
        )
        (cell,) = plan(request, default_host(), cache_of(None))
        view = view or cell.model.load("all")
        evaluate = cell.prepared.part("test").evaluate
        dense = dense or evaluate(view, None, lambda *_: None)
        (reference,) = cell.references(None).values()
        weights = view.weights()
        scores = checked(cell.scorer.score(view, reference), weights, name)
        ways = ("weight", "row", "fraction", "lowest")
        masks = {
            "over the model": choose(scores, 0.5, unit="weight", group="model"),
            "normalised": allocated("normalised", scores, 0.5, ways, view, None),
        }
        found: dict[str, Any] = {}
        for way, kept in masks.items():
            with view.masked(as_mask(kept, view, "weight")):
                means = _means(evaluate(view, dense, lambda *_: None))
            found[way] = cell.task.point_metrics(means, _means(dense), None)["perplexity"]
        gone = {n: 1 - float(kept.float().mean()) for n, kept in masks["over the model"].items()}
        found["matrices"] = [
            {
                "block": one.block,
                "role": str(one.role),
                "mean": float(f"{scores[n].double().abs().mean():.4g}"),
                "removed": round(gone[n], 4),
            }
            for n, one in weights.items()
        ]
        print(title, {way: found[way] for way in masks}, flush=True)  # noqa: T201
        yield title, found


def _means(found: Any) -> dict[str, float]:
    return {kind: sum(values) / len(values) for kind, values in found.samples.items()}


def grid(matrices: list[dict[str, Any]], what: str) -> list[list[float]]:
    """Return a number of every matrix, a row a kind of matrix, a column a block."""
    at = {(one["role"], one["block"]): one[what] for one in matrices}
    blocks = range(1 + max(block for _, block in at))
    return [[at[role, block] for block in blocks] for role in ROLES]


def draw() -> str:
    """Return what goes of each matrix at 50 % as SVG: rows are kinds of matrices, by score."""
    from sparc3_bench.circuit.drawing import heatmap

    found = json.loads(FOUND.read_text())
    grids = {title: grid(found[title]["matrices"], "removed") for title in DRAWN}
    rows = [f"{NAMES[title]} · {kind}" for title in DRAWN for kind in ROLES.values()]
    return heatmap(
        [row for rows in grids.values() for row in rows],
        rows,
        [str(block) for block in range(len(grids["lrp"][0]))],
        "What goes of each matrix when all weights are ranked together",
        "share of the matrix",
        column_title="block",
        top=1.0,
    )


if __name__ == "__main__":
    if "measure" in sys.argv:
        found = {}
        for title, one in measured():
            found[title] = one
            FOUND.write_text(json.dumps(found) + "\n")
    PICTURE.write_text(draw())
