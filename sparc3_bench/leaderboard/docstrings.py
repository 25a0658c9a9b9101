"""Docstrings: numpydoc read to plain paragraphs and one line a parameter."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from types import MappingProxyType

_RULE = re.compile(r"-{3,}\s*")
_ROLE = re.compile(r":[a-z:]+:`~?(?:[\w.]*\.)?(\w+)`")
_CODE = re.compile(r"`{1,2}([^`]*)`{1,2}")
_BULLET = re.compile(r"[*-] ")

_STOP = re.compile(r"[.!?](?=\s)")
_SHORT = ("e.g.", "i.e.", "et al.", "cf.", "vs.", "eq.", "sec.", "fig.", "Eq.", "Sec.", "Fig.")


@dataclass(frozen=True)
class Docstring:
    """What a docstring says, as plain text.

    Attributes
    ----------
    paragraphs
        Summary and what follows it, before the first section.
    parameters
        Description by name, from the section `Parameters`.
    notes
        The paragraphs of the section `Notes`.
    """

    paragraphs: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()


def read(text: object) -> Docstring:
    """Return what a docstring says; nothing where there is none.

    A stranger's docstring is text like any other: nothing in it is run, rendered or followed.
    """
    if not isinstance(text, str):
        return Docstring()
    sections = _sections(inspect.cleandoc(text).splitlines())
    return Docstring(
        paragraphs=_paragraphs(sections.get("", [])),
        parameters=MappingProxyType(_parameters(sections.get("Parameters", []))),
        notes=_paragraphs(sections.get("Notes", [])),
    )


def first_sentence(text: str) -> tuple[str, str]:
    """Return the first sentence and the rest.

    A full stop inside brackets, of an abbreviation, or before a small letter ends no sentence.
    """
    for stop in _STOP.finditer(text):
        before, after = text[: stop.end()], text[stop.end() :].lstrip()
        balanced = all(before.count(a) <= before.count(b) for a, b in ("[]", "()"))
        if balanced and not after[:1].islower() and not before.endswith(_SHORT):
            return before, after
    return text, ""


def _sections(lines: list[str]) -> dict[str, list[str]]:
    """Return the lines of every section by its heading; those before the first under ""."""
    found: dict[str, list[str]] = {"": []}
    here = found[""]
    for line, below in zip_longest(lines, lines[1:], fillvalue=""):
        if line.strip() and not line.startswith(" ") and _RULE.fullmatch(below):
            here = found.setdefault(line.strip(), [])
        elif not _RULE.fullmatch(line):
            here.append(line)
    return found


def _paragraphs(lines: list[str]) -> tuple[str, ...]:
    """Return paragraphs, each point of a list as one; blocks of code are left out."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if not line.strip():
            blocks.append([])
        elif _BULLET.match(line):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return tuple(_plain(block) for block in blocks if block and not _is_code(block))


def _is_code(block: list[str]) -> bool:
    return block[0].startswith((" ", "\t", ">>>"))


def _parameters(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        if line.startswith(" "):
            for name in names:
                found[name].append(line)
        elif line.strip():
            names = [name.strip(" *`") for name in line.partition(":")[0].split(",")]
            found.update({name: [] for name in names})
    return {name: _plain(described) for name, described in found.items()}


def _plain(lines: list[str]) -> str:
    """Return lines as one, without the marks of reStructuredText."""
    # Two colons announce the block of code that is left out.
    text = re.sub(r"\s*::$", ".", " ".join(" ".join(lines).split()))
    return _CODE.sub(r"\1", _ROLE.sub(r"\1", text))
