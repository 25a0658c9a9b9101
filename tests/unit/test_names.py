"""Every public function and class of the host has a name that no other module gives away."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

HOST = Path(__file__).resolve().parents[2] / "sparc3_bench"

COMMANDS = {"app", "command"}
"""What every file of the command line has."""


def test_a_public_name_of_the_host_stands_in_one_module() -> None:
    homes: dict[str, set[str]] = defaultdict(set)
    for path in HOST.rglob("*.py"):
        if (HOST / "cli") in path.parents:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes[node.name].add(path.relative_to(HOST).as_posix())
    doubled = {name: sorted(files) for name, files in homes.items() if len(files) > 1}
    assert {n: files for n, files in doubled.items() if n not in COMMANDS} == {}
