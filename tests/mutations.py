"""Mutants of the product's files, one at a time in a copy of it."""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sparc3_bench
from sparc3_bench import source

ROOT = Path(sparc3_bench.__file__).parents[1]
PLACES = ("", "plugins", "tasks")
"""Folders of the product in which packages are."""


def copy_product(folder: Path) -> None:
    """Copy everything that the product consists of to an empty folder."""
    for place in ("sparc3_bench", "plugins", "tasks"):
        left = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / place, folder / place, ignore=left, dirs_exist_ok=True)


@contextmanager
def changed(folder: Path, file: str, how: Callable[[str, str], str]) -> Iterator[None]:
    """Change one file of a copy, which is looked up in, for a while; see `looked_up_in`.

    Its path is as `source.files_of` has it, such as `sparc3_tasks/texts/lines.py`; `how` makes of
    path and text another text.
    """
    (path,) = (found for place in PLACES if (found := folder / place / file).is_file())
    seen, content = path.stat(), path.read_bytes()
    path.write_bytes(how(file, content.decode()).encode())
    _look_again()
    try:
        yield
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        _look_again()


@contextmanager
def looked_up_in(folder: Path) -> Iterator[None]:
    """Let packages of the product be those in a copy of it, for digests alone."""
    elsewhere = source._folders
    there = {one.name: one for place in PLACES for one in (folder / place).glob("sparc3_*")}

    def folders(top: str) -> tuple[Path, ...]:
        return (there[top],) if top in there else elsewhere(top)

    source._folders = folders  # type: ignore[assignment]
    forget()
    try:
        yield
    finally:
        source._folders = elsewhere
        forget()


def forget() -> None:
    """Let everything about code be looked up anew."""
    for one in vars(source).values():
        if hasattr(one, "cache_clear"):
            one.cache_clear()


def behaves(path: str, text: str) -> str:
    """Return the text of a file that does something else: its last number is one more."""
    if not path.endswith(".py"):
        return f"{text} "
    numbers = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    ]
    if not numbers:
        return f"{text}\nmutated = True\n"
    last = max(numbers, key=lambda node: (node.lineno, node.col_offset))
    lines = text.encode().splitlines(keepends=True)
    line = lines[last.lineno - 1]
    start, end = last.col_offset, last.end_col_offset
    lines[last.lineno - 1] = line[:start] + f"{last.value + 1!r}".encode() + line[end:]
    return b"".join(lines).decode()


def says(path: str, text: str) -> str:
    """Return the text of a file with other comments and docstrings, and the same code."""
    if not path.endswith(".py"):
        return text
    lines = text.encode().splitlines(keepends=True)
    strings = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    for node in strings:
        line, start = lines[node.lineno - 1], node.col_offset
        quotes = line.index(b'"""', start) + 3
        lines[node.lineno - 1] = line[:quotes] + b"Said otherwise. " + line[quotes:]
    return "# Said before.\n" + b"".join(lines).decode() + "\n# Said after.\n"


def _look_again() -> None:
    # What files there are does not change, so only what is in them is looked up anew.
    for one in (source._closure, source._code):
        one.cache_clear()
