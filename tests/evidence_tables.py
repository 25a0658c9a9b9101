"""Blocks of docs/evidence.md: the columns of an export and the tolerances of a replay."""

from __future__ import annotations

from rows import ROOT
from tables import table

from sparc3_bench.api.exporting import row_columns
from sparc3_bench.replication.tolerance import TOLERANCES

DOCUMENT = ROOT / "docs/evidence.md"


def dictionary() -> str:
    """Return every column with its type and what it is."""
    lines = [
        (f"`{name}`", kind + (" or null" if may_miss else ""), " ".join(told.split()).rstrip("."))
        for name, kind, may_miss, told in row_columns()
    ]
    return table(("column", "type", "what it is"), lines)


def tolerances() -> str:
    """Return by how much runs may differ, by number format."""
    lines = [
        (name, f"{one.units:.2%}", f"{one.sample:g}", f"{one.samples:.0%}", f"{one.number:g}")
        for name, one in TOLERANCES.items()
    ]
    head = ("number format", "sampled units", "a sample", "samples beyond that", "any other number")
    return table(head, lines)


MAKERS = {"columns": dictionary, "tolerances": tolerances}
