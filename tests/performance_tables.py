"""Blocks and the picture of docs/performance.md, made of what `make benchmarks` found.

    python tests/performance_tables.py build/benchmarks.jsonl

takes its rows into what the document shows.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from rows import ROOT
from tables import paragraph, table

DOCUMENT = ROOT / "docs/performance.md"
FOUND = ROOT / "docs/performance.json"
PICTURE = ROOT / "docs/performance.svg"
WAYS = [(dtype, count) for dtype in ("bfloat16", "float32") for count in (1, 2)]
STYLE = """
.name{fill:#1b1d22}.what,.tick{fill:#5c626d;font-size:11.5px}.grid{stroke:#d9dce2}
.limit{stroke:#b3261e;stroke-width:2}.bfloat16{fill:#0067a8}.float32{fill:#fff;stroke:#0067a8}
@media(prefers-color-scheme:dark){.name{fill:#e7e9ed}.what,.tick{fill:#a2a9b4}.grid{stroke:#353a43}
.limit{stroke:#f2928b}.bfloat16{fill:#62b5ee}.float32{fill:#15171b;stroke:#62b5ee}}
"""
LEFT, WIDE, HIGH = 330, 400, 24
"""Pixels: of names, of the scale, of a row."""
LOW, TOP = -2, 3.25
"""The ends of the scale, as powers of 2."""


class Group(NamedTuple):
    """What was measured of one step beside one floor, by number format and threads."""

    step: str
    over: str
    found: dict[tuple[str, int], dict[str, Any]]


def take(path: Path, known: Path = FOUND) -> None:
    """Take rows that benchmarks wrote into those that are known; the later of the same counts."""
    rows = json.loads(known.read_text()) if known.exists() else []
    for line in path.read_text().splitlines():
        row = {k: round(v, 3) if type(v) is float else v for k, v in json.loads(line).items()}
        rows = [*(one for one in rows if _named(one) != _named(row)), row]
    known.write_text(json.dumps(sorted(rows, key=_named), indent=1) + "\n")


def _named(row: dict[str, Any]) -> tuple[str, ...]:
    """Return what tells a row from others; no peak of memory is one processor's."""
    kind = "memory" if "memory" in row else row["cpu"]
    return kind, *(str(row.get(name)) for name in ("step", "over", "dtype", "threads"))


def processors() -> list[str]:
    """Return the names of processors in order; the picture shows the last."""
    return sorted({row["cpu"] for row in _rows("ratio")})


def groups(cpu: str) -> Iterator[Group]:
    """Yield what was timed, step by step, nearest to its floor first."""
    by_step: dict[tuple[str, str], Group] = {}
    for row in (row for row in _rows("ratio") if row["cpu"] == cpu):
        where = row["step"], row["over"]
        group = by_step.setdefault(where, Group(*where, {}))
        group.found[row["dtype"], row["threads"]] = row
    yield from sorted(by_step.values(), key=lambda group: (group.over, _first(group)["ratio"]))


def ratios() -> str:
    """Return the ratios of time, with their range over rounds, a table a processor."""
    return "\n\n".join(f"{cpu}:\n\n{_ratios(cpu)}" for cpu in processors())


def _ratios(cpu: str) -> str:
    every = list(groups(cpu))
    ways = [way for way in WAYS if any(way in group.found for group in every)]
    heads = [f"{dtype}, threads: {count}" for dtype, count in ways]
    lines = [
        [
            one.step,
            one.over.partition(",")[0],
            *(_cell(one.found.get(way)) for way in ways),
            _most(one),
        ]
        for one in every
    ]
    return table(["step", "beside", *heads, "at most"], lines)


def memory() -> str:
    """Return the peaks of memory."""
    lines = []
    for row in _rows("memory"):
        own, floor = (f"{row[name] / 2**20:,.0f} MiB" for name in ("peak", "floor_peak"))
        most = f" (at most {row['limit']})" if row["limit"] else ""
        ratio = f"{row['memory']:.2f}{most}"
        lines.append([row["step"], row["dtype"], own, row["over"], floor, ratio])
    if not lines:
        return paragraph("No figure is committed yet; the command above prints them.")
    return table(["step", "format", "peak", "beside", "its peak", "ratio"], lines)


def selection() -> str:
    """Return the seconds of selection."""
    lines = []
    where = {(row["step"], row["threads"], row["cpu"]): row for row in _rows("seconds")}
    for step, threads in dict.fromkeys((step, threads) for step, threads, _ in where):
        found = [where.get((step, threads, cpu)) for cpu in processors()]
        most = next(f"{row['limit']} s" if row["limit"] else "–" for row in found if row)
        cells = ("–" if row is None else f"{row['seconds']:.2f} s" for row in found)
        lines.append([step, str(threads), *cells, most])
    head = ["five amounts of 106 million scores", "threads", *processors(), "at most"]
    return table(head, lines)


def machine() -> str:
    """Return where and when it was measured, and how much of it."""
    sentences = []
    for cpu in processors():
        rows = [row for row in _rows("ratio") if row["cpu"] == cpu]
        threads = " and ".join(str(count) for count in sorted({row["threads"] for row in rows}))
        dates = sorted({row["date"] for row in rows})
        when = f"on {dates[0]}" if len(dates) == 1 else f"from {dates[0]} to {dates[-1]}"
        sentences.append(
            f"Measured on one {cpu} of two cores {when}, with {threads} "
            f"thread{'s' if threads != '1' else ''}."
        )
    return paragraph(*sentences)


def picture() -> str:
    """Return the ratios as a drawing: a dot a format and number of threads, a line a limit."""
    every = list(groups(processors()[-1]))
    height = HIGH * (len(every) + 2)
    said = [f"{one.step}: {_first(one)['ratio']:.2f} × {one.over}" for one in every]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 20} {height}"',
        f' width="{LEFT + WIDE + 20}" height="{height}" role="img" font-size="13"',
        ' aria-labelledby="ratios-title ratios-desc" font-family="system-ui, sans-serif">',
        '<title id="ratios-title">Time of each step beside that of its floor</title>',
        f'<desc id="ratios-desc">{escape("; ".join(said))}.</desc>',
        f"<style>{STYLE}</style>",
    ]
    for power in range(math.ceil(LOW), math.floor(TOP) + 1):
        x, foot = _across(2.0**power), height - HIGH
        parts.append(f'<path class="grid" d="M{x:.1f} 6V{foot}"/>')
        parts.append(f'<text class="tick" x="{x - 6:.1f}" y="{foot + 16}">{2.0**power:g}×</text>')
    for index, group in enumerate(every):
        y = HIGH * (index + 1)
        over = escape(group.over.removesuffix(", several windows"))
        name = f"{group.step} <tspan class='what'>/ {over}</tspan>"
        parts.append(f'<text class="name" x="4" y="{y + 4}">{name}</text>')
        for (dtype, count), row in group.found.items():
            limit, told = row["limit"], f"{dtype}, {count} threads: {row['ratio']:.2f}"
            if limit:
                parts.append(f'<path class="limit" d="M{_across(limit):.1f} {y - 8}v16"/>')
            where = f'cx="{_across(row["ratio"]):.1f}" cy="{y}" r="{3 + count}"'
            parts.append(f'<circle class="{dtype}" {where}><title>{told}</title></circle>')
    return "\n".join([*parts, "</svg>\n"])


def _across(ratio: float) -> float:
    return LEFT + WIDE * (min(max(math.log2(ratio), LOW), TOP) - LOW) / (TOP - LOW)


def _first(group: Group) -> dict[str, Any]:
    return next(iter(group.found.values()))


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    return f"{row['ratio']:.2f} ({row['least']:.2f} to {row['most']:.2f})"


def _most(group: Group) -> str:
    """Return the limit; where that of formats differs, in the order of the columns."""
    limits = dict.fromkeys(group.found[way]["limit"] for way in WAYS if way in group.found)
    return " / ".join(str(limit) for limit in limits)


def _rows(kind: str) -> list[dict[str, Any]]:
    return [row for row in _whole() if kind in row]


def _whole() -> list[dict[str, Any]]:
    whole: list[dict[str, Any]] = json.loads(FOUND.read_text())
    return whole


MAKERS = {"machine": machine, "ratios": ratios, "memory": memory, "selection": selection}
PICTURES = {PICTURE: picture}

if __name__ == "__main__":
    take(Path(sys.argv[1]))
