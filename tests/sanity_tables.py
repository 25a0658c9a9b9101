"""Blocks of docs/sanity.md, made of committed results."""

from __future__ import annotations

from functools import partial

from rows import ROOT, aggregation, committed, listed, newest
from sparc3_tasks.attribution_sanity.checks import CHECKS
from tables import bullets, table

from sparc3_bench.record.result import Result

DOCUMENT = ROOT / "docs/sanity.md"
TABLES = ("row spearman", "row overlap", "model spearman", "model overlap")


def results(group: str) -> list[Result]:
    """Return the committed results of the first seed, controls last."""
    every = [
        result
        for _, result in committed("attribution-sanity")
        if result.spec.group == group and result.spec.seed == 0
    ]
    return sorted(newest(every), key=lambda one: (one.is_control, named(one)))


def named(result: Result) -> str:
    told = aggregation(result)
    return result.spec.scorer.title + (f", `{told}`" if told else "")


def number(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")


def cell(result: Result, name: str) -> str:
    estimate = result.curve[name]
    if estimate.note:
        return f"*{estimate.note}*"
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def similarities(name: str) -> str:
    """Return one kind of similarity of every scorer under every check."""
    group, kind = name.split()
    rows = [
        [named(result), *(cell(result, f"{check.name}_{kind}") for check in CHECKS)]
        for result in results(group)
    ]
    return table(("scorer", *(check.title for check in CHECKS)), rows)


def depends() -> str:
    """Return what rankings by `token-rms` depend on."""
    here = [one for one in results("row") if aggregation(one) == "token-rms"]
    values = [one.curve[f"{name}_spearman"].value for one in here for name in ("later", "labels")]
    if not values:
        return ""
    return (
        f"By `token-rms`, {listed([one.spec.scorer.title for one in here])} rank the weights of a "
        "row nearly the same whether the later blocks are trained or not, the labels right or "
        f"permuted (Spearman {number(min(values))} and above): such scores follow the size of "
        "weights and activations, as Wanda does."
    )


def found() -> str:
    """Return what the table of rows says."""
    here = [one for one in results("row") if not one.is_control]
    fresh = [one.curve["model_spearman"] for one in here if not one.curve["model_spearman"].note]
    signed = [one for one in here if aggregation(one) == "signed-mean"]
    lines = [
        "Nothing of a ranking is left when the model is re-initialised: no Spearman is further "
        f"from 0 than {number(max(abs(one.value) for one in fresh))}."
    ]
    if told := depends():
        lines.append(f"**The aggregation says more than the method.** {told}")
    if signed:
        draws = listed(
            f"{one.curve['references_spearman'].value:.2f} ({one.spec.scorer.title})"
            for one in signed
        )
        lines.append(
            f"By `signed-mean` two draws of the samples agree to {draws}. What changes with the "
            "labels can then not be told from what changes with the draw; it takes more samples."
        )
    return bullets(lines)


MAKERS = {name: partial(similarities, name) for name in TABLES} | {"found": found}
