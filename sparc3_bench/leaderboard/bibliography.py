"""Bibliography: the works that the suite cites by key, as plain text with a link."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparc3_bench.errors import Sparc3Error

FILE = Path(__file__).resolve().parents[1] / "references.toml"
"""Inside the package, so that a wheel has it too."""

_OTHERS = "others"
"""Stands last where a work has more authors than are named."""

_GROUP = re.compile(r"\[([^\[\]]*)\]")
_CITED = re.compile(r"(?P<key>[a-z]+\d{4}[a-z]*)(?P<where>,.*)?", re.DOTALL)

Text = Annotated[str, Field(min_length=1)]
_PLACE = r"[A-Za-z0-9.-]+/[A-Za-z0-9.()/:;_~%#?=&+-]*"


class Reference(BaseModel):
    """A work, as it is written down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(pattern=r"^[a-z]+\d{4}[a-z]*$")]
    # `Family, Given` or the family name alone; the last may be `others`
    authors: Annotated[tuple[Text, ...], Field(min_length=1)]
    title: Text
    venue: str = ""  # where it appeared; may be empty
    year: Annotated[int, Field(ge=1000, le=9999)]
    # Where it can be read, always https; empty when no place is known
    url: Annotated[str, Field(pattern=rf"^(?:https://{_PLACE})?$")] = ""

    @property
    def label(self) -> str:
        """Authors and year as they stand inside a sentence: ``Sun et al. 2024``."""
        families = self._families
        several = len(families) > 2 or _OTHERS in families
        return f"{f'{families[0]} et al.' if several else ' and '.join(families)} {self.year}"

    @property
    def text(self) -> str:
        """The citation, without its link."""
        names = ", ".join(self._families).replace(f", {_OTHERS}", " et al.")
        return f"{names} ({self.year}). {self.title}.{f' {self.venue}.' if self.venue else ''}"

    @property
    def _families(self) -> list[str]:
        return [name.partition(",")[0] for name in self.authors]


@lru_cache(maxsize=1)
def bibliography() -> Mapping[str, Reference]:
    """Return every work by its key."""
    return MappingProxyType(parse(FILE.read_text(encoding="utf-8")))


def parse(text: str) -> dict[str, Reference]:
    """Return the works of a bibliography in TOML by key; Sparc3Error names one that is wrong."""
    try:
        works = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Sparc3Error(f"The bibliography is not valid TOML: {error}; correct it.") from None
    return {key: _reference(key, fields) for key, fields in works.items()}


def _reference(key: str, fields: object) -> Reference:
    given = {**fields, "key": key} if isinstance(fields, dict) else fields
    try:
        return Reference.model_validate(given)
    except ValidationError as error:
        field, told = first_of(error)
        raise Sparc3Error(
            f"Field `{field or 'key'}` of '{key}' in the bibliography: {told}; correct it."
        ) from None


def first_of(error: ValidationError) -> tuple[str, str]:
    """Return the first field that is wrong, empty where a rule of the whole is, and what is."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")


def citations(citation: str) -> tuple[Reference | str, ...]:
    """Return what a plugin's `citation` names; keys are separated by semicolons.

    What is no key of the bibliography is handed back as it is, e.g. a citation written out.
    """
    works = bibliography()
    found: list[Reference | str] = []
    for part in filter(None, (part.strip() for part in citation.split(";"))):
        match = _CITED.fullmatch(part)
        if match and match["key"] in works:
            found.append(works[match["key"]])
        elif found and isinstance(found[-1], str):
            # A citation that is written out may have semicolons of its own.
            found[-1] += f"; {part}"
        else:
            found.append(part)
    return tuple(found)


def spell_out(text: str) -> tuple[str, tuple[Reference, ...]]:
    """Spell out keys in brackets, as docstrings have them, and return the works that they name.

    ``[sun2024wanda, eq. 1]`` becomes ``(Sun et al. 2024, eq. 1)``. Brackets that hold anything
    else than keys of the bibliography stay as they are.
    """
    works = bibliography()
    named: list[Reference] = []

    def spell(group: re.Match[str]) -> str:
        parts = [_CITED.fullmatch(part.strip()) for part in group[1].split(";")]
        labels = []
        for part in parts:
            if part is None or part["key"] not in works:
                return group[0]
            labels.append(works[part["key"]].label + (part["where"] or ""))
        named.extend(works[part["key"]] for part in parts if part)
        return f"({'; '.join(labels)})"

    return _GROUP.sub(spell, text), tuple(dict.fromkeys(named))
