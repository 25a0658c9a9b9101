"""Commands: what the command line says of itself, as the parts of a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command.

    Attributes
    ----------
    name
        As one would type it; an argument in capitals.
    default
        As one would type it; empty when it has none.
    help
        What it says of itself.
    """

    name: str
    default: str
    help: str
    is_option: bool
    is_required: bool
    is_repeatable: bool


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes
    ----------
    name
        As one would type it: ``sparc3 circuit show``.
    usage
        The same with its arguments.
    help
        Its docstring.
    """

    name: str
    usage: str
    help: str
    parameters: tuple[Parameter, ...]


def commands_of(program: Any) -> tuple[Command, ...]:
    """Return every command of `sparc3`, those of a group beneath it.

    Parameters
    ----------
    program
        The whole command line, as `click` sees it; it is asked for what it says of itself.
    """
    return tuple(_commands(program, "sparc3"))


def _commands(found: Any, name: str) -> Iterator[Command]:
    parts = getattr(found, "commands", {})
    parameters = tuple(_parameter(one) for one in found.params if not one.hidden)
    # A group that has nothing of its own is no more than its commands.
    if parameters or not parts:
        yield _command(found, name, parameters)
    for part, one in parts.items():
        yield from _commands(one, f"{name} {part}")


def _command(found: Any, name: str, parameters: tuple[Parameter, ...]) -> Command:
    words = [_usage(one) for one in parameters if not one.is_option]
    if any(one.is_option for one in parameters):
        words.append("[OPTIONS]")
    return Command(name, " ".join([name, *words]), found.help or "", parameters)


def _parameter(one: Any) -> Parameter:
    is_option = one.param_type_name == "option"
    return Parameter(
        name=", ".join(one.opts) if is_option else one.name.upper(),
        default=_default(one.default),
        help=one.help or "",
        is_option=is_option,
        is_required=one.required,
        is_repeatable=one.multiple or one.nargs == -1,
    )


def _usage(one: Parameter) -> str:
    word = f"{one.name}..." if one.is_repeatable else one.name
    return word if one.is_required else f"[{word}]"


def _default(value: Any) -> str:
    """Return a default as it would be typed; a switch that is off has none."""
    if value is None or value is False or value is ... or callable(value) or value == []:
        return ""
    return value.as_posix() if isinstance(value, PurePath) else str(value)
