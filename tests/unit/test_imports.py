"""No circle of imports in the product, those for type checking and inside functions counted."""

from __future__ import annotations

import ast
import importlib.util
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGES = ("sparc3_bench", "sparc3_scorers", "sparc3_adapters", "sparc3_judges", "sparc3_tasks")
ROOT = "sparc3_bench"
"""The door, which loads every name on first use; `from sparc3_bench import x` is no circle."""


def modules() -> dict[str, Path]:
    """Every module of the product, by name."""
    found: dict[str, Path] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        folder = Path(next(iter(spec.submodule_search_locations or ())))
        for file in folder.rglob("*.py"):
            parts = (package, *file.relative_to(folder).with_suffix("").parts)
            found[".".join(part for part in parts if part != "__init__")] = file
    return found


def imported(source: str, known: set[str]) -> set[str]:
    """Names among `known` that a file imports; of `from x import y` the module y, or else x."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not followed"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (whole & known) or {str(node.module)}
    return names & known


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return circles until the graph has none, each cut where it closes."""
    left, found = {name: set(reads) for name, reads in graph.items()}, []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle = error.args[1]  # each is imported by the next
            found.append(circle)
            left[circle[1]].discard(circle[0])
        else:
            return found


def test_circles_would_be_seen():
    files = {
        "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import x",
        "b": "def f():\n    import c",
        "c": "from a import y",
        "d": "import a",
    }
    known = set(files)
    (found,) = circles({name: imported(text, known) for name, text in files.items()})
    assert set(found) == {"a", "b", "c"}


def test_no_circle_of_imports():
    files = modules()
    known = set(files) - {ROOT}
    graph = {name: imported(files[name].read_text(), known) for name in known}
    assert graph["sparc3_bench.selection.units"] >= {"sparc3_bench.model.view"}
    assert [" → ".join(circle) for circle in circles(graph)] == []
