"""All code that can move a number: the suite, whole distributions of plugins, libraries."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARIES = (
    *("torch", "transformers", "tokenizers", "safetensors", "numpy", "gguf"),
    *("scipy", "datasets", "h5py", "detoxify", "lxt", "lm-eval"),
)
"""Distributions under the suite that can move a number."""

_ROOT = Path(__file__).resolve().parent
_NO_NUMBERS = tuple(_ROOT / name for name in ("cli", "leaderboard", "scaffold", "testing"))
"""Folders that read numbers, or ask for them, and make none."""
_MOST_BYTES = 32_000_000
"""Of a distribution that is read file by file; of a larger one its list of files is."""


def suite_digest() -> str:
    """Return a digest of every file of the suite that can move a number, 16 hex digits."""
    return _digest(_tree(_ROOT))


def plugin_digest(cls: type[Any], distribution: Distribution | None = None) -> str:
    """Return a digest of all that a plugin class comes with, 16 hex digits.

    That is its whole distribution, data included; the files around it where the distribution is
    installed in place; and as much of every class that it is derived from, and of every package
    outside the installed ones that it imports. Not the suite itself: see `suite_digest`.

    Parameters
    ----------
    cls
        The class.
    distribution
        What declares it; found by its module when None.
    """
    found: dict[str, str] = {}
    modules = {one.__module__ for one in cls.__mro__}
    waiting = sorted(_top(name) for name in modules)
    while waiting:
        top = waiting.pop()
        if top in found or not _is_foreign(top):
            continue
        owner = distribution if top == _top(cls.__module__) else None
        found[top], imported = _described(top, owner)
        waiting += imported
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()[:16]


@cache
def libraries(distribution: str = "sparc3-bench") -> dict[str, str]:
    """Return the versions of the libraries that can move a number, by name.

    Parameters
    ----------
    distribution
        One whose requirements count beside `LIBRARIES`.
    """
    names = {*LIBRARIES}
    if distribution != "sparc3-bench":
        try:
            required = importlib.metadata.requires(distribution) or []
        except PackageNotFoundError:
            required = []
        names |= {_NAME.match(one)[0] for one in required}  # type: ignore[index]
    versions = {}
    for name in sorted(names - {"sparc3-bench"}):
        try:
            versions[name] = importlib.metadata.version(name)
        except PackageNotFoundError:
            continue
    if (torch := sys.modules.get("torch")) is not None:
        # The build (CPU, CUDA) is in its own version string, not in its metadata.
        versions["torch"] = str(torch.__version__)
    return versions


_NAME = re.compile(r"[A-Za-z0-9._-]+")


def _described(top: str, owner: Distribution | None) -> tuple[str, tuple[str, ...]]:
    """Return a digest of a top-level module or package, and what its files import."""
    place = _place(top)
    if place is None:
        return "absent", ()
    if not _is_installed(place):
        own = _tree(place if place.is_dir() else place.parent, deep=place.is_dir())
        return _digest(own), tuple(sorted(set(_imports(own))))
    owner = owner or _owner(top)
    if owner is None:
        return _digest(_tree(place) if place.is_dir() else [place]), ()
    files = [file for file in owner.files or () if "__pycache__" not in file.parts]
    named = f"{owner.name} {owner.version}"
    if owner.name in LIBRARIES or sum(file.size or 0 for file in files) > _MOST_BYTES:
        return f"{named} {_sha(owner.read_text('RECORD') or '')}", ()
    # The other files of its metadata are written by whoever installs it.
    kept = [file for file in files if not file.parts[0].endswith(".dist-info")]
    paths = [Path(str(file.locate())) for file in kept]
    return f"{named} {_digest(path for path in paths if path.is_file())}", ()


def _top(module: str) -> str:
    return module.partition(".")[0]


def _is_foreign(top: str) -> bool:
    return top != __package__ and top not in sys.stdlib_module_names and top != "__main__"


def _place(top: str) -> Path | None:
    """Return the folder of a top-level package, or the file of a lone module."""
    module = sys.modules.get(top)
    if isinstance(module, ModuleType) and getattr(module, "__file__", None):
        file = Path(str(module.__file__))
    else:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        if spec.origin in (None, "built-in", "frozen"):
            places = list(spec.submodule_search_locations or ())
            return Path(places[0]) if places else None
        file = Path(str(spec.origin))
    return file.parent if file.name == "__init__.py" else file


@cache
def _installed_places() -> tuple[Path, ...]:
    named = {sysconfig.get_path(kind) for kind in ("purelib", "platlib", "stdlib")}
    return tuple(Path(one).resolve() for one in named if one)


def _is_installed(place: Path) -> bool:
    """Return whether a file belongs to an installed distribution, and not to somebody's sources."""
    whole = place.resolve()
    inside = "site-packages" in whole.parts or "dist-packages" in whole.parts
    return inside or any(whole.is_relative_to(folder) for folder in _installed_places())


@cache
def _owners() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def _owner(top: str) -> Distribution | None:
    names = _owners().get(top, [])
    return importlib.metadata.distribution(names[0]) if names else None


def _tree(folder: Path, deep: bool = True) -> list[Path]:
    """Return the files in a folder that are neither hidden, nor documents, nor logs."""
    found = []
    for path in folder.rglob("*") if deep else folder.iterdir():
        inner = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inner.parts)
        left_out = any(path.is_relative_to(one) for one in _NO_NUMBERS)
        told = path.name.startswith("README") or path.suffix == ".log"
        if path.is_file() and not hidden and not left_out and not told:
            found.append(path)
    return sorted(found)


def _imports(files: Iterable[Path]) -> Iterator[str]:
    """Yield the top-level names that Python files import."""
    for file in files:
        if file.suffix == ".py":
            yield from _imported(file, file.stat().st_mtime_ns)


@cache
def _imported(file: Path, _changed: int) -> tuple[str, ...]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {_top(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(_top(node.module))
    return tuple(sorted(found))


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    every = sorted(files)
    if not every:
        return "empty"
    root = Path(*_common(every))
    for file in every:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()} {len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _common(files: list[Path]) -> list[str]:
    first, last = files[0].parent.parts, files[-1].parent.parts
    return [one for n, one in enumerate(first) if first[: n + 1] == last[: n + 1]]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
