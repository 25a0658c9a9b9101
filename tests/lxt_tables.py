"""Blocks of docs/lxt.md, made of committed results."""

from __future__ import annotations

from faq_tables import HALF, by_faithfulness, by_perplexity, faithfulness
from rows import ROOT, Row, listed, meetings, number, p_value
from tables import paragraph

DOCUMENT = ROOT / "docs/lxt.md"


def both() -> str:
    """Return what the two implementations remove comes to in bfloat16."""
    text, prompts = _two(by_perplexity()), _two(by_faithfulness())
    told = []
    if text:
        values = [f"{number(row.value(HALF, 'perplexity'))} by `{_name(row)}`" for row in text]
        told.append(f"perplexity {listed(values)} ({_met(text, 'perplexity')})")
    if prompts:
        values = [f"{faithfulness(row)} by `{_name(row)}`" for row in prompts]
        told.append(f"faithfulness on IOI {listed(values)} ({_met(prompts, 'faithfulness')})")
    return paragraph(
        "In bfloat16 each rounds on its own way, which moves a few weights across a threshold: "
        f"with half of every row removed, SmolLM2-135M-Instruct has {'; '.join(told)} "
        "([all scorers](faq.md))."
    )


def _two(rows: list[Row]) -> list[Row]:
    names = ("lrp", "lrp-lxt")
    found = {_name(row): row for row in rows if row.label == row.first.spec.scorer.title}
    return [found[name] for name in names] if {*names} <= {*found} else []


def _name(row: Row) -> str:
    return row.first.spec.scorer.name


def _met(rows: list[Row], metric: str) -> str:
    (met,) = meetings(rows[0], rows[1], [HALF], metric)
    return f"{'a tie, ' if met.p_adjusted > 0.05 else ''}{p_value(met.p_adjusted)}"


MAKERS = {"both": both}
