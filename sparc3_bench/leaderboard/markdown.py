"""Markdown: documents and docstrings as parts of a page; none of their text is markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from sparc3_bench.leaderboard.bibliography import Reference, spell_out

Links = Callable[[str], "str | None"]
"""The address of a link or picture in a document to that on its page; None where there is none."""

_COMMENT = re.compile(r"^<!--.*-->\n", re.MULTILINE)
_ROLE = re.compile(r":[a-z:]+:`~?(?:[\w.]*\.)?(\w+)`")
_OUTSIDE = re.compile(r"https?://")
_NO_SLUG = re.compile(r"[^\w\- ]")

_DOCUMENT = MarkdownIt("commonmark", {"html": False}).enable("table")
_DOCSTRING = MarkdownIt("zero", {"html": False}).enable(["backticks", "code", "list"])
"""Without links and pictures: a stranger's plugin may not lead a reader anywhere."""


@dataclass(frozen=True)
class Document:
    """A document as a part of a page.

    Attributes
    ----------
    title
        Its first heading.
    sections
        Anchor and text of the headings of the second level.
    references
        The works that it cites.
    """

    title: str
    body: Markup
    sections: tuple[tuple[str, str], ...]
    references: tuple[Reference, ...]


def document(text: str, links: Links) -> Document:
    """Return a document in Markdown as a part of a page."""
    tokens = _DOCUMENT.parse(_COMMENT.sub("", text))
    headings = _anchored(tokens)
    works: list[Reference] = []
    for token in tokens:
        if token.type == "th_open":
            token.attrSet("scope", "col")
        if token.children is not None:
            token.children = list(_inline(token.children, links, works))
    body = _DOCUMENT.renderer.render(list(_boxed(tokens)), _DOCUMENT.options, {})
    titles = [name for tag, _, name in headings if tag == "h1"]
    return Document(
        title=titles[0] if titles else "",
        body=Markup(body),  # the renderer escapes all text
        sections=tuple((anchor, name) for tag, anchor, name in headings if tag == "h2"),
        references=tuple(dict.fromkeys(works)),
    )


def prose(text: str) -> Markup:
    """Return a part of a docstring: paragraphs, lists, code."""
    plain, _ = spell_out(_ROLE.sub(r"`\1`", re.sub(r"::$", ":", text, flags=re.MULTILINE)))
    return Markup(_DOCSTRING.render(plain))


def slug(text: str) -> str:
    """Return the anchor of a heading, as forges make it."""
    return _NO_SLUG.sub("", text.lower()).replace(" ", "-")


def _anchored(tokens: list[Token]) -> list[tuple[str, str, str]]:
    """Give every heading an anchor; return tag, anchor and text of each."""
    found: list[tuple[str, str, str]] = []
    taken: dict[str, int] = {}
    for opening, inside in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(one.content for one in inside.children or ())
        anchor = slug(text)
        count = taken.get(anchor, 0)
        taken[anchor] = count + 1
        anchor += f"-{count}" if count else ""
        opening.attrSet("id", anchor)
        found.append((opening.tag, anchor, text))
    return found


def _inline(children: list[Token], links: Links, works: list[Reference]) -> Iterator[Token]:
    """Lead links to pages, leave out those that lead to none, spell out what is cited."""
    leads = True
    for token in children:
        if token.type == "text":
            token.content, named = spell_out(token.content)
            works += named
        elif token.type in {"link_open", "image"}:
            name = "src" if token.type == "image" else "href"
            address = str(token.attrs[name])
            target = address if name == "href" and _OUTSIDE.match(address) else links(address)
            if target is None and name == "src":
                token = Token("text", "", 0, content=token.content)
            elif target is None:
                leads = False
                continue
            else:
                token.attrSet(name, target)
        elif token.type == "link_close" and not leads:
            leads = True
            continue
        yield token


def _boxed(tokens: list[Token]) -> Iterator[Token]:
    """Put every table into a box that scrolls, named after the heading above it."""
    heading = ""
    for token in tokens:
        if token.type == "heading_open":
            heading = str(token.attrs["id"])
        if token.type == "table_open":
            box = Token("table_box_open", "div", 1, block=True)
            box.attrs = {"class": "scroll", "role": "region", "tabindex": "0"}
            box.attrSet("aria-labelledby", heading)
            token.attrSet("aria-labelledby", heading)
            yield box
        yield token
        if token.type == "table_close":
            yield Token("table_box_close", "div", -1, block=True)
