"""Documentation: the documents of the repository and the reference as pages of the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from sparc3_bench.leaderboard import markdown, reference
from sparc3_bench.leaderboard.templating import HERE, templates

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost
    from sparc3_bench.leaderboard.bibliography import Reference
    from sparc3_bench.leaderboard.commands import Command

_PACKAGED = HERE.parent / "documents"
"""The documents in an installed copy, in the folders that they have in the repository."""

ROOT = _PACKAGED if _PACKAGED.is_dir() else HERE.parents[1]
"""Where the documents are; in an editable copy, in the repository itself."""

CONTENTS = "docs/README.md"
"""The document whose list says which other ones there are, and in which order."""

_LINK = re.compile(r"^- \[([^\]]+)\]\(([^)#\s]+\.md)\)", re.MULTILINE)
_PICTURES = (".svg",)


@dataclass(frozen=True)
class Page:
    """A page of the documentation.

    Attributes
    ----------
    name
        Of its file.
    label
        What links to it say.
    sections
        Anchor and text of the headings of the second level.
    """

    name: str
    label: str
    title: str
    body: Markup
    sections: tuple[tuple[str, str], ...] = ()
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class Documentation:
    """All pages, by the title of the part they stand in, and the text of every picture by name."""

    menu: tuple[tuple[str, tuple[Page, ...]], ...]
    pictures: Mapping[str, str]


@lru_cache(maxsize=1)
def documentation(host: PluginHost, commands: tuple[Command, ...]) -> Documentation:
    """Return the pages; they depend on what is installed and can be typed, not on results."""
    listed, cards = _listed(), _cards(host)
    names = {path: _name(path) for path in listed}
    names |= {path: name for path, name, _ in cards}
    guides = [_document(path, ROOT / path, names, label) for path, label in listed.items()]
    tasks = [_document(path, file, names) for path, _, file in cards]
    by_file = {file: name for _, name, file in cards}
    made = list(_reference(host, commands, by_file))
    pages = (("Guides", guides), ("Tasks", tasks), ("Reference", made))
    return Documentation(
        menu=tuple((title, tuple(found)) for title, found in pages),
        pictures={
            path.name: path.read_text(encoding="utf-8")
            for path in sorted((ROOT / "docs").iterdir())
            if path.suffix in _PICTURES
        },
    )


def _listed() -> dict[str, str]:
    """Return the label of every document by its path in the repository."""
    text = (ROOT / CONTENTS).read_text(encoding="utf-8")
    return {
        CONTENTS: "Contents",
        **{_joined(CONTENTS, to): label for label, to in _LINK.findall(text)},
    }


def _name(path: str) -> str:
    """Return the name of a document's page."""
    if path == CONTENTS:
        return "index.html"
    parts = PurePosixPath(path.removeprefix("docs/")).with_suffix("").parts
    return "-".join(parts).lower() + ".html"


def _joined(path: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _links(path: str, names: Mapping[str, str]) -> markdown.Links:
    """Return what turns links of a document into links between pages."""

    def to(address: str) -> str | None:
        target, mark, fragment = address.partition("#")
        if not target:
            return address
        joined = _joined(path, target)
        if joined in names:
            return f"{names[joined]}{mark}{fragment}"
        is_picture = joined.startswith("docs/") and joined.endswith(_PICTURES)
        return posixpath.basename(joined) if is_picture else None

    return to


def _document(path: str, file: Path, names: Mapping[str, str], label: str = "") -> Page:
    found = markdown.document(file.read_text(encoding="utf-8"), _links(path, names))
    label = label or found.title.removeprefix("Card: ")
    return Page(names[path], label, found.title, found.body, found.sections, found.references)


def _cards(host: PluginHost) -> list[tuple[str, str, Path]]:
    """Return every task's card: path in the repository, name of its page, file."""
    cards: dict[Path, tuple[str, str, Path]] = {}
    for one in reference.plugins(host):
        if one.card is not None:
            found = (f"tasks/{one.package}/README.md", f"task-{one.name}.html", one.card)
            cards.setdefault(one.card, found)
    return list(cards.values())


def _reference(
    host: PluginHost, commands: tuple[Command, ...], cards: Mapping[Path, str]
) -> Iterator[Page]:
    """Yield the pages that are made of the code."""
    page = _pages()
    groups, errors, parts = reference.contracts(), reference.errors(), reference.parts()
    told = [one for _, _, found in groups for one in found]
    names = {
        **reference.places(errors, "errors.html"),
        **reference.places(told, "contracts.html"),
    }
    classes = [one for one in told if one.members]
    sections = [("hooks", "Hooks"), *((reference.anchor(one), one.name) for one in classes)]
    hooks = reference.hooks()
    yield page(
        "contracts", "Contracts and hooks", sections, hooks=hooks, groups=groups, names=names
    )
    sections = [("codes", "Exit codes"), *((markdown.slug(c.name), c.name) for c in commands)]
    yield page("commands", "Commands", sections, commands=commands, codes=reference.codes())
    kinds = [(k, list(of)) for k, of in groupby(reference.plugins(host), lambda one: one.kind)]
    sections = [(f"{kind}s", f"{kind.capitalize()}s") for kind, _ in kinds]
    yield page("plugins", "Plugins and options", sections, "installed", kinds=kinds, cards=cards)
    sections = [(part.name, part.name) for part in parts]
    fields = {part.name: f"#{part.name}" for part in parts}
    yield page("fields", "Fields of a result", sections, parts=parts, names=fields)
    yield page("errors", "Errors", [], errors=errors, names=names)


def _pages() -> Callable[..., Page]:
    environment = templates()
    environment.filters.update(
        prose=markdown.prose,
        slug=markdown.slug,
        anchor=reference.anchor,
        linked=reference.with_links,
    )

    def page(
        template: str, label: str, sections: list[tuple[str, str]], name: str = "", **context: Any
    ) -> Page:
        body = Markup(environment.get_template(f"docs/{template}.html").render(**context))
        return Page(f"{name or template}.html", label, label, body, tuple(sections))

    return page
