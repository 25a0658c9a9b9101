"""Syntax: what a Python file does and imports, read once for as long as the file is the same."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sparc3_bench.assets import default_cache
from sparc3_bench.folder.seen import READS, Findings, Stamp, settled, stamp

_Import = tuple[int, str, list[str]]


class Syntax(NamedTuple):
    """What is read from a file; `imports` are dots in front, a module, and names from it."""

    digest: str
    imports: list[_Import]
    homes: dict[str, str] | None = None
    has_code: bool = True


def syntax_of(file: Path) -> Syntax:
    """Return what a file says, as it is now."""
    stub = file.with_suffix(".pyi")
    READS.note(file.parent)
    for one in (file, stub):
        READS.note(one)
    now, name = [stamp(file), stamp(stub)], str(file)
    known = _known()
    if name not in known or known[name][0] != now:
        known[name] = now, _parsed(file)
        _new.add(name)
    return Syntax(*known[name][1])


def keep_syntax() -> None:
    """Keep what was read for the next process."""
    if _new:
        files = [name for name, (now, _) in _known().items() if settled(name, now[0])]
        _seen().put(_about(), {name: _known()[name] for name in files}, {})
        _new.clear()


_new: set[str] = set()


@cache
def _known() -> dict[str, tuple[list[Stamp | None], Any]]:  # as a list, from its file
    return dict(_seen().get(_about()) or {})


def _seen() -> Findings:
    return Findings(default_cache())


def _about() -> list[Any]:
    return ["syntax", sys.version, __file__, stamp(__file__)]


def _parsed(file: Path) -> Syntax:
    content = file.read_bytes()
    if file.suffix != ".py":
        return Syntax(short_digest(content), [])
    imports: list[_Import] = []
    words: list[str] = []

    def tell(value: object) -> None:
        if not isinstance(value, ast.AST):
            words.append(repr(value))
            return
        words.append(type(value).__name__)
        imports.extend(_named(value))
        for name in value._fields:
            inner = getattr(value, name, None)
            several = list(_kept(inner)) if isinstance(inner, list) else [inner]
            # Fields that are empty are not in every version of Python.
            if several in ([], [None]) or name in ("ctx", "kind", "type_comment"):
                continue
            words.append(name)
            for one in several:
                tell(one)
        words.append(")")

    try:
        tree = ast.parse(content)
        homes = _homes(tree, file.with_suffix(".pyi")) if b"__getattr__" in content else None
        tell(tree)
    except (SyntaxError, ValueError, RecursionError):  # damaged, or deeper than can be read
        return Syntax(short_digest(content), imports)
    told = " ".join(words)
    return Syntax(
        short_digest(told.encode(errors="surrogatepass")), imports, homes, told != "Module )"
    )


def _named(node: ast.AST) -> Iterator[_Import]:
    """Yield what a statement, or a call with a constant, imports."""
    match node:
        case ast.Import(names=names):
            yield from ((0, one.name, []) for one in names)
        case ast.ImportFrom(module=base, names=names, level=level):
            yield level, base or "", [one.name for one in names]
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            base = name.lstrip(".")
            yield len(name) - len(base), base, []


def _kept(nodes: list[Any]) -> Iterator[Any]:
    """Yield nodes without docstrings and without what is for type checking alone."""
    for node in nodes:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from _kept(node.orelse)
            case (
                ast.Expr(value=ast.Constant(value=str()))
                | ast.ImportFrom(module="typing", names=[ast.alias(name="TYPE_CHECKING")])
                | ast.alias(name="TYPE_CHECKING")
            ):
                continue
            case _:
                yield node


def _homes(tree: ast.Module, stub: Path) -> dict[str, str]:
    """Return where a lazy module has names from: by its stub, or a table, which is taken out."""
    if stub.is_file():
        said = (one for one in ast.parse(stub.read_bytes()).body if isinstance(one, ast.ImportFrom))
        return {name.name: one.module or "" for one in said for name in one.names}
    getters = [one for one in tree.body if getattr(one, "name", "") == "__getattr__"]
    used = {one.id for top in getters for one in ast.walk(top) if isinstance(one, ast.Name)}
    for one in tree.body:
        match one:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as table) if name in used:
                with contextlib.suppress(ValueError):  # what is computed
                    homes = dict(ast.literal_eval(table))
                    tree.body.remove(one)
                    return homes
    return {}


def short_digest(content: bytes) -> str:
    """Return a digest of 16 hex digits."""
    return hashlib.sha256(content).hexdigest()[:16]
