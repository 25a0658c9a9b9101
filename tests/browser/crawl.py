"""Links of a site's files: where they lead, and whether there is anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

_ADDRESSES = {"href", "src", "action", "poster", "data"}


@dataclass
class Crawl:
    """What was found by following links from the first page."""

    pages: set[str] = field(default_factory=set)  # every page that was reached
    files: set[str] = field(default_factory=set)  # everything else that was
    broken: list[str] = field(default_factory=list)  # a sentence for every link that leads nowhere


class Document(HTMLParser):
    """The links and the places of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.places.add(value or "")
            elif name in _ADDRESSES and value is not None:
                self.links.append(value)
                if tag in {"link", "script", "img", "iframe", "source"}:
                    self.loaded.append(value)

    handle_startendtag = handle_starttag


def crawl(site: Path, start: str = "index.html") -> Crawl:
    """Follow every link from `start`, reading files alone."""
    found, documents, waiting = Crawl(), dict[str, Document](), [start]

    def document(path: str) -> Document:
        if path not in documents:
            documents[path] = Document((site / path).read_text(encoding="utf-8"))
        return documents[path]

    while waiting:
        page = waiting.pop()
        if page in found.pages:
            continue
        found.pages.add(page)
        for link in document(page).links:
            target, fragment, wrong = resolved(site, page, link)
            if wrong:
                found.broken.append(f"{page}: {link!r} {wrong}")
            elif not target.endswith(".html"):
                found.files |= {target} - {""}
            else:
                waiting.append(target)
                # A state of filters names no place.
                if fragment and "=" not in fragment and fragment not in document(target).places:
                    found.broken.append(f"{page}: {link!r} names no place in {target}")
    return found


def resolved(site: Path, page: str, link: str) -> tuple[str, str, str]:
    """Return the file of a link, its fragment and what is wrong; no file for what is outside."""
    parts = urlsplit(link)
    if parts.scheme in {"https", "http", "mailto", "data"}:
        return "", "", ""
    if parts.scheme or parts.netloc or parts.path.startswith("/"):
        return "", "", "does not stay in the site's folder"
    steps: list[str] = []
    for step in (PurePosixPath(page).parent / unquote(parts.path)).parts if parts.path else ():
        if step != "..":
            steps.append(step)
        elif not steps:
            return "", "", "leaves the site"
        else:
            steps.pop()
    target = "/".join(steps) if parts.path else page
    wrong = "" if (site / target).is_file() else "leads to no file"
    return target, unquote(parts.fragment), wrong


def loaded(site: Path, page: str) -> list[str]:
    """Return the files that opening a page loads, the page first."""
    document = Document((site / page).read_text(encoding="utf-8"))
    targets = [resolved(site, page, link)[0] for link in document.loaded]
    return [page, *dict.fromkeys(target for target in targets if target)]
