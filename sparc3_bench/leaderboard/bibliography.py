"""Bibliography: the works that the suite cites by key, as plain text with a link."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from sparc3_bench.errors import Sparc3Error
from sparc3_bench.leaderboard.bibtex import Entry, entries, plain

FILE = Path(__file__).resolve().parents[1] / "references.bib"
"""Inside the package, so that a wheel has it too."""

_FIELDS = {
    "article": ("journal", ("volume", "number")),
    "inproceedings": ("booktitle", ()),
    "book": ("publisher", ()),
    "misc": ("howpublished", ()),
}
"""By kind of entry: the field that says where the work appeared, and what else may tell."""

_COMMON = {"title", "author", "year", "eprint", "doi", "url"}
_ARXIV = re.compile(r"\d{4}\.\d{4,5}(?:v\d+)?")
_DOI = re.compile(r"10\.\d{4,9}/[A-Za-z0-9.()/:;_-]+")
_URL = re.compile(r"https://[A-Za-z0-9.-]+/[A-Za-z0-9./_~%#?=&+-]*")

_OTHERS = "et al."

_GROUP = re.compile(r"\[([^\[\]]*)\]")
_CITED = re.compile(r"(?P<key>[a-z]+\d{4}[a-z]*)(?P<where>,.*)?", re.DOTALL)


@dataclass(frozen=True)
class Reference:
    """A work.

    Attributes
    ----------
    authors
        Family names; the last may be `et al.`.
    venue
        Where it appeared; may be empty.
    url
        Where it can be read, always https; empty when no place is known.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: int
    url: str

    @property
    def label(self) -> str:
        """Authors and year as they stand inside a sentence: ``Sun et al. 2024``."""
        several = f"{self.authors[0]} {_OTHERS}"
        names = several if len(self.authors) > 2 else " and ".join(self.authors)
        return f"{several if _OTHERS in self.authors else names} {self.year}"

    @property
    def text(self) -> str:
        """The citation, without its link."""
        names = ", ".join(self.authors).replace(f", {_OTHERS}", f" {_OTHERS}")
        return f"{names} ({self.year}). {self.title}.{f' {self.venue}.' if self.venue else ''}"


@lru_cache(maxsize=1)
def bibliography() -> Mapping[str, Reference]:
    """Return every work by its key."""
    return MappingProxyType(parse(FILE.read_text(encoding="utf-8")))


def parse(text: str) -> dict[str, Reference]:
    """Return the works of a BibTeX file by key, in order.

    Raises
    ------
    Sparc3Error
        Naming the entry that lacks something or has what is not understood.
    """
    return {entry.key: _reference(entry) for entry in entries(text)}


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


def _reference(entry: Entry) -> Reference:
    if entry.kind not in _FIELDS:
        raise Sparc3Error(
            f"Entry '{entry.key}' of the bibliography is a '{entry.kind}'; use one of "
            f"{', '.join(_FIELDS)}."
        )
    place, more = _FIELDS[entry.kind]
    if unknown := sorted(set(entry.fields) - _COMMON - {place, *more}):
        raise _wrong(entry, unknown[0], "is not understood for its kind; take it out")
    if missing := sorted({"title", "author", "year"} - set(entry.fields)):
        raise _wrong(entry, missing[0], "is missing; add it")
    if not re.fullmatch(r"\d{4}", entry.fields["year"]):
        raise _wrong(entry, "year", "must be a number of four digits; correct it")
    where = plain(entry.fields.get(place, ""))
    return Reference(
        key=entry.key,
        authors=_authors(entry),
        title=plain(entry.fields["title"]),
        venue="" if _URL.fullmatch(where) else _numbered(where, entry),
        year=int(entry.fields["year"]),
        url=_url(entry, where),
    )


def _numbered(venue: str, entry: Entry) -> str:
    volume, number = (plain(entry.fields.get(name, "")) for name in ("volume", "number"))
    return f"{venue} {volume}{f'({number})' if number else ''}".strip()


def _authors(entry: Entry) -> tuple[str, ...]:
    names = re.split(r"\s+and(?:\s+|$)", entry.fields["author"])
    found: list[str] = []
    for name in names:
        family = name.partition(",")[0].strip()
        if name == "others" and found and name is names[-1]:
            found.append(_OTHERS)
        elif not family or (" " in family and family == name and not family.startswith("{")):
            raise _wrong(entry, "author", f"has '{name}'; write it 'Family, Given'")
        else:
            found.append(plain(family))
    return tuple(found)


def _url(entry: Entry, where: str) -> str:
    """Return the best link: DOI, address, arXiv."""
    fields = entry.fields
    for name, form in (("doi", _DOI), ("url", _URL), ("eprint", _ARXIV)):
        if name in fields and not form.fullmatch(fields[name]):
            raise _wrong(entry, name, f"is '{fields[name]}', which has another form; correct it")
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "url" in fields:
        return fields["url"]
    arxiv = fields.get("eprint", where.removeprefix("arXiv:"))
    if _ARXIV.fullmatch(arxiv):
        return f"https://arxiv.org/abs/{arxiv}"
    return where if _URL.fullmatch(where) else ""


def _wrong(entry: Entry, field: str, what: str) -> Sparc3Error:
    return Sparc3Error(f"Field `{field}` of '{entry.key}' in the bibliography {what}.")
