"""Draws `data-flow.svg`: the rooms of the code and which imports which, read from the code.

Run it as `python docs/draw_rooms.py` when rooms or their imports have changed. Rooms and their
order are those of import-linter's contract. An arrow that a longer way of arrows tells is left out.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CORE = "sparc3_bench"
PLUGINS = {
    "plugins": (
        *("sparc3_scorers", "sparc3_adapters", "sparc3_judges", "sparc3_executors"),
        *("sparc3_allocations", "sparc3_repairs"),
    ),
    "tasks": ("sparc3_tasks",),
}
PICTURE = Path(__file__).with_name("data-flow.svg")
LEFT, WIDTH, HEIGHT, BETWEEN, TRACK = 4, 330, 52, 8, 6
"""Pixels: the column of boxes, a box, the space between boxes, and between lines side by side."""
STYLE = """
.box{fill:#fff;stroke:#5c626d}.own{stroke:#0067a8;stroke-width:2}
.name{fill:#1b1d22;font-weight:600}.what{fill:#5c626d;font-size:11.5px}
.flow{stroke:#5c626d;stroke-width:1.2;fill:none}.tip{fill:#5c626d}
.flow:hover{stroke:#b3261e;stroke-width:2.5}
@media(prefers-color-scheme:dark){.box{fill:#15171b;stroke:#a2a9b4}.own{stroke:#62b5ee}
.name{fill:#e7e9ed}.what{fill:#a2a9b4}.flow{stroke:#a2a9b4}.tip{fill:#a2a9b4}.flow:hover{stroke:#f2928b}}
"""

Edge = tuple[str, str]


class Box(NamedTuple):
    """Where a room is drawn."""

    row: int
    x: float
    width: float


def rooms() -> list[list[str]]:
    """Return the rooms, a list a layer, those of plugins first."""
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = whole["tool"]["importlinter"]["contracts"]
    # Those of the host; tasks have layers of their own.
    layers = next(
        one["layers"] for one in contracts if "sparc3_bench.cli" in str(one.get("layers"))
    )
    plugins = [name for names in PLUGINS.values() for name in names]
    return [plugins, *([name.strip() for name in re.split("[|:]", row)] for row in layers)]


def folder(name: str) -> Path:
    """Return where a room's file or folder is, without its ending."""
    place = next((place for place, names in PLUGINS.items() if name in names), "")
    return ROOT / place / name.replace(".", "/")


def files(name: str) -> list[Path]:
    """Return the Python files of a room."""
    place = folder(name)
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def purpose(name: str) -> str:
    """Return what a room is for, by the first sentence of its first file."""
    place = folder(name)
    first = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    said = (ast.get_docstring(ast.parse(first.read_text())) or "").split("\n\n")[0]
    return re.split(r"(?<=[^.])\.(?:\s|$)", " ".join(said.split()))[0]


def imported(file: Path, homes: dict[str, str]) -> Iterator[str]:
    """Yield the modules that a file imports, at its top, in functions and for type checking."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == CORE:
            yield from (homes.get(one.name, f"{CORE}.{one.name}") for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def arrows(rows: list[list[str]]) -> list[Edge]:
    """Return which room imports which below it, but for what a longer way tells."""
    door = ast.parse((ROOT / CORE / "__init__.pyi").read_text()).body
    said = [one for one in door if isinstance(one, ast.ImportFrom)]
    homes = {name.name: str(one.module) for one in said for name in one.names}
    level = {name: n for n, row in enumerate(rows) for name in row}
    below = defaultdict(set)
    for name in level:
        for file in files(name):
            for module in imported(file, homes):
                met = (one for one in level if module == one or module.startswith(f"{one}."))
                below[name] |= {one for one in met if level[one] > level[name]}

    def reached(name: str) -> set[str]:
        return below[name].union(*map(reached, below[name]))

    return [
        (name, one)
        for name in level
        for one in sorted(below[name], key=list(level).index)
        if not any(one in reached(other) for other in below[name] - {one})
    ]


def draw() -> str:
    """Return the picture."""
    rows = rooms()
    edges = arrows(rows)
    boxes = {}
    for n, row in enumerate(rows):
        width = (WIDTH - BETWEEN * (len(row) - 1)) / len(row)
        boxes |= {name: Box(n, LEFT + k * (width + BETWEEN), width) for k, name in enumerate(row)}
    # Lines to a room that is further down run in a lane of the room, right of the column.
    far = {to for name, to in edges if boxes[to].row > boxes[name].row + 1}
    lanes = {
        to: LEFT + WIDTH + 10 + TRACK * 1.5 * n
        for n, to in enumerate(sorted(far, key=list(boxes).index))
    }
    tracks: dict[int, list[Edge]] = defaultdict(list)
    for name, to in edges:
        tracks[boxes[name].row].append((name, to))
    for to in lanes:
        tracks[boxes[to].row - 1].append(("", to))
    tops, y = [], 4.0
    for n in range(len(rows)):
        tops.append(y)
        y += HEIGHT + 14 + TRACK * len(tracks[n])

    def across(edge: Edge, row: int) -> float:
        return tops[row] + HEIGHT + 4 + TRACK * (1 + tracks[row].index(edge))

    def spread(edge: Edge, box: Box, along: list[Edge]) -> float:
        return box.x + box.width * (1 + along.index(edge)) / (1 + len(along))

    lines = []
    for name, to in edges:
        start, end = boxes[name], boxes[to]
        leaving = [one for one in edges if one[0] == name]
        near = [one for one in edges if one[1] == to and boxes[one[0]].row == end.row - 1]
        coming = [*near, ("", to)] if to in lanes else near
        x, first = spread((name, to), start, leaving), across((name, to), start.row)
        path = f"M{x:.0f} {tops[start.row] + HEIGHT:.0f}V{first:.0f}"
        if (name, to) in near:
            path += f"H{spread((name, to), end, coming):.0f}"
        else:
            last = across(("", to), end.row - 1)
            path += f"H{lanes[to]:.0f}V{last:.0f}H{spread(('', to), end, coming):.0f}"
        told = f"<title>{short(name)} imports {short(to)}</title>"
        path += f"V{tops[end.row]:.0f}"
        lines.append(f'<path class="flow" marker-end="url(#tip)" d="{path}">{told}</path>')
    width, height = max(lanes.values(), default=LEFT + WIDTH) + 8, tops[-1] + HEIGHT + 4
    said = [
        f"{short(name)} imports {', '.join(short(b) for a, b in edges if a == name)}."
        for name in dict(edges)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"',
            f' width="{width:.0f}" height="{height:.0f}" role="img"',
            ' aria-labelledby="rooms-title rooms-desc" font-size="13"',
            " font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif\">",
            '<title id="rooms-title">The rooms of the code, each above those it imports</title>',
            f'<desc id="rooms-desc">{escape(" ".join(said))}</desc>',
            f"<style>{STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"',
            ' markerHeight="7" orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>',
            *lines,
            *(drawn(name, box, tops[box.row]) for name, box in boxes.items()),
            "</svg>\n",
        ]
    )


def drawn(name: str, box: Box, top: float) -> str:
    """Return a box with its words."""
    kind = "box" if name.startswith(f"{CORE}.") else "box own"
    what, x = purpose(name), box.x + 8
    lines = textwrap.wrap(what, int((box.width - 14) / 6.3), max_lines=2, placeholder=" …")
    words = [
        f'<text class="what" x="{x:.0f}" y="{top + 31 + 13 * n:.0f}">{escape(line)}</text>'
        for n, line in enumerate(lines if box.width > 100 else [])  # else its title says it
    ]
    return "\n".join(
        [
            f"<g><title>{escape(what)}</title>",
            f'<rect class="{kind}" x="{box.x:.0f}" y="{top:.0f}" width="{box.width:.0f}"',
            f' height="{HEIGHT}" rx="4"/>',
            f'<text class="name" x="{x:.0f}" y="{top + 17:.0f}">{short(name)}</text>',
            *words,
            "</g>",
        ]
    )


def short(name: str) -> str:
    """Return a room's name without what all names begin with."""
    return name.removeprefix(f"{CORE}.").removeprefix("sparc3_")


if __name__ == "__main__":
    PICTURE.write_text(draw())
