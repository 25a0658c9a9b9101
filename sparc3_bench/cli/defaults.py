"""Defaults: options that a file of the user's, or a run file, says in place of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from sparc3_bench.errors import Sparc3Error, UnknownNameError

CONFIG_VARIABLE = "SPARC3_CONFIG"
"""Environment variable that names another file."""
NAMES = (
    *("results", "cache", "store", "on", "jobs", "executor_option", "cell_timeout", "cell_memory"),
    *("retry_failed", "device", "dtype", "against"),
)
"""Options that say where, on what and within which limits, and not what is run."""
_LISTS = frozenset({"against", "executor_option"})


def user_file() -> Path:
    """Return the file with the user's defaults, whether or not it is there."""
    named = os.environ.get(CONFIG_VARIABLE)
    usual = Path(typer.get_app_dir("sparc3-bench"), "config.toml")
    return Path(named).expanduser() if named else usual


def take_user_file(context: typer.Context) -> None:
    """Have the command that is invoked take what the user's file says.

    Raises Sparc3Error when the file cannot be read. Raises UnknownNameError for a name that is no
    option, or none that has a default of the user's.
    """
    file, name = user_file(), context.invoked_subcommand
    if name is None or not (file.is_file() or CONFIG_VARIABLE in os.environ):
        return
    values = _checked(_content(file), str(file))
    group: Any = context.command
    inner = getattr(group.get_command(context, name), "commands", ())
    context.default_map = {name: {**values, **dict.fromkeys(inner, values)}}


def take_run_file(context: typer.Context, suite: str | None) -> str | None:
    """Have a command take what the table `options` of a suite's file says; raises as above."""
    if suite is not None and suite.endswith(".toml") and Path(suite).is_file():
        said = _checked(_content(Path(suite)).get("options", {}), f"{suite}, `options`")
        context.default_map = {**(context.default_map or {}), **said}
    return suite


def _content(file: Path) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Sparc3Error(f"{file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Sparc3Error(f"{file} is not valid TOML: {error}.") from None


def _checked(content: object, where: str) -> dict[str, Any]:
    """Return values by the names that commands have for them."""
    if not isinstance(content, Mapping):
        raise Sparc3Error(f"{where} must be a table of options, got {content!r}.")
    found = dict[str, Any]()
    for typed, value in content.items():
        name = typed.replace("-", "_")
        if name not in NAMES:
            raise UnknownNameError(f"option in {where},", typed, NAMES)
        text = str(Path(value).expanduser()) if str(value).startswith("~") else value
        found[name] = [text] if name in _LISTS and isinstance(text, str) else text
    return found
