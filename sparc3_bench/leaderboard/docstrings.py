"""Docstrings: what a stranger's class says of itself, in numpydoc, as plain paragraphs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}(?:\n|$)", re.MULTILINE)
_ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)
_ROLE = re.compile(r":[a-z:]+:`~?(?:[\w.]*\.)?(\w+)`")
_CODE = re.compile(r"`{1,2}([^`]*)`{1,2}")
_BULLET = re.compile(r"[*-] ")

_STOP = re.compile(r"[.!?](?=\s)")
_SHORT = ("e.g.", "i.e.", "et al.", "cf.", "vs.", "eq.", "sec.", "fig.", "Eq.", "Sec.", "Fig.")


@dataclass(frozen=True)
class Docstring:
    """What a docstring says, without its marks and its blocks of code."""

    paragraphs: tuple[str, ...] = ()  # what stands before the first section
    parameters: Mapping[str, str] = field(default_factory=dict)  # what is said of every parameter
    notes: tuple[str, ...] = ()  # the section `Notes`


def parse_docstring(text: object) -> Docstring:
    """Return what a docstring says; nothing where there is none.

    A stranger's docstring is text like any other: nothing in it is run, rendered or followed.
    """
    if not isinstance(text, str):
        return Docstring()
    before, *rest = _SECTION.split(inspect.cleandoc(text))
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    parameters: dict[str, str] = {}
    for entry in filter(str.strip, _ENTRY.split(sections.get("Parameters", ""))):
        names, _, said = entry.partition("\n")
        for name in names.partition(":")[0].split(","):
            parameters[name.strip()] = _plain(said.splitlines())
    return Docstring(_paragraphs(before), parameters, _paragraphs(sections.get("Notes", "")))


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


def _paragraphs(text: str) -> tuple[str, ...]:
    """Return paragraphs, each point of a list as one; blocks of code are left out."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if not line.strip():
            blocks.append([])
        elif _BULLET.match(line):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return tuple(_plain(block) for block in blocks if block and not _is_code(block))


def _is_code(block: list[str]) -> bool:
    return block[0].startswith((" ", "\t", ">>>"))


def _plain(lines: list[str]) -> str:
    """Return lines as one, without the marks of reStructuredText."""
    # Two colons announce the block of code that is left out.
    text = re.sub(r"\s*::$", ".", " ".join(" ".join(lines).split()))
    return _CODE.sub(r"\1", _ROLE.sub(r"\1", text))
