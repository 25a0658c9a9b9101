"""About: what a plugin is, from its class; a scorer that is not installed, from its record."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sparc3_bench.configurable import option_fields
from sparc3_bench.host import PluginHost
from sparc3_bench.leaderboard.bibliography import Reference, citations, spell_out
from sparc3_bench.leaderboard.docstrings import first_sentence, parse_docstring
from sparc3_bench.record.spec import PluginRef
from sparc3_bench.types.groups import Group


@dataclass(frozen=True)
class Option:
    """An option of a plugin."""

    name: str
    default: str  # as one would type it; empty when it is not known
    description: str  # what its class says; may be empty


@dataclass(frozen=True, kw_only=True)
class PluginText:
    """What the author of a plugin wrote of it, all of it plain text."""

    options: tuple[Option, ...]
    summary: str = ""  # one sentence
    details: tuple[str, ...] = ()  # paragraphs that follow it
    # Works of the bibliography that they name, and what a scorer cites otherwise
    references: tuple[Reference | str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ScorerDescription(PluginText):
    """What a page tells of a scorer."""

    title: str
    name: str
    distribution: str
    version: str
    formula: str = ""  # the score of a weight, one line
    notice: str = ""  # what a user must know before using it
    # default_group, default_objective, is_control, needs_reference: As the class says; None when it
    # is not installed
    default_group: Group | None = None
    default_objective: str | None = None
    is_control: bool | None = None
    needs_reference: bool | None = None
    # Whether the class was there to ask. Without it only `title`, `name`, `distribution`, `version`
    # and the names of the options are known
    is_installed: bool = False


_OF_CLASS = (
    *("title", "name", "formula", "notice", "default_group", "default_objective"),
    *("is_control", "needs_reference"),
)


def scorer_description(scorer_ref: PluginRef, host: PluginHost) -> ScorerDescription:
    """Return what is known of a scorer, as a result records it.

    One of the same name from another distribution than here is another scorer.
    """
    entry = host.all("scorer").get(scorer_ref.name)
    if entry is None or entry.origin.distribution != scorer_ref.distribution:
        return ScorerDescription(
            title=scorer_ref.title,
            name=scorer_ref.name,
            distribution=scorer_ref.distribution,
            version=scorer_ref.version,
            options=tuple(Option(name, "", "") for name in sorted(scorer_ref.options)),
        )
    told = plugin_text(entry.cls)
    cited = [*citations(str(entry.cls.citation)), *told.references]
    return ScorerDescription(
        **vars(replace(told, references=tuple(dict.fromkeys(cited)))),
        **{name: getattr(entry.cls, name) for name in _OF_CLASS},
        distribution=entry.origin.distribution,
        version=entry.origin.version,
        is_installed=True,
    )


def plugin_text(cls: type[Any]) -> PluginText:
    """Return what the class of a plugin, of any kind, and its module say."""
    own = parse_docstring(_docstring(cls))
    module = parse_docstring(getattr(sys.modules.get(cls.__module__), "__doc__", None))
    first, *rest = own.paragraphs or module.paragraphs or ("",)
    summary, remainder = first_sentence(first)
    around = [_untitled(text, cls) for text in module.paragraphs if own.paragraphs]
    told = [*around, remainder, *rest, *own.notes]
    notice = getattr(cls, "notice", "")
    paragraphs = [text for text in dict.fromkeys(told) if text not in ("", first, notice)]
    spelt = [spell_out(text) for text in (summary, *paragraphs)]
    return PluginText(
        summary=spelt[0][0],
        details=tuple(text for text, _ in spelt[1:]),
        references=tuple(dict.fromkeys(work for _, works in spelt for work in works)),
        options=tuple(_options(cls)),
    )


def _docstring(cls: type[Any]) -> str | None:
    """Return what the author wrote: neither the base class's, nor what a dataclass makes up."""
    own = vars(cls).get("__doc__")
    made_up = dataclasses.is_dataclass(cls) and str(own).startswith(f"{cls.__name__}(")
    return None if made_up else own


def _untitled(text: str, cls: type[Any]) -> str:
    """Return the first line of a module without the name of the scorer, which the page has."""
    name, colon, rest = text.partition(": ")
    named = colon and name.casefold() in (str(getattr(cls, "title", "")).casefold(), str(cls.name))
    return rest[:1].upper() + rest[1:] if named else text


def _options(cls: type[Any]) -> Iterable[Option]:
    # What a class does not say of an option, the one that it has it from does.
    said: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        said |= parse_docstring(_docstring(base)).parameters
    for field in option_fields(cls):
        text, _ = spell_out(said.get(field.name, ""))
        yield Option(field.name, _default(field), text)


def _default(field: dataclasses.Field[Any]) -> str:
    """Return the default as it would be typed on the command line."""
    value = field.default
    if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return "required"
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)
