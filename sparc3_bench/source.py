"""What code a thing rests on: the files that its own file imports, as a digest and as libraries.

Followed are the suite, plugins and whatever else is no installed library, by every import at the
top of a file or in a function. A file counts by what it does: comments, docstrings, layout and
imports for type checking alone move nothing. What lies beside the Python files of a plugin counts
too; the suite has nothing of that kind that could move a number.

Not seen is what is imported by a computed name; who does that imports it once by its name, too.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import re
import secrets
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from types import ModuleType
from typing import Any

from sparc3_bench.hookspecs import GROUP
from sparc3_bench.syntax import Syntax, keep_syntax, short_digest, syntax_of

_UNDER_TORCH = {"torch", "transformers", "tokenizers", "safetensors", "numpy"}
_NO_NUMBERS = {"jinja2", "pluggy", "pydantic", "pydantic_core", "rich", "typer", "xxhash"}
"""Packages whose version moves no number."""
_NO_DATA = re.compile(r"\.|_{2}|README|LICEN[CS]E|NOTICE|CHANGELOG|.*\.(py[ci]?|typed|pth|log)$")
"""What is no file or folder of data, by its name."""

Code = type[Any] | ModuleType | str
"""A class, which stands for the module that defines it; a module; or a module's name."""


def code_of(of: Code) -> str:
    """Return a digest of all code that a class or module rests on, 16 hex digits.

    It is the same wherever the files lie. Versions of libraries are not in it: see `libraries_of`.
    """
    return _code(_name(of))


@cache
def _code(name: str) -> str:
    files, _ = _closure(name)
    if not files:
        return secrets.token_hex(8)  # typed in by hand: never known to be the same again
    told = [f"{path} {syntax_of(file).digest}" for path, file in [*files.items(), *_data(files)]]
    keep_syntax()
    return short_digest("\n".join(sorted(told)).encode())


def libraries_of(of: Code) -> dict[str, str]:
    """Return the versions of the installed libraries that a class or module rests on, by name.

    They are what its files import, but what moves no number; with torch or transformers come all
    that are at work under them.
    """
    return dict(_libraries(_name(of)))


