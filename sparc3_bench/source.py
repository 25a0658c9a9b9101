"""What a plugin is made of: its own file and those of its package that it imports, as a digest."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType


def source_digest(module: ModuleType) -> str:
    """Return a digest of the Python files that a module's behaviour rests on, 16 hex digits.

    They are its own and, of the same top-level package, whatever these import, at the top of a
    file or later. What is imported by a computed name is not seen.
    """
    package, _, _ = module.__name__.partition(".")
    own = Path(module.__file__ or "")
    # The folder that the top-level package, or the lone module, is in.
    depth = module.__name__.count(".") + (own.name == "__init__.py")
    root = own.parents[depth] if own.is_file() else Path()
    digest = hashlib.sha256()
    for file in sorted(_closure(own, root, package)):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _closure(own: Path, root: Path, package: str) -> set[Path]:
    found: set[Path] = set()
    waiting = [own]
    while waiting:
        file = waiting.pop()
        if file in found or not file.is_file():
            continue
        found.add(file)
        for name in _imported(file, root):
            if name.partition(".")[0] == package:
                waiting += _files(root, name)
    return found


def _imported(file: Path, root: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports; of `from x import y`, x and x.y."""
    place = file.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = place[: len(place) + 1 - node.level] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _files(root: Path, name: str) -> list[Path]:
    """Return the file of a module and the `__init__` files that run before it."""
    parts = name.split(".")
    packages = [root.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    return [*packages, root.joinpath(*parts).with_suffix(".py")]
