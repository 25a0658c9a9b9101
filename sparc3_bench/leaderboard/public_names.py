"""Public: what the package offers to others, read from its source; nothing of it is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import griffe

import sparc3_bench
from sparc3_bench.leaderboard.docstrings import Docstring, parse_docstring

_NAME = "sparc3_bench"
_OWN = ("Parameters", "Attributes")
"""The sections of a class that describe its members."""


@dataclass(frozen=True)
class Member:
    """A public attribute or method of a class.

    Attributes
    ----------
    signature
        As in the source, on one line: ``score(model, reference) -> ScoreMap``.
    told
        What it says of itself, or what its class says of it.
    is_required
        Whether those who derive from an abstract class must give it.
    """

    name: str
    signature: str
    told: Docstring
    is_required: bool


@dataclass(frozen=True)
class Definition:
    """A public name: a class with its members, a function, or a value such as a kind of type.

    Attributes
    ----------
    module
        Where it is defined, without the name of the package.
    """

    name: str
    module: str
    signature: str
    told: Docstring
    members: tuple[Member, ...] = ()


def definitions(modules: Mapping[str, bool]) -> list[Definition]:
    """Return what modules offer and, where asked, all that this mentions, each once.

    Parameters
    ----------
    modules
        Path in the package, "" for itself, to whether what is mentioned is wanted.
    """
    waiting = [(one, follow) for path, follow in modules.items() for one in _offered(path)]
    found: dict[str, griffe.Object] = {}
    while waiting:
        one, follow = waiting.pop(0)
        if one.path not in found:
            found[one.path] = one
            waiting += [(other, True) for other in _mentioned(one) if follow]
    return [_definition(one) for one in found.values()]


def module_summary(module: str) -> str:
    """Return the first line of the docstring of a module, given without the package's name."""
    told = _package()[module].docstring
    return told.value.partition("\n")[0] if told else ""


@cache
def _package() -> griffe.Object:
    folder = Path(sparc3_bench.__file__).parents[1]
    found = griffe.load(_NAME, search_paths=[folder], allow_inspection=False)
    assert isinstance(found, griffe.Object)
    return found


def _target(one: griffe.Object | griffe.Alias) -> griffe.Object:
    found = one.final_target if isinstance(one, griffe.Alias) else one
    assert isinstance(found, griffe.Object)
    return found


def _offered(module: str) -> list[griffe.Object]:
    """Return what a module has in ``__all__``, or else what it defines."""
    if not module:
        return [_target(_package()[name]) for name in sparc3_bench.__all__]
    here = _package()[module]
    own = [name for name, one in here.members.items() if not one.is_alias and name[0] != "_"]
    return [_target(here[str(name)]) for name in here.exports or own]


def _definition(one: griffe.Object) -> Definition:
    told, members = (
        parse_docstring(one.docstring.value if one.docstring else None),
        tuple[Member, ...](),
    )
    if isinstance(one, griffe.Class):
        members = tuple(_members(one, told))
        names = {member.name for member in members}
        # What stands with the members need not be told twice.
        tables = {
            title: {name: text for name, text in rows.items() if name not in names}
            for title, rows in told.tables.items()
        }
        told = Docstring(
            told.text, {title: rows for title, rows in tables.items() if rows}, told.remarks
        )
        bases = [str(base) for base in one.bases if str(base)[0] != "_" and str(base) != "ABC"]
        signature = f"class {one.name}" + (f"({', '.join(bases)})" if bases else "")
    else:
        signature = _signature(one)
    module = one.module.path.removeprefix(_NAME).removeprefix(".")
    return Definition(one.name, module, signature, told, members)


def _members(one: griffe.Class, told: Docstring) -> Iterator[Member]:
    """Yield the public members of a class, those of its bases first."""
    described = {n: text for title in _OWN for n, text in told.tables.get(title, {}).items()}
    is_enum = any("Enum" in str(base) for base in one.bases)
    is_abstract = "ABC" in map(str, one.bases)
    for name, found in {**one.inherited_members, **one.members}.items():
        member = _target(found)
        own = (
            parse_docstring(member.docstring.value)
            if member.docstring
            else Docstring(described.get(name, ""))
        )
        # What `__init__` sets without a word about it is nobody else's.
        told_of = own.text or is_enum or getattr(member, "annotation", None)
        if name.startswith("_") or not (member.is_function or told_of):
            continue
        yield Member(name, _signature(member), own, is_abstract and _is_missing(member))


def _is_missing(member: griffe.Object) -> bool:
    """Return whether an abstract class leaves it to those who derive from it."""
    if isinstance(member, griffe.Function) or "property" in member.labels:
        return "abstractmethod" in {str(one.value) for one in getattr(member, "decorators", ())}
    return getattr(member, "value", None) is None


def _signature(one: griffe.Object) -> str:
    if isinstance(one, griffe.Function):
        return one.signature()
    kind, value = getattr(one, "annotation", None), getattr(one, "value", None)
    shows = "instance-attribute" not in one.labels or "class-attribute" in one.labels
    return f"{one.name}{f': {kind}' if kind else ''}{f' = {value}' if value and shows else ''}"


def _mentioned(one: griffe.Object) -> Iterator[griffe.Object]:
    """Yield what the public signatures of something mention of the package."""
    if isinstance(one, griffe.Class):
        for name, member in one.members.items():
            if not name.startswith("_"):
                yield from _mentioned(_target(member))
        return
    if isinstance(one, griffe.Function):
        parts = [one.returns, *(parameter.annotation for parameter in one.parameters)]
    else:
        parts = [getattr(one, "annotation", None)]
        # A kind of type is told by its value.
        parts += [getattr(one, "value", None)] if one.parent and one.parent.is_module else []
    for part in parts:
        for word in part.iterate(flat=True) if isinstance(part, griffe.Expr) else ():
            inside = str(getattr(word, "canonical_path", "")).removeprefix(f"{_NAME}.")
            try:
                found = _target(_package()[inside])
            except (KeyError, ValueError):  # of Python, or of another package
                continue
            if found.docstring and not found.is_module:
                yield found
