"""Docstrings: numpydoc read to its sections, and these to plain paragraphs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import griffe

_TABLES = ("parameters", "attributes", "returns", "yields", "raises")
_ROLE = re.compile(r":[a-z:]+:`~?(?:[\w.]*\.)?(\w+)`")
_CODE = re.compile(r"`{1,2}([^`]*)`{1,2}")
_BULLET = re.compile(r"[*-] ")

_STOP = re.compile(r"[.!?](?=\s)")
_SHORT = ("e.g.", "i.e.", "et al.", "cf.", "vs.", "eq.", "sec.", "fig.", "Eq.", "Sec.", "Fig.")

Rows = Mapping[str, str]
"""What is described, and how."""


@dataclass(frozen=True)
class Docstring:
    """What a docstring says.

    Attributes
    ----------
    text
        What stands before the first section.
    tables
        By title, the sections that describe parameters, errors and so on.
    remarks
        By title, the other sections.
    """

    text: str = ""
    tables: Mapping[str, Rows] = field(default_factory=dict)
    remarks: Rows = field(default_factory=dict)

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The text as plain paragraphs, without its code."""
        return _paragraphs(self.text)

    @property
    def parameters(self) -> dict[str, str]:
        """What is said of every parameter, plain."""
        rows = self.tables.get("Parameters", {})
        return {name: _plain(text.splitlines()) for name, text in rows.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """The section `Notes` as plain paragraphs."""
        return _paragraphs(self.remarks.get("Notes", ""))


def parse_docstring(text: object) -> Docstring:
    """Return what a docstring says; nothing where there is none.

    A stranger's docstring is text like any other: nothing in it is run, rendered or followed.
    """
    if not isinstance(text, str):
        return Docstring()
    parts = griffe.parse_numpy(griffe.Docstring(inspect.cleandoc(text)), warnings=False)
    kinds = [(part.kind.value, part) for part in parts]
    return Docstring(
        text="\n\n".join(part.value for kind, part in kinds if kind == "text"),
        tables={
            kind.capitalize(): {n: row.description for row in part.value for n in _labels(row)}
            for kind, part in kinds
            if kind in _TABLES
        },
        remarks={
            part.title or "": part.value.contents for kind, part in kinds if kind == "admonition"
        },
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


def _labels(row: griffe.DocstringElement) -> list[str]:
    """Return the names that share a description; without any, the type."""
    return str(getattr(row, "name", "") or row.annotation or "").split(", ")


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
