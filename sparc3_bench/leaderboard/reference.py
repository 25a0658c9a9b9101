"""Reference: contracts, hooks, commands, plugins, fields and errors, from the code that is here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from sparc3_bench.errors import ExitCode
from sparc3_bench.host import KINDS
from sparc3_bench.leaderboard.plugin_description import Description, class_description
from sparc3_bench.leaderboard.public_names import Definition, definitions, module_summary
from sparc3_bench.record.result import Result

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost, Registered
    from sparc3_bench.types.values import Metric

_OFFERED = {"contracts": True, "": True, "testing": False}
"""The modules that authors of plugins import from, and whether all that they mention is told."""

_NAME = re.compile(r"(?:[a-z_]+\.)?[A-Za-z_]\w*")
_TOLD_APART = {"name", "title", "citation", "metrics", "curve_metrics"}
"""Attributes of a plugin that have a place of their own."""


@dataclass(frozen=True)
class Plugin:
    """A plugin that is installed.

    Attributes
    ----------
    told
        What its class says of it.
    facts
        The attributes that its contract declares, as far as they say something.
    metrics
        Of a task: what it reports of a point and of a curve.
    package
        The folders of the package that it is in: ``sparc3_tasks/compression``.
    card
        Of a task: the document beside its code, if there is one.
    """

    kind: str
    name: str
    title: str
    origin: str
    told: Description
    facts: tuple[tuple[str, str], ...]
    metrics: tuple[Metric, ...]
    package: str
    card: Path | None


@dataclass(frozen=True)
class Field:
    """A field of a result file; `kind` is its type in words."""

    name: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True)
class RecordPart:
    """A part of a result file."""

    name: str
    description: str
    fields: tuple[Field, ...]


def hooks() -> list[Definition]:
    """Return every hook by which plugins enter."""
    return [one for one in definitions({"hookspecs": False}) if one.name.startswith("sparc3_")]


def contracts() -> list[tuple[str, str, list[Definition]]]:
    """Return what plugins are made of: module, what it is for, and what it defines."""
    by_module: dict[str, list[Definition]] = {}
    for one in definitions(_OFFERED):
        # Errors have a page of their own.
        if one.module != "errors":
            by_module.setdefault(one.module, []).append(one)
    return [(module, module_summary(module), found) for module, found in by_module.items()]


def errors() -> list[Definition]:
    """Return every error that a user can cause."""
    return [one for one in definitions({"errors": False}) if one.name.endswith("Error")]


def codes() -> list[tuple[ExitCode, str]]:
    """Return the exit codes, each with what it says."""
    (one,) = [one for one in definitions({"errors": False}) if one.name == ExitCode.__name__]
    return [(ExitCode[member.name], member.told.text) for member in one.members]


def plugins(host: PluginHost) -> Iterator[Plugin]:
    """Yield every plugin that is installed."""
    for kind, (_, base) in KINDS.items():
        declared = [n for one in base.__mro__ for n in inspect.get_annotations(one)]
        for entry in host.all(kind).values():
            yield _plugin(kind, entry, [n for n in declared if n not in _TOLD_APART])


def parts() -> list[RecordPart]:
    """Return the parts of a result file, the whole first."""
    schema = Result.model_json_schema()
    found = {"Result": schema, **schema["$defs"]}
    names = dict.fromkeys(_reached("Result", found))
    return [_part(name, found) for name in names if found[name].get("properties")]


def places(found: Iterable[Definition], page: str) -> dict[str, str]:
    """Return where each name is told of, by the name alone and behind its module's."""
    by_name: dict[str, str] = {}
    for one in found:
        by_name.setdefault(one.name, f"{page}#{anchor(one)}")
        by_name[f"{one.module.rpartition('.')[2]}.{one.name}"] = f"{page}#{anchor(one)}"
    return by_name


def anchor(one: Definition) -> str:
    """Return where on its page a name stands."""
    return f"{one.module}.{one.name}"


def with_links(text: str, by_name: Mapping[str, str]) -> Markup:
    """Return code in which each name that has a place leads there."""
    out, end = Markup(), 0
    for match in _NAME.finditer(text):
        place = by_name.get(match[0]) or by_name.get(match[0].rpartition(".")[2])
        out += escape(text[end : match.start()])
        out += Markup('<a href="{}">{}</a>').format(place, match[0]) if place else match[0]
        end = match.end()
    return out + text[end:]


def _plugin(kind: str, entry: Registered, declared: Iterable[str]) -> Plugin:
    cls = entry.cls
    made = cls(**cls.tiny_options) if kind == "task" else cls
    values = ((name, _shown(getattr(cls, name, None))) for name in declared)
    # A module that stands alone has its folder with strangers.
    package = (getattr(inspect.getmodule(cls), "__package__", "") or "").replace(".", "/")
    card = Path(inspect.getfile(cls)).parent / "README.md"
    return Plugin(
        kind=kind,
        name=cls.name,
        title=str(getattr(cls, "title", "")),
        origin=f"{entry.origin.distribution} {entry.origin.version}",
        told=class_description(cls),
        facts=tuple((name, text) for name, text in values if text),
        metrics=(*getattr(made, "metrics", ()), *getattr(made, "curve_metrics", ())),
        package=package,
        card=card if kind == "task" and package and card.is_file() else None,
    )


def _shown(value: Any) -> str:
    """Return a value in words; empty for one that says nothing."""
    if value is None or isinstance(value, property):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Path):
        return value.name  # where it lies is this machine's affair
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_shown(one)}" for name, one in value.items())
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value)))
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
    return str(value)


def _reached(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield name
    for reference in re.findall(r"#/\$defs/(\w+)", str(found[name].get("properties"))):
        yield from _reached(reference, found)


def _part(name: str, found: Mapping[str, Any]) -> RecordPart:
    schema = found[name]
    fields = (
        Field(field, _words(of), field in schema.get("required", ()), _said(of, found))
        for field, of in schema["properties"].items()
    )
    return RecordPart(name, schema.get("description", ""), tuple(fields))


def _said(schema: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return the description of a field; where it says no more than its part, that one's."""
    part = found.get(_words(schema), {})
    return str(schema.get("description") or part.get("description", ""))


def _words(schema: Mapping[str, Any]) -> str:
    """Return a type of the JSON Schema in words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return "any JSON" if name == "JsonValue" else name
    if "anyOf" in schema:
        return " or ".join(_words(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "prefixItems" in schema:
        return f"[{', '.join(_words(one) for one in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {_words(schema['items'])}"
    if schema.get("type") == "object":
        return f"{_words(schema['additionalProperties'])} by name"
    return str(schema["type"])
