"""Options of plugins as typed on a command line: found, converted to their types, refused."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, ValidationError

from sparc3_bench.configurable import Configurable, option_fields, option_types, refusal
from sparc3_bench.contracts import Scorer, Task
from sparc3_bench.errors import PluginError, Sparc3Error, UnknownNameError

if TYPE_CHECKING:
    from sparc3_bench.host import PluginHost, Registered
    from sparc3_bench.record.result import Result


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Return ``["a=1", "lrp.b=2"]`` as a dict.

    Raises Sparc3Error when a pair has no equals sign.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Sparc3Error(f"Option '{pair}' must have the form NAME=VALUE.")
        found[name] = value
    return found


def as_typed(options: Mapping[str, JsonValue]) -> dict[str, str]:
    """Return recorded options as they would be typed.

    None cannot be typed; where it occurs it is the default.
    """
    return {name: str(value) for name, value in options.items() if value is not None}


def build(kind: str, cls: type[Any], given: Mapping[str, str]) -> Any:
    """Make a plugin object with the given options converted to the types of its fields.

    Raises UnknownNameError or Sparc3Error for an option it does not have, a value of the wrong
    type, or a class that takes more.
    """
    made: Any = cls
    fields = option_fields(cls)
    names = [field.name for field in fields]
    types = option_types(cls)
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in names:
            raise UnknownNameError(f"option of {kind} '{cls.name}'", name, names)
        try:
            values[name] = types[name].validate_strings(text)
        except ValidationError as error:
            raise refusal(f"Option `{name}` of {kind} '{cls.name}'", text, error) from None
    for field in fields:
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise Sparc3Error(
                f"Option `{field.name}` of {kind} '{cls.name}' has no default; give it a value."
            )
    try:
        _signature(made).bind(**values)
    except TypeError as error:
        raise PluginError(
            f"The {kind} '{cls.name}' cannot be made of its options ({error}); make it a frozen "
            "dataclass, whose fields are its options."
        ) from None
    return made(**values)


def chosen(kind: str, text: str, host: PluginHost) -> tuple[Registered, Any]:
    """Return the plugin that ``NAME`` or ``NAME:OPTION=VALUE,…`` names.

    Raises UnknownNameError or Sparc3Error as `build`.
    """
    name, _, options = text.partition(":")
    entry = host.get(kind, name)
    return entry, build(kind, entry.cls, parse_pairs(options.split(",") if options else ()))


@cache
def _signature(cls: Any) -> inspect.Signature:
    return inspect.signature(cls)


def chosen_text(plugin: Configurable) -> str:
    """Return a plugin as one would type it, with all its options."""
    options = sorted(as_typed(plugin.options()).items())
    told = ",".join(f"{name}={value}" for name, value in options)
    return f"{plugin.name}:{told}" if told else plugin.name


def meant_for(name: str, cls: type[Any], given: Mapping[str, str]) -> dict[str, str]:
    """Pick the options meant for one scorer or task among several.

    ``lrp.variant=…`` is for the scorer lrp alone, ``aggregation=…`` for all that have it.
    """
    fields = {field.name for field in option_fields(cls)}
    picked = {option: text for option, text in given.items() if option in fields}
    for option, text in given.items():
        owner, dot, rest = option.partition(".")
        if dot and owner == name:
            picked[rest] = text
    return picked


def typed_for(name: str, cls: type[Any], given: Mapping[str, str]) -> dict[str, str]:
    """Pick the options meant for one scorer or task, under the names they were typed by."""
    return {one: text for one, text in given.items() if meant_for(name, cls, {one: ""})}


def limited(task: Task, most: int | None) -> tuple[Task, int | None]:
    """Return a task with at most so many samples of each kind, and `most` where that counts.

    Raises Sparc3Error when the task does not say which of its options are numbers of samples.
    """
    if most is None:
        return task, None
    if not task.sample_counts:
        raise Sparc3Error(
            f"Task '{task.name}' does not say which of its options are numbers of samples "
            "(`sample_counts`), so it cannot be shortened; leave `--limit` out."
        )
    counts = {name: min(getattr(task, name) or most, most) for name in task.sample_counts}
    whole: Any = task  # with options, so it is a dataclass
    return dataclasses.replace(whole, **counts), most if most in counts.values() else None


def check_scorer_options(given: Mapping[str, str], scorers: Iterable[Scorer]) -> None:
    """Refuse options that none of these scorers has.

    Raises UnknownNameError with the closest option that one of them has.
    """
    used = {f"{scorer.name}.{option}" for scorer in scorers for option in scorer.options()}
    bare = {name.partition(".")[2] for name in used}
    for name in given:
        if name not in used and name not in bare:
            raise UnknownNameError("scorer option", name, bare if "." not in name else used)


def task_of(result: Result, host: PluginHost) -> Task:
    """Return the task that measured a result, without its data.

    Raises Sparc3Error when it is not installed, or not in the version that measured.
    """
    ref = result.spec.task
    task: Task = build("task", host.get("task", ref.name).cls, as_typed(ref.options))
    if task.version != ref.task_version:
        raise Sparc3Error(
            f"Task '{ref.name}' is of version {task.version} and would make other numbers than "
            f"version {ref.task_version}, which measured; run it again."
        )
    return task
