"""`sparc3 list`: what is installed and where it came from; of one plugin, all that it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import sparc3_bench.cli.common as common
from sparc3_bench.cli.answers import Answer, JsonFlag, Part
from sparc3_bench.cli.tables import console
from sparc3_bench.errors import UnknownNameError

if TYPE_CHECKING:
    from sparc3_bench.host import Registered


class PluginOption(Part):
    """An option of a plugin."""

    name: str
    """What is typed before the equals sign."""
    values: str
    """What it may be, in words."""
    default: str
    """As one would type it; `required` where there is none."""
    meaning: str
    """What its class says of it."""


class Plugin(Part):
    """A plugin that is installed."""

    kind: str
    """`scorer`, `task`, `adapter`, `model`, `suite`, `judge`, `executor`, `allocation` or
    `repair`."""
    name: str
    """What is typed."""
    title: str
    """What readers see."""
    summary: str
    """What it is, in a sentence."""
    details: list[str]
    """What else its author says, by paragraph."""
    facts: dict[str, str]
    """What its class declares, by what it is called: a formula, metrics, defaults, a licence."""
    options: list[PluginOption]
    """Its options."""
    cites: list[str]
    """The works that it follows."""
    distribution: str
    """The Python distribution that brings it."""
    version: str
    """The version of that."""
    example: str
    """A command that uses it."""


class PluginList(Answer):
    """What `sparc3 list` tells."""

    command: Literal["list"] = "list"
    plugins: list[Plugin]
    """The plugins, by kind and name."""
    broken: list[str]
    """Why plugins cannot be used, a sentence each."""


def command(
    what: Annotated[
        str | None,
        typer.Argument(
            help="Only scorers, tasks, adapters, models, suites, judges, executors, allocations or "
            "repairs; or the name of one plugin, to have it explained.",
            autocompletion=common.completion.whatever_is_listed,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Behind a kind, the name of one plugin of it.",
            autocompletion=common.completion.whatever_is_listed,
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List scorers, tasks and all other plugins that are installed, or explain one.

    With a name it tells what the plugin is, its options with what they may be, their defaults and
    meanings, where it comes from, and an example. Broken plugins are listed last, one sentence
    each.
    """
    from sparc3_bench.host import KINDS

    host = common.installed()
    every = {kind: host.all(kind) for kind in KINDS}
    kind = "" if what is None else what.removesuffix("s")
    if what is None:
        entries = every
    elif kind in KINDS:
        entries = {kind: every[kind] if name is None else {name: host.get(kind, name)}}
    else:
        entries = {kind: {what: some[what]} for kind, some in every.items() if what in some}
        if not entries:
            known = {
                *(f"{kind}s" for kind in KINDS),
                *(one for some in every.values() for one in some),
            }
            note = "".join(f" Broken plugin: {text}" for text in host.broken.values())
            raise UnknownNameError("kind or name", what, known, note)
    explained = name is not None or (what is not None and kind not in KINDS)
    if as_json or explained:
        plugins = [_told(k, entry) for k, some in entries.items() for entry in some.values()]
        if as_json:
            PluginList(plugins=plugins, broken=list(host.broken.values())).tell()
            return
        console().print("\n\n".join("\n".join(_explanation(one)) for one in plugins))
    else:
        for kind, some in entries.items():
            typer.echo(f"{kind}s")
            width = max(map(len, some), default=0)
            for entry in some.values():
                _print_line(entry, width)
        for text in host.broken.values():
            typer.echo(f"broken plugin: {text}", err=True)


def _print_line(one: Registered, width: int) -> None:
    from sparc3_bench.leaderboard.plugin_description import plugin_text

    text, name, origin = plugin_text(one.cls), f"  {one.cls.name:<{width}}", one.origin
    typer.echo(f"{name} {text.summary}  [{origin.distribution} {origin.version}]")
    if text.options:
        options = ", ".join(f"{option.name}={option.default}" for option in text.options)
        typer.echo(f"  {'':<{width}} options: {options}")


def _told(kind: str, entry: Registered) -> Plugin:
    from sparc3_bench.configurable import option_values
    from sparc3_bench.leaderboard.bibliography import citations
    from sparc3_bench.leaderboard.plugin_description import plugin_text

    cls = entry.cls
    text = plugin_text(cls)
    cited = [*citations(str(getattr(cls, "citation", ""))), *text.references]
    return Plugin.of(
        text,
        entry.origin,
        kind=kind,
        name=cls.name,
        title=getattr(cls, "title", cls.name),
        facts=dict(_facts(cls)),
        options=[
            PluginOption.of(one, values=option_values(cls, one.name), meaning=one.description)
            for one in text.options
        ],
        cites=[one if isinstance(one, str) else one.text for one in dict.fromkeys(cited)],
        example=_EXAMPLES[kind].format(name=cls.name),
    )


_EXAMPLES = {
    "scorer": "sparc3 run --scorer {name}",
    "task": "sparc3 run --task {name} --scorer wanda",
    "adapter": "sparc3 inspect FOLDER",
    "model": "sparc3 run --model {name} --scorer wanda",
    "suite": "sparc3 run --suite {name}",
    "judge": "sparc3 rejudge KEY --judge {name}",
    "executor": "sparc3 run --suite quick --on {name}",
    "allocation": "sparc3 run --scorer wanda --allocation {name}",
    "repair": "sparc3 run --scorer wanda --repair {name}",
}

_OPTION = {
    "scorer": "--scorer-option",
    "task": "--task-option",
    "judge": "--judge-option",
    "executor": "--executor-option",
}

_DECLARED = {
    "formula": "formula",
    "notice": "note",
    "default_group": "comparison group",
    "default_objective": "objective",
    "amounts": "amounts",
    "model_types": "model types",
    "label": "weights",
    "licence": "licence",
    "file": "file",
}
"""What classes declare, and what it is called for readers."""


def _facts(cls: type[Any]) -> Iterator[tuple[str, str]]:
    from sparc3_bench.configurable import option_fields

    options = {field.name for field in option_fields(cls)}
    for attribute, called in _DECLARED.items():
        value = getattr(cls, attribute, None)
        if isinstance(value, (tuple, list)):
            value = ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
        if isinstance(value, (str, PurePath)) and value and attribute not in options:
            yield called, str(value)
    declared = getattr(cls, "metrics", ())
    metrics = [*(declared if isinstance(declared, tuple) else ())]
    metrics += getattr(getattr(cls, "summary", None), "metrics", ())
    if told := [f"{one.title} ({one.name}, {one.direction} is better)" for one in metrics]:
        yield "metrics", "; ".join(told)


def _explanation(one: Plugin) -> Iterator[str]:
    yield f"{one.kind} {one.name}: {one.title}  [{one.distribution} {one.version}]"
    yield from (one.summary, *one.details)
    for called, value in one.facts.items():
        yield f"{called}: {value}"
    for option in one.options:
        unset = {"required": "required", "None": "not set"}
        default = unset.get(option.default, f"default {option.default}")
        yield f"  {option.name} ({default}): {option.values}"
        if option.meaning:
            yield f"    {option.meaning}"
    for work in one.cites:
        yield f"cites: {work}"
    more = ""
    if one.options and (typed := _OPTION.get(one.kind)):
        first = one.options[0]
        more = f" {typed} {first.name}={first.default if first.default != 'required' else '…'}"
    yield f"example: {one.example}{more}"