@cache
def _libraries(name: str) -> dict[str, str]:
    names = {owner.name for top in _closure(name)[1] if (owner := _owner(top))}
    return versions(names | _UNDER_TORCH if names & {"torch", "transformers"} else names)


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed, by name."""
    found = {}
    for name in sorted(names):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    # The build (CPU, CUDA) is in torch's own file, not always in its metadata.
    for folder in _folders("torch") if "torch" in found else ():
        told = re.search(r"__version__ = '(.+)'", (folder / "version.py").read_text())
        found["torch"] = told[1] if told else found["torch"]
    return found


def files_of(of: Code) -> dict[str, Path]:
    """Return the Python files that a class or module rests on, its own first.

    Each has its path from the top-level package on, as `sparc3_bench/run/plan.py`.
    """
    return dict(_closure(_name(of))[0])


def _name(of: Code) -> str:
    return of if isinstance(of, str) else str(getattr(of, "__module__", of.__name__))


@cache
def _closure(name: str) -> tuple[dict[str, Path], set[str]]:
    files: dict[str, Path] = {}
    libraries, met, waiting, own = set(), set(), [name], name.partition(".")[0]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in met or not top or top in sys.stdlib_module_names:
            continue
        met.add(name)
        if top != own and not is_followed(top):
            libraries.add(top)
            continue
        package = name.rpartition(".")[0]
        waiting.append(package)  # it runs first
        if (file := _file(name)) is not None:
            is_package = file.name == "__init__.py"
            files[name.replace(".", "/") + ("/__init__.py" if is_package else ".py")] = file
            waiting += _imported(syntax_of(file), name if is_package else package)
    return files, libraries - _NO_NUMBERS


def _imported(syntax: Syntax, package: str) -> Iterator[str]:
    """Yield the full name of whatever a file in a package imports, be it a module or not."""
    parts = package.split(".")
    for level, base, names in syntax.imports:
        whole = ".".join([*parts[: len(parts) + 1 - level], base]).rstrip(".") if level else base
        yield whole
        yield from (f"{whole}.{name}" for name in names)
        top = whole.partition(".")[0]
        file = _file(whole) if top == parts[0] or is_followed(top) else None
        if file is None or file.name != "__init__.py" or (homes := syntax_of(file).homes) is None:
            continue
        # A package that loads names when they are asked for: those alone, where it lists them.
        asked = names if names and "*" not in names else homes
        for home in (homes[name] for name in asked if name in homes):
            yield from (home, f"{whole}.{home.lstrip('.')}")
        if not homes:
            inner = (one.relative_to(file.parent) for one in file.parent.rglob("*.py"))
            yield from (".".join([whole, *one.with_suffix("").parts]) for one in inner)


@cache
def _folders(top: str) -> tuple[Path, ...]:
    """Return the folders of a top-level package, or the file of a lone module; none if absent."""
    if file := getattr(sys.modules.get(top), "__file__", None):
        return (Path(file).parent if Path(file).name == "__init__.py" else Path(file),)
    with contextlib.suppress(ImportError, ValueError):
        if spec := importlib.util.find_spec(top):
            places = spec.submodule_search_locations or [spec.origin or ""]
            return tuple(Path(one) for one in places if Path(one).exists())
    return ()


@cache
def _file(name: str) -> Path | None:
    """Return the Python file of a module or package, by its full name."""
    top, *inner = name.split(".")
    found = (folder.joinpath(*inner) for folder in _folders(top))
    files = (one for whole in found for one in (whole / "__init__.py", whole.with_suffix(".py")))
    return next((one for one in files if one.is_file()), None)


@cache
def is_followed(top: str) -> bool:
    """Return whether a package is somebody's sources, or installed with or for a plugin."""
    folders = _folders(top)
    if not folders or not _is_installed(folders[0]):
        return bool(folders)
    owner = _owner(top)
    if owner is None or any(point.group == GROUP for point in owner.entry_points):
        return True
    return any(re.match(r"sparc3[-_.]bench\b", one, re.I) for one in owner.requires or ())


@cache
def _is_installed(place: Path) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(place.resolve().parts)


@cache
def _owner(top: str) -> Distribution | None:
    """Return the distribution of an installed package."""
    if not _folders(top):
        return None
    try:
        return importlib.metadata.distribution(top)
    except PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(top, [])
        return importlib.metadata.distribution(names[0]) if names else None


def _data(files: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield what lies beside the Python files of plugins, each with a name."""
    beside = {file.parent: path.rpartition("/")[0] for path, file in files.items()}
    tops = {path.partition("/")[0].removesuffix(".py") for path in files} - {__package__}
    for folder, name in beside.items():
        if name.partition("/")[0] in tops or not (name or _is_installed(folder)):
            yield from ((f"{name}/{inner}", one) for inner, one in _shipped(folder, bool(name)))
    for owner in (_owner(top) for top in tops if any(map(_is_installed, _folders(top)))):
        yield from _apart(owner) if owner else ()


def _shipped(folder: Path, deep: bool) -> Iterator[tuple[str, Path]]:
    """Yield the files of data in a folder, and in those within it that have no code."""
    for one in folder.iterdir():
        if _NO_DATA.match(one.name):
            continue
        if one.is_file():
            yield one.name, one
        elif (
            deep and one.is_dir() and not any(syntax_of(file).has_code for file in one.glob("*.py"))
        ):
            yield from ((f"{one.name}/{inner}", file) for inner, file in _shipped(one, deep))


def _apart(owner: Distribution) -> Iterator[tuple[str, Path]]:
    """Yield the files of data that a distribution installs outside its packages."""
    packages = {file.parts[0] for file in owner.files or () if file.suffix == ".py"}
    for file in owner.files or ():
        told = file.parts[0].endswith("-info") or file.parent.name in ("bin", "Scripts")
        place = Path(str(file.locate()))
        if file.parts[0] not in packages and not (told or _NO_DATA.match(file.name)):
            yield from [(str(file), place)] if place.is_file() else []
